// Pure functions over short texts; the limits of what they accept are in values.h.
#include "config/values.h"

#include "base/ascii.h"
#include "config/document.h"
#include "config/keys.h"
#include "secrets/nearest.h"

#include <arpa/inet.h>

#include <algorithm>
#include <array>
#include <charconv>

namespace sallyport::config {
namespace {

bool is_letter_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

bool is_one_of(char c, std::string_view set) { return set.find(c) != std::string_view::npos; }

struct Unit {
  std::string_view name;
  std::int64_t milliseconds;
};

constexpr auto units = std::to_array<Unit>({
    {"ms", 1},
    {"s", 1'000},
    {"sec", 1'000},
    {"second", 1'000},
    {"seconds", 1'000},
    {"m", 60'000},
    {"min", 60'000},
    {"minute", 60'000},
    {"minutes", 60'000},
    {"h", 3'600'000},
    {"hour", 3'600'000},
    {"hours", 3'600'000},
    {"d", 86'400'000},
    {"day", 86'400'000},
    {"days", 86'400'000},
});
constexpr std::int64_t duration_ms_max = 10LL * 366 * 86'400'000;

bool is_private_v4(std::uint32_t address) {
  struct Range {
    std::uint32_t base;
    int bits;
  };
  constexpr auto ranges = std::to_array<Range>({{0x0A000000, 8},
                                                {0x7F000000, 8},
                                                {0xA9FE0000, 16},
                                                {0xAC100000, 12},
                                                {0xC0A80000, 16},
                                                {0x64400000, 10}});
  return std::ranges::any_of(ranges, [&](const Range& range) {
    return (address >> (32 - range.bits)) == (range.base >> (32 - range.bits));
  });
}

}  // namespace

std::optional<std::int64_t> parse_integer(std::string_view text) {
  std::int64_t value = 0;
  if (text.empty() || text.front() == '-') return std::nullopt;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return value;
}

std::optional<std::int64_t> parse_duration(std::string_view text) {
  const auto digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_integer(text.substr(0, digits));
  std::string_view unit = text.substr(digits);
  if (unit.starts_with(' ')) unit.remove_prefix(1);
  const auto found = std::ranges::find(units, unit, &Unit::name);
  if (!number || found == units.end() || *number > duration_ms_max / found->milliseconds) return std::nullopt;
  return *number * found->milliseconds;
}

bool is_plain_absolute_path(std::string_view path) {
  if (path == "/") return true;
  if (!path.starts_with('/')) return false;
  while (!path.empty()) {
    path.remove_prefix(1);
    const std::string_view part = path.substr(0, path.find('/'));
    if (part.empty() || part == "." || part == ".." || part.find('\0') != std::string_view::npos)
      return false;
    path.remove_prefix(part.size());
  }
  return true;
}

std::string_view strip_file_scheme(std::string_view path) {
  return path.starts_with("file:/") ? path.substr(5) : path;
}

bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= name_bytes_max && is_letter_or_digit(text.front()) &&
         std::ranges::all_of(text, [](char c) { return is_letter_or_digit(c) || is_one_of(c, "_.-"); });
}

bool is_host_name(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.empty() || text.size() > 253) return false;
  while (true) {
    const auto label = text.substr(0, text.find('.'));
    const bool fine =
        !label.empty() && label.size() <= 63 && label.front() != '-' && label.back() != '-' &&
        std::ranges::all_of(label, [](char c) { return is_letter_or_digit(c) || is_one_of(c, "-_"); });
    if (!fine) return false;
    if (label.size() == text.size()) break;
    text.remove_prefix(label.size() + 1);
  }
  // "10.0.0.300" is a mistyped address, not a name: no top-level domain is a number.
  const auto top = text.substr(text.rfind('.') + 1);
  return text.find_first_not_of("0123456789") != std::string_view::npos || !parse_integer(top);
}

bool is_ip_literal(std::string_view text) {
  const std::string copy{text};
  in6_addr address{};
  return inet_pton(AF_INET, copy.c_str(), &address) == 1 || inet_pton(AF_INET6, copy.c_str(), &address) == 1;
}

bool looks_private(std::string_view host) {
  const std::string name = to_lower(host.ends_with('.') ? host.substr(0, host.size() - 1) : host);
  in_addr v4{};
  in6_addr v6{};
  if (inet_pton(AF_INET, name.c_str(), &v4) == 1) return is_private_v4(ntohl(v4.s_addr));
  if (inet_pton(AF_INET6, name.c_str(), &v6) == 1) {
    const bool unique_local = (v6.s6_addr[0] & 0xFE) == 0xFC;
    return unique_local || IN6_IS_ADDR_LINKLOCAL(&v6) || IN6_IS_ADDR_LOOPBACK(&v6);
  }
  if (name.find('.') == std::string::npos) return true;
  constexpr auto suffixes =
      std::to_array<std::string_view>({".internal", ".local", ".localdomain", ".localhost", ".lan", ".corp",
                                       ".home", ".home.arpa", ".intranet", ".private", ".svc", ".test"});
  return std::ranges::any_of(suffixes, [&](std::string_view suffix) { return name.ends_with(suffix); });
}

std::string nearest(std::string_view word, const std::vector<std::string>& candidates) {
  if (word.size() < 3) return {};  // two letters are near to everything
  const std::vector<std::string_view> names(candidates.begin(), candidates.end());
  return std::string{secrets::nearest(to_lower(word), names)};
}

std::vector<std::string> split_choices(std::string_view choices) {
  std::vector<std::string> out;
  while (!choices.empty()) {
    const auto bar = choices.find('|');
    out.emplace_back(choices.substr(0, bar));
    choices = bar == std::string_view::npos ? std::string_view{} : choices.substr(bar + 1);
  }
  return out;
}

std::string join_choices(const std::vector<std::string>& choices) {
  std::string out;
  for (std::size_t i = 0; i < choices.size(); ++i) {
    if (i > 0) out += i + 1 == choices.size() ? " or " : ", ";
    out += in_backquotes(choices[i]);  // names of the file may be among them
  }
  return out;
}

}  // namespace sallyport::config
