// A file, a variable, a credential or a program that says anything, and a driver that answers what was not asked.
// Drives FileFetch, EnvFetch, SystemdFetch, ExecFetch.
//
// The first byte chooses the reference. Then comes a list of answers: one byte says what happens, two bytes a length,
// then that many bytes of text. A canary is put into each text where the length's last byte says: it must come back
// in no error and in no name of a field. When the list runs out the driver fails.
#include "base/limits.h"
#include "secrets/local/local.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;

// Not plain: a member's name that is plain is shown where the one asked for is missing, wherever the text got it from.
constexpr std::string_view canary = "canary-k7Qz2pXv!";
constexpr int steps_max = 8;

class Script {
 public:
  explicit Script(Bytes bytes) : bytes_(bytes) {}

  std::uint8_t byte() {
    if (bytes_.empty()) return 0xFF;
    const auto out = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return out;
  }

  /// Every 16th text is longer than a secret may be.
  std::string text(std::uint8_t kind) {
    const std::size_t high = byte();
    const std::size_t low = byte();
    const auto taken = bytes_.first(std::min(high * 256 + low, bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    std::string out{as_text(taken)};
    if ((kind & 0x40) != 0) out.insert(low % (out.size() + 1), canary);
    if ((kind & 0x30) == 0x30) out.resize(limits::secret_bytes_max + (kind & 1), ' ');
    return out;
  }

 private:
  Bytes bytes_;
};

Event answer_to(const Action& action, Script& script) {
  const auto kind = script.byte();
  if (kind >= 0xF0) {
    const auto code = static_cast<ErrorCode>(kind % (static_cast<int>(ErrorCode::internal) + 1));
    return ActionFailed{{code, Hop::none, "x", "x", {}, {}}};
  }
  auto text = Secret::copy_of(script.text(kind));
  const auto other = kind & 0x0F;  // 0 and most others: what was asked
  if (other == 1) return FileRead{std::move(text)};
  if (other == 2) return VariableRead{std::move(text)};
  if (other == 3) return VariableRead{std::nullopt};
  if (other == 4) return ProgramEnded{0, std::move(text)};
  if (other == 5) return Woken{};
  if (other == 6) return HttpReply{200, {}, std::move(text)};
  if (std::holds_alternative<ReadFile>(action)) return FileRead{std::move(text)};
  if (std::holds_alternative<ReadVariable>(action)) return VariableRead{std::move(text)};
  return ProgramEnded{other == 7 ? 3 : 0, std::move(text)};
}

void check_request(const Action& action) {
  if (const auto* file = std::get_if<ReadFile>(&action)) {
    if (!file->path.starts_with('/') || file->path.find("/../") != std::string::npos) std::abort();
    if (file->path.find('\0') != std::string::npos || file->bytes_max > limits::secret_bytes_max)
      std::abort();
  } else if (!std::holds_alternative<ReadVariable>(action) && !std::holds_alternative<RunProgram>(action)) {
    std::abort();
  }
}

void check_text(std::string_view text) {
  if (text.find(canary) != std::string_view::npos || text.size() > 4'000) std::abort();
}

void check_fetched(const secrets::Fetched& fetched) {
  if (fetched.credential.secret.empty() || fetched.credential.secret.size() > limits::secret_bytes_max)
    std::abort();
  if (fetched.credential.lease) std::abort();
  for (const auto& field : fetched.ignored_fields) check_text(field);
}

void run(secrets::FetchConversation& fetch, Script& script) {
  auto action = fetch.resume({{}, Started{}});
  for (int step = 0; step < steps_max; ++step) {
    if (!action) {
      check_text(describe(action.error()));
      if (action.error().hop != Hop::secret_source || action.error().where.empty()) std::abort();
      return;
    }
    if (std::holds_alternative<Done>(*action)) return check_fetched(fetch.take());
    check_request(*action);
    action = fetch.resume({{}, answer_to(*action, script)});
  }
  std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<secrets::Source> sources[] = {
      secrets::file_source(), secrets::env_source(), secrets::systemd_source(), secrets::exec_source()};
  static const char* const references[] = {"file:/run/db", "env:DB", "systemd:db", "exec:/bin/show db"};
  static const char* const endings[] = {"", "#password", "#a.b", "?shape=password"};
  Script script{{data, size}};
  const auto choice = script.byte();
  const auto text = std::string{references[choice % 4]} + endings[choice / 4 % 4];
  const auto session = sources[choice % 4]->open(*secrets::parse_reference(text), {});
  for (int turn = 0; turn < 2; ++turn) run(*(*session)->fetch(), script);
  return 0;
}
