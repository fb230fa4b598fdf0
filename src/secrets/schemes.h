// The schemes of references, and what kind of locator each has. One table: the grammar, the errors and
// looks_like_reference() read it.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace sallyport::secrets {

enum class LocatorKind {
  path,           ///< parts between slashes, no slash in front
  absolute_path,  ///< begins with a slash
  name,           ///< one part
  words,          ///< program and arguments, quoted as in words.h
  any_path,       ///< as path, with or without a slash in front
  nothing,        ///< no locator: the identity is the workload's own
};

struct Scheme {
  std::string_view name;
  LocatorKind kind = LocatorKind::path;
  bool available = false;    ///< in this version
  std::string_view example;  ///< for hints
};

std::span<const Scheme> schemes();

/// Those of this version, for hints: "vault:, file:, …".
std::string list_of_schemes();

/// Null when there is no scheme of that name.
const Scheme* find_scheme(std::string_view name);

}  // namespace sallyport::secrets
