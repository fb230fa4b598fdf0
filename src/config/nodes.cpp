// Conversions of nodes that the table has checked: what is absent or was reported yields the default.
#include "config/reader.h"

namespace sallyport::config {

const Node* good(const Node& map, std::string_view key) {
  const Entry* entry = map.find(key);
  return entry == nullptr || entry->value->wrong ? nullptr : entry->value;
}

std::string text_of(const Node& map, std::string_view key, std::string_view fallback) {
  const Node* node = good(map, key);
  return node == nullptr || node->type != Node::Type::scalar ? std::string{fallback} : node->text;
}

std::vector<const Node*> scalars_of(const Node& map, std::string_view key) {
  std::vector<const Node*> out;
  const Node* node = good(map, key);
  if (node == nullptr) return out;
  if (node->type == Node::Type::scalar) out.push_back(node);
  for (const Node* item : node->items) {
    if (!item->wrong && item->type == Node::Type::scalar) out.push_back(item);
  }
  return out;
}

bool socket_fits(std::string_view directory, std::uint16_t port) {
  constexpr std::size_t path_bytes_max = 107;  // sizeof sockaddr_un::sun_path less the final zero
  return directory.size() + std::string_view{"/.s.PGSQL."}.size() + std::to_string(port).size() <=
         path_bytes_max;
}

}  // namespace sallyport::config
