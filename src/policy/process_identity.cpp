#include "policy/process_identity.h"

#include <algorithm>

namespace sallyport::policy {

namespace {

/// PATH_MAX; the kernel's own limit for the line's last part.
constexpr std::size_t cgroup_bytes_max = 4'096;

/// Takes up to `separator` off the front.
std::string_view cut(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return part;
}

bool has_dots(std::string_view path) {
  while (!path.empty()) {
    const auto part = cut(path, '/');
    if (part == ".." || part == ".") return true;
  }
  return false;
}

}  // namespace

std::string parse_cgroup(std::string_view content) {
  std::string found;
  while (!content.empty()) {
    auto line = cut(content, '\n');
    const auto number = cut(line, ':');
    const auto controllers = cut(line, ':');
    const bool unified = number == "0" && controllers.empty();
    if (!unified && controllers != "name=systemd") continue;
    if (line.size() > cgroup_bytes_max || !line.starts_with('/') || has_dots(line)) continue;
    // Where both are there, systemd's own has the units.
    if (found.empty() || !unified) found = std::string{line};
  }
  return found;
}

std::string unit_of(std::string_view cgroup) {
  while (!cgroup.empty()) {
    auto part = cut(cgroup, '/');
    if (part.empty() || part.ends_with(".slice")) continue;
    if (part.starts_with('_'))
      part.remove_prefix(1);  // how systemd writes names that the kernel has uses for
    return is_unit_name(part) ? std::string{part} : std::string{};
  }
  return {};
}

bool is_in_cgroup(std::string_view cgroup, std::string_view wanted) {
  if (cgroup.empty() || !cgroup.starts_with(wanted)) return false;
  return cgroup.size() == wanted.size() || wanted == "/" || cgroup[wanted.size()] == '/';
}

bool is_unit_name(std::string_view text) {
  constexpr std::string_view types[] = {".service", ".scope"};
  const bool typed = std::any_of(std::begin(types), std::end(types), [&](std::string_view type) {
    return text.size() > type.size() && text.ends_with(type);
  });
  return typed && text.size() <= 255 && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  std::string_view{":-_.\\@"}.find(c) != std::string_view::npos;
         });
}

}  // namespace sallyport::policy
