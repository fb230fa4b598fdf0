#include "secrets/vault/options.h"

#include "secrets/attributes.h"

#include <algorithm>
#include <charconv>

namespace sallyport::secrets::vault {

namespace {

constexpr auto own_attributes = std::to_array<Attribute>({{"version", Effect::selects},
                                                          {"auth", Effect::selects},
                                                          {"mount", Effect::selects},
                                                          {"addr", Effect::names_receiver},
                                                          {"redirect_to", Effect::names_receiver},
                                                          {"insecure_reason", Effect::weakens},
                                                          {"allow_root_token", Effect::weakens},
                                                          {"namespace", Effect::selects},
                                                          {"shape", Effect::selects},
                                                          {"token_file", Effect::selects},
                                                          {"role_id", Effect::selects},
                                                          {"role_id_file", Effect::selects},
                                                          {"secret_id_file", Effect::selects},
                                                          {"secret_id_wrapped", Effect::selects},
                                                          {"role", Effect::selects},
                                                          {"jwt_file", Effect::selects},
                                                          {"client_cert", Effect::selects},
                                                          {"client_key", Effect::selects},
                                                          {"username", Effect::selects},
                                                          {"password_file", Effect::selects},
                                                          {"resource", Effect::names_receiver},
                                                          {"client_id", Effect::selects},
                                                          {"region", Effect::selects},
                                                          {"profile", Effect::selects},
                                                          {"iam_server_id", Effect::names_receiver}});

Result<void> read_addresses(const Reference& reference, Options& options) {
  if (const auto text = attribute_of(reference, "addr"); !text.empty()) {
    auto address = parse_address(text, "attribute addr");
    if (!address) return std::move(address).error();
    options.address = std::move(*address);
  }
  const auto list = attribute_of(reference, "redirect_to");
  for (std::string_view rest = list; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    auto address = parse_address(rest.substr(0, comma), "attribute redirect_to");
    if (!address) return std::move(address).error();
    if (!address->https || options.redirect_to.size() == redirects_max) {
      return wrong_attribute("redirect_to", "an address that is not https, or more than 8",
                             "List https addresses");
    }
    options.redirect_to.push_back(std::move(*address));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return {};
}

}  // namespace

bool is_plain_path(std::string_view text) {
  if (text.empty() || text.size() > 512) return false;
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '/';
  });
  const auto inside = "/" + std::string{text} + "/";
  return plain && inside.find("//") == std::string::npos && inside.find("/../") == std::string::npos &&
         inside.find("/./") == std::string::npos;
}

Attributes known_attributes() { return own_attributes; }

Result<Options> parse_options(const Reference& reference) {
  if (auto checked = check_attributes(reference, own_attributes); !checked) return std::move(checked).error();
  Options options;
  options.path = reference.locator;
  auto shape = shape_options_of(reference);
  if (!shape) return std::move(shape).error();
  options.shape = std::move(*shape);
  if (const auto version = attribute_of(reference, "version"); !version.empty()) {
    unsigned number = 0;
    const auto* end = version.data() + version.size();
    const auto [stop, error] = std::from_chars(version.data(), end, number);
    if (error != std::errc{} || stop != end || number == 0) {
      return wrong_attribute("version", "no number from 1",
                             "Write version=3, or leave it out for the latest");
    }
    options.version = number;
  }
  if (auto read = read_auth(reference, options); !read) return std::move(read).error();
  if (auto read = read_addresses(reference, options); !read) return std::move(read).error();
  if (reference.attributes.contains("namespace")) {
    auto name = attribute_of(reference, "namespace");
    while (name.ends_with('/')) name.pop_back();
    if (!name.empty() && !is_plain_path(name)) {
      return wrong_attribute("namespace", "no name of a namespace", "Write namespace=team1");
    }
    options.name_space = std::move(name);
  }
  options.insecure_reason = attribute_of(reference, "insecure_reason");
  auto root = flag_of(reference, "allow_root_token");
  if (!root) return std::move(root).error();
  options.allow_root_token = *root;
  return options;
}

}  // namespace sallyport::secrets::vault
