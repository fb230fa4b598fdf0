#include "secrets/vault/engine/policy.h"

namespace sallyport::secrets::vault::engine {

namespace {

constexpr std::size_t lines_max = 20;

}  // namespace

std::string policy_line(const std::string& path, std::initializer_list<std::string_view> capabilities) {
  std::string out = "path \"" + path + "\" { capabilities = [";
  bool first = true;
  for (const auto capability : capabilities) {
    out += (first ? "\"" : ", \"") + std::string{capability} + "\"";
    first = false;
  }
  return out + "] }";
}

std::string policy_for(const std::string& mount, const std::vector<Object>& objects) {
  std::string out;
  if (objects.size() > lines_max) {
    for (const auto kind : {Kind::connection, Kind::role, Kind::static_role})
      out += "  " + policy_line(folder_of(mount, kind) + "/*", {"create", "read", "update"}) + "\n";
  } else {
    for (const auto& object : objects)
      out += "  " + policy_line(object.path, {"create", "read", "update"}) + "\n";
  }
  for (const auto kind : {Kind::connection, Kind::role, Kind::static_role})
    out += "  " + policy_line(folder_of(mount, kind), {"list"}) + "\n";
  out.pop_back();
  return out;
}

}  // namespace sallyport::secrets::vault::engine
