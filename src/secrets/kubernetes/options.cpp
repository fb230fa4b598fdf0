// Reading a `k8s:` reference. The API's own limits on names hold here already, so that nothing in a reference can lead to
// another path of the API.
#include "secrets/kubernetes/options.h"

#include "secrets/address.h"
#include "secrets/attributes.h"

#include <algorithm>

namespace sallyport::secrets::kubernetes {

namespace {

constexpr auto own_attributes = std::to_array<Attribute>({{"server", Effect::names_receiver},
                                                          {"token_file", Effect::names_receiver},
                                                          {"ca_file", Effect::names_receiver},
                                                          {"shape", Effect::selects}});

constexpr std::size_t label_bytes_max = 63;
constexpr std::size_t subdomain_bytes_max = 253;

Error wrong_locator(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::reference, "k8s:", std::move(what), std::move(hint), {}};
}

Result<void> read_locator(const Reference& reference, Options& options) {
  const std::string_view locator = reference.locator;
  const auto slash = locator.find('/');
  options.name = locator.substr(slash == std::string_view::npos ? 0 : slash + 1);
  if (slash != std::string_view::npos) {
    options.name_space = locator.substr(0, slash);
    if (!is_label(options.name_space)) {
      return wrong_locator("no name of a namespace", "Write k8s:NAMESPACE/SECRET#KEY, in lower case");
    }
  }
  if (!is_subdomain(options.name)) {
    return wrong_locator("no name of a Secret",
                         "Write k8s:NAMESPACE/SECRET#KEY, the first two in lower case");
  }
  return {};
}

Result<void> read_paths(const Reference& reference, Options& options) {
  for (const auto& [name, out] :
       {std::pair{"token_file", &options.token_file}, std::pair{"ca_file", &options.ca_file}}) {
    *out = attribute_of(reference, name);
    const bool wrong =
        !out->empty() && (out->front() != '/' || (*out + "/").find("/../") != std::string::npos);
    if (wrong) return wrong_attribute(name, "no absolute path, or one with ..", "Write an absolute path");
  }
  const auto server = attribute_of(reference, "server");
  if (server.empty()) return {};
  auto address = parse_address(server, "attribute server");
  if (!address || !address->https) {
    return wrong_attribute("server", "no https address of an API server",
                           "Write for example server=https://api.example.com:6443");
  }
  if (options.token_file.empty()) {
    return wrong_attribute("server", "another API server, but no token for it",
                           "Add token_file=/path: the pod's own token is for the pod's own server only");
  }
  options.server = to_string(*address);
  return {};
}

}  // namespace

bool is_label(std::string_view text) {
  const auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !text.empty() && text.size() <= label_bytes_max && std::all_of(text.begin(), text.end(), inner) &&
         text.front() != '-' && text.back() != '-';
}

bool is_subdomain(std::string_view text) {
  if (text.size() > subdomain_bytes_max) return false;
  for (std::size_t at = 0;;) {
    const auto dot = text.find('.', at);
    if (!is_label(text.substr(at, dot == std::string_view::npos ? dot : dot - at))) return false;
    if (dot == std::string_view::npos) return true;
    at = dot + 1;
  }
}

Attributes known_attributes() { return own_attributes; }

Result<Options> parse_options(const Reference& reference) {
  if (auto checked = check_attributes(reference, own_attributes); !checked) return std::move(checked).error();
  Options options;
  if (auto read = read_locator(reference, options); !read) return std::move(read).error();
  auto shape = shape_options_of(reference);
  if (!shape) return std::move(shape).error();
  options.shape = std::move(*shape);
  if (auto read = read_paths(reference, options); !read) return std::move(read).error();
  return options;
}

}  // namespace sallyport::secrets::kubernetes
