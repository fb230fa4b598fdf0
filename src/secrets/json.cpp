#include "secrets/json.h"

#include <boost/json.hpp>

#include <charconv>
#include <cmath>
#include <new>
#include <string>

namespace sallyport::secrets {

namespace {

/// Hands out memory from Secrets, one after the other, and wipes what is given back without using it again.
/// Secrets of `chunk_bytes` each, or of one allocation's size where that is more.
class WipingResource final : public boost::json::memory_resource {
 private:
  static constexpr std::size_t chunk_bytes = 65'536;

  void* do_allocate(std::size_t size, std::size_t alignment) override {
    used_ = (used_ + alignment - 1) / alignment * alignment;
    if (chunks_.empty() || used_ + size > chunks_.back().size()) {
      const std::size_t wanted = std::max(chunk_bytes, size);
      if (total_ + wanted > json_memory_bytes_max) throw std::bad_alloc{};
      chunks_.push_back(Secret::of_size(wanted));
      total_ += wanted;
      used_ = 0;
    }
    void* out = chunks_.back().writable().data() + used_;
    used_ += size;
    return out;
  }

  void do_deallocate(void* memory, std::size_t size, std::size_t) override { wipe_memory(memory, size); }

  [[nodiscard]] bool do_is_equal(const boost::json::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::vector<Secret> chunks_;
  std::size_t used_ = 0;
  std::size_t total_ = 0;
};

const boost::json::value& value_of(const void* pointer) {
  return *static_cast<const boost::json::value*>(pointer);
}

Error malformed(std::string_view where, std::string_view what) {
  return {ErrorCode::invalid_message, Hop::secret_source, std::string{where}, std::string{what}, {}, {}};
}

Error too_large(std::string_view where) {
  return {ErrorCode::limit_exceeded,   Hop::secret_source,
          std::string{where},          "JSON that is nested too deeply or has too many values",
          "Store less in this secret", {}};
}

}  // namespace

struct Json::Document {
  WipingResource resource;
  std::optional<boost::json::value> root;  // after the resource: destroyed before it
};

Json::Json(std::unique_ptr<Document> document) : document_(std::move(document)) {}
Json::Json(Json&&) noexcept = default;
Json& Json::operator=(Json&&) noexcept = default;
Json::~Json() = default;

Result<Json> Json::parse(std::string_view text, std::string_view where) {
  auto document = std::make_unique<Document>();
  boost::json::parse_options options;
  options.max_depth = json_depth_max;
  boost::json::error_code error;
  try {
    // The parser's own scratch memory holds parts of strings: it comes from the same resource.
    boost::json::parser parser{boost::json::storage_ptr{&document->resource}, options};
    parser.reset(boost::json::storage_ptr{&document->resource});
    parser.write(text.data(), text.size(), error);
    if (!error) document->root.emplace(parser.release());
  } catch (const std::bad_alloc&) {
    return too_large(where);
  } catch (const std::length_error&) {
    return too_large(where);
  }
  if (error == boost::json::error::too_deep) return too_large(where);
  if (error == boost::json::error::incomplete) return malformed(where, "JSON that ends in the middle");
  if (error) return malformed(where, "something that is not JSON");
  return Json{std::move(document)};
}

JsonView Json::root() const { return JsonView{&*document_->root}; }

JsonView::Kind JsonView::kind() const {
  if (value_ == nullptr) return Kind::absent;
  switch (value_of(value_).kind()) {
    case boost::json::kind::null: return Kind::null;
    case boost::json::kind::bool_: return Kind::boolean;
    case boost::json::kind::int64:
    case boost::json::kind::uint64:
    case boost::json::kind::double_: return Kind::number;
    case boost::json::kind::string: return Kind::string;
    case boost::json::kind::array: return Kind::array;
    case boost::json::kind::object: return Kind::object;
  }
  return Kind::absent;
}

JsonView JsonView::operator[](std::string_view key) const {
  if (!is_object()) return {};
  const auto* member = value_of(value_).get_object().if_contains(key);
  return member == nullptr ? JsonView{} : JsonView{member};
}

std::string_view JsonView::text() const {
  if (kind() != Kind::string) return {};
  const auto& string = value_of(value_).get_string();
  return {string.data(), string.size()};
}

std::optional<std::int64_t> JsonView::integer() const {
  std::int64_t out = 0;
  if (kind() == Kind::string) {
    const auto digits = text();
    const auto* end = digits.data() + digits.size();
    const auto [stop, error] = std::from_chars(digits.data(), end, out);
    if (digits.empty() || error != std::errc{} || stop != end) return std::nullopt;
    return out;
  }
  if (kind() != Kind::number) return std::nullopt;
  const auto& value = value_of(value_);
  if (value.is_int64()) return value.get_int64();
  if (value.is_uint64()) return std::nullopt;  // above the range of int64, or it would be one
  const double number = value.get_double();
  if (!(std::abs(number) < 9e15) || number != std::floor(number)) return std::nullopt;
  return static_cast<std::int64_t>(number);
}

std::optional<bool> JsonView::boolean() const {
  if (kind() != Kind::boolean) return std::nullopt;
  return value_of(value_).get_bool();
}

std::vector<JsonView> JsonView::elements() const {
  std::vector<JsonView> out;
  if (kind() != Kind::array) return out;
  for (const auto& element : value_of(value_).get_array()) out.push_back(JsonView{&element});
  return out;
}

std::vector<std::string_view> JsonView::keys() const {
  std::vector<std::string_view> out;
  if (!is_object()) return out;
  for (const auto& member : value_of(value_).get_object())
    out.emplace_back(member.key().data(), member.key().size());
  return out;
}

Secret JsonView::serialized() const {
  if (value_ == nullptr) return {};
  boost::json::serializer serializer;
  serializer.reset(&value_of(value_));
  WipedBytes bytes;
  char part[1024];
  while (!serializer.done()) {
    const auto read = serializer.read(part, sizeof part);
    bytes.insert(bytes.end(), read.begin(), read.end());
  }
  wipe_memory(part, sizeof part);
  return Secret::copy_of(Bytes{bytes});
}

}  // namespace sallyport::secrets
