// What a `k8s:` reference says, checked without IO.
//
// Attributes, besides the target's:
//   server=https://…      another API server than the pod's own; then token_file= too, because the pod's token is for the
//                         pod's server
//   token_file=/path      instead of the mounted token
//   ca_file=/path         instead of the mounted authorities
//   shape=password        as for all sources
// The first three choose where a token goes: not from the environment alone (threat 12).
#pragma once

#include "secrets/attributes.h"
#include "secrets/shape.h"
#include "secrets/source.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::kubernetes {

struct Options {
  std::string name_space;  ///< empty: the pod's own
  std::string name;
  ShapeOptions shape;
  std::string server;  ///< "https://api.example.com:6443"; empty: the pod's own
  std::string token_file;
  std::string ca_file;

  /// "k8s:prod/db": where errors point.
  [[nodiscard]] std::string where() const {
    return "k8s:" + (name_space.empty() ? "" : name_space + "/") + name;
  }
};

/// The table that parse_options() checks against.
Attributes known_attributes();

/// Errors  bad_config: names what is wrong and what it may be.
Result<Options> parse_options(const Reference& reference);

/// Letters, digits and dashes, at most 63: what a namespace may be called (RFC 1123).
bool is_label(std::string_view text);

/// Labels between dots, at most 253: what most other objects may be called.
bool is_subdomain(std::string_view text);

}  // namespace sallyport::secrets::kubernetes
