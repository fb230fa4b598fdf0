// What policy reads out of files: time zones, their yearly rules, hours, address ranges, control groups, files of verifiers. The first
// byte chooses which. Never a crash; what is accepted can be used and means what it says.
#include "base/bytes.h"
#include "policy/address_range.h"
#include "policy/hours.h"
#include "policy/password_file.h"
#include "policy/process_identity.h"
#include "policy/time_zone.h"

#include <cstdint>
#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool holds) {
  if (!holds) std::abort();
}

void zone(Bytes file) {
  const auto decoded = policy::decode_time_zone(file);
  if (!decoded) return;
  for (const std::int64_t at : {std::int64_t{0}, std::int64_t{-5'000'000'000}, std::int64_t{1'700'000'000},
                                std::int64_t{8'000'000'000}, std::int64_t{60'000'000'000}}) {
    const auto offset = decoded->offset_at(at);
    require(offset >= -27 * 3600 && offset <= 27 * 3600);
  }
}

void hours(std::string_view text) {
  const auto parsed = policy::parse_hours(text);
  if (!parsed) return;
  require(parsed->open.any() && policy::is_zone_name(parsed->zone_name));
  require(parsed->zone_name.find("..") == std::string::npos && !parsed->zone_name.starts_with('/'));
  require(policy::parse_hours(parsed->text).has_value() && parsed->covers(*parsed));
}

void range(std::string_view text) {
  (void)policy::parse_peer_address(text);
  const auto parsed = policy::parse_address_range(text);
  if (!parsed) return;
  require(parsed->prefix <= 128 && parsed->contains(parsed->network) && parsed->contains(*parsed));
}

void passwords(std::string_view text) {
  const auto parsed = policy::parse_password_file(text);
  if (!parsed) return;
  for (const auto& [name, verifier] : *parsed) {
    require(policy::is_login_name(name) && verifier.iterations >= policy::password_iterations_min);
  }
  policy::MockIdentity mock;
  mock.shape = policy::usual_shape(*parsed);
  const auto unknown = policy::verifier_for(*parsed, ":no name", mock);
  require(unknown.mock && unknown.verifier == policy::verifier_for(*parsed, ":no name", mock).verifier);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const Bytes rest{data + 1, size - 1};
  switch (data[0] % 6) {
    case 0: zone(rest); break;
    case 1:
      if (const auto rule = policy::parse_yearly_rule(as_text(rest)))
        require(rule->standard_offset >= -25 * 3600 && rule->standard_offset <= 25 * 3600);
      break;
    case 2: hours(as_text(rest)); break;
    case 3: range(as_text(rest)); break;
    case 4:
      require(policy::is_in_cgroup(policy::parse_cgroup(as_text(rest)), "/") ||
              policy::parse_cgroup(as_text(rest)).empty());
      require(policy::unit_of(as_text(rest)).empty() || policy::is_unit_name(policy::unit_of(as_text(rest))));
      break;
    default: passwords(as_text(rest)); break;
  }
  return 0;
}
