// What a child could ask a secret manager or a cloud with by itself, whatever sources we used (threat 11): the
// well-known variables and files that clients of Vault and of the clouds look at, and the metadata service of a
// virtual machine. One table of names, in the .cpp; it asks for nothing and sends nothing.
#pragma once

#include <functional>
#include <set>
#include <string>

namespace sallyport::cli {

/// What the machine's firmware says it is: files of /sys/class/dmi/id, without the newline; empty: unreadable.
struct DmiTexts {
  std::string sys_vendor;
  std::string product_name;
  std::string board_vendor;
  std::string chassis_asset_tag;
};

/// The child's surroundings, as the table asks for them.
struct ChildSurroundings {
  std::function<bool(const std::string& name)> has_variable;    ///< set and not empty
  std::function<std::string(const std::string& name)> path_of;  ///< of a variable that holds a path
  std::function<bool(const std::string& path)> can_read;        ///< a file that is there and may be read
  std::string home;                                             ///< empty: unknown
  DmiTexts dmi;
};

/// Names, never values: "$AWS_SECRET_ACCESS_KEY", "/home/me/.vault-token", "the metadata service of Google Cloud".
std::set<std::string> known_authority(const ChildSurroundings& around);

}  // namespace sallyport::cli
