// Any text as a configuration: never a crash, never a hang; what is accepted is whole, what is refused is
// told with a place and without control characters.
#include "config/config.h"
#include "config/reader.h"
#include "config/values.h"

#include <algorithm>
#include <cstdlib>

using sallyport::config::parse_with;

namespace {

sallyport::config::Surroundings fixed_machine() {
  const auto find = [](const std::string& name) -> std::optional<std::uint32_t> {
    return name == "app" ? std::optional<std::uint32_t>{1000} : std::nullopt;
  };
  const auto day = std::chrono::sys_days{std::chrono::year{2026} / 7 / 1};
  return {.now = sallyport::WallTime{day}, .uid_of = find, .gid_of = find, .check_file = {}};
}

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_text(const std::string& text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  const auto number = sallyport::config::parse_integer(text);
  require(!number || *number >= 0);
  const auto duration = sallyport::config::parse_duration(text);
  require(!duration || *duration >= 0);
  const auto parsed = parse_with(text, "f", fixed_machine());
  const bool names_nobody = text.find("user") == text.npos && text.find("group") == text.npos;
  if (names_nobody) {  // else this machine's users would decide
    require(sallyport::config::parse(text, "f", fixed_machine().now).has_value() == parsed.has_value());
  }
  if (!parsed.has_value()) {
    require(!parsed.error().empty() && parsed.error().size() <= sallyport::config::errors_max);
    for (const auto& error : parsed.error()) {
      require(error.where.starts_with("f:") && !error.what.empty() && is_text(error.what) &&
              is_text(error.hint));
    }
    return 0;
  }
  for (const auto& warning : parsed->warnings) require(warning.starts_with("f:") && is_text(warning));
  for (const auto& [name, target] : parsed->targets) {
    require(target.name == name && !target.roles.empty() && !target.endpoints.empty());
    require(target.pool.min_ready <= target.pool.max);
    for (const auto& endpoint : target.endpoints) require(!endpoint.host.empty() && endpoint.port != 0);
  }
  for (const auto& route : parsed->routes) {
    require(!route.allow.empty() && parsed->targets.contains(route.target));
    for (const auto& rule : route.allow) {
      require((rule.uid || rule.gid || rule.certificate || !rule.verifier.empty() || !rule.unit.empty() ||
               !rule.cgroup.empty()) &&
              parsed->targets.at(route.target).roles.contains(rule.role));
    }
  }
  require(parsed->state_directory.starts_with('/') && parsed->audit.directory.starts_with('/'));
  return 0;
}
