#include "secrets/revocable.h"

#include <algorithm>
#include <string_view>

namespace sallyport::secrets {

namespace {

constexpr std::size_t id_bytes_max = 1024;

bool plain_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' ||
         c == '.';
}

/// Not empty, not `.` or `..`, and nothing that a URL or a log would take for more than a name.
bool plain_part(std::string_view part) {
  return !part.empty() && part != "." && part != ".." &&
         std::all_of(part.begin(), part.end(), plain_character);
}

/// The mount may hold slashes and whatever a mount's name may; the role is plain and comes after `/creds/`.
bool names_a_dynamic_role(std::string_view path) {
  const auto creds = path.rfind("/creds/");
  if (creds == std::string_view::npos || creds == 0) return false;
  for (const char c : path) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return false;
  }
  const auto mount = "/" + std::string{path.substr(0, creds)} + "/";
  const bool climbs = mount.find("/../") != std::string::npos || mount.find("/./") != std::string::npos ||
                      mount.find("//") != std::string::npos;
  return !climbs && plain_part(path.substr(creds + 7));
}

}  // namespace

bool revocable(const Lease& lease) {
  const std::string_view id = lease.id;
  const std::string_view role = lease.mount_and_role;
  return id.size() <= id_bytes_max && names_a_dynamic_role(role) && id.size() > role.size() + 1 &&
         id.starts_with(role) && id[role.size()] == '/' && plain_part(id.substr(role.size() + 1));
}

}  // namespace sallyport::secrets
