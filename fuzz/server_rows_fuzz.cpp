// Rows and errors that a server answers to questions of ours, whatever they hold: what a session leaves behind, a
// user's own settings, what a refused statement becomes. Each in a buffer of exactly its size, so that a read past its
// end is seen.
#include "broker/role_settings.h"
#include "broker/state_check.h"
#include "wire/postgres/error_fields.h"
#include "wire/postgres/refused_state.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

using namespace sallyport;

namespace {

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

void fuzz_state(const std::vector<std::uint8_t>& row) {
  for (const std::string_view run_as : {"", "owner"}) {
    const auto found = broker::state_of_answer(row, run_as, "user");
    if (!found) continue;
    // Of no answer that has another number of columns.
    require(row.size() >= 2 + 9 * 4 && row[0] == 0 && row[1] == 9);
    if (found->empty()) require(std::string{as_text(Bytes{row})}.find("user") != std::string::npos);
  }
}

void fuzz_setting(const std::vector<std::uint8_t>& row) {
  const auto one = broker::setting_of_row(row);
  if (!one) return;
  require(one->size() + 6 <= row.size());
  broker::RoleSettings settings;
  const MonotonicTime now{std::chrono::seconds{1}};
  require(settings.ask("user", "db", now));
  require(settings.changes("user", "db", {*one}).empty());
  require(settings.changes("user", "db", {*one, *one}).empty());
  require(settings.changes("user", "db", {}).size() == 1);
}

void fuzz_refusal(const std::vector<std::uint8_t>& body) {
  auto told = body;
  postgres::tell_refusal(MutableBytes{told});
  require(told.size() == body.size());
  if (told == body) return;
  // It is an error as before, of our words and with one end.
  const auto fields = postgres::decode_error_fields(Bytes{told});
  require(fields.has_value());
  const bool refused = fields->sqlstate() == "0A000";
  require(refused || fields->sqlstate() == "55000");
  require(fields->message().ends_with(refused ? postgres::refusal_mark : postgres::lost_value_mark));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::vector<std::uint8_t> exact(data, data + size);
  fuzz_state(exact);
  fuzz_setting(exact);
  fuzz_refusal(exact);
  return 0;
}
