#include "secrets/attributes.h"

#include "secrets/nearest.h"

#include <algorithm>
#include <vector>

namespace sallyport::secrets {

Error wrong_attribute(std::string_view name, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::reference,  "attribute " + std::string{name},
          std::move(what),       std::move(hint), {}};
}

const Attribute* find_attribute(std::string_view name, Attributes own) {
  for (const auto table : {own, Attributes{target_attributes}}) {
    const auto found = std::ranges::find(table, name, &Attribute::name);
    if (found != table.end()) return &*found;
  }
  return nullptr;
}

Result<void> check_attributes(const Reference& reference, Attributes own) {
  std::vector<std::string_view> known;
  for (const auto table : {own, Attributes{target_attributes}}) {
    for (const auto& attribute : table) {
      if (std::ranges::find(known, attribute.name) == known.end()) known.push_back(attribute.name);
    }
  }
  for (const auto& [name, value] : reference.attributes) {
    if (find_attribute(name, own) != nullptr) continue;
    const auto near = nearest(name, known);
    std::string hint = "Known here are ";
    for (std::size_t i = 0; i < known.size(); ++i) hint += (i > 0 ? ", " : "") + std::string{known[i]};
    if (!near.empty()) hint = "Did you mean " + std::string{near} + "?";
    return wrong_attribute(name, "the " + reference.scheme + ": source has no such attribute",
                           std::move(hint));
  }
  return {};
}

std::string attribute_of(const Reference& reference, std::string_view name) {
  const auto found = reference.attributes.find(std::string{name});
  return found == reference.attributes.end() ? std::string{} : found->second;
}

Result<bool> flag_of(const Reference& reference, std::string_view name) {
  const auto value = attribute_of(reference, name);
  if (value.empty() || value == "false") return false;
  if (value == "true") return true;
  return wrong_attribute(name, "neither true nor false",
                         "Write " + std::string{name} + "=true or leave it out");
}

}  // namespace sallyport::secrets
