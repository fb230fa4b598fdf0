// JSON that may hold secrets: parsed by Boost.JSON into memory that is locked, kept out of core dumps and wiped
// (threat 13). This is the only file pair that knows the library.
//
// A JsonView borrows from its Json. An absent member is a view too, so that a path can be walked without asking
// at every step.
#pragma once

#include "base/result.h"
#include "base/secret.h"

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

namespace sallyport::secrets {

inline constexpr std::size_t json_depth_max = 32;

/// Memory for one parsed document: 1 MiB of `1,1,1,…` takes about 24 times its size while it is parsed.
inline constexpr std::size_t json_memory_bytes_max = 33'554'432;

class JsonView {
 public:
  enum class Kind { absent, null, boolean, number, string, array, object };

  JsonView() = default;

  [[nodiscard]] Kind kind() const;
  [[nodiscard]] bool present() const { return kind() != Kind::absent; }
  [[nodiscard]] bool is_object() const { return kind() == Kind::object; }

  /// The member of an object, or the absent view.
  JsonView operator[](std::string_view key) const;

  /// The text of a string, borrowed; of anything else an empty one.
  [[nodiscard]] std::string_view text() const;

  /// A whole number (`3`, `3.0`), also when written as a string of digits.
  [[nodiscard]] std::optional<std::int64_t> integer() const;

  [[nodiscard]] std::optional<bool> boolean() const;

  /// Elements of an array; none for anything else.
  [[nodiscard]] std::vector<JsonView> elements() const;

  /// Names of an object's members, borrowed, in order.
  [[nodiscard]] std::vector<std::string_view> keys() const;

  /// A copy as JSON text: for an object inside a secret whose text is wanted as it is.
  [[nodiscard]] Secret serialized() const;

 private:
  friend class Json;
  explicit JsonView(const void* value) : value_(value) {}
  const void* value_ = nullptr;
};

class Json {
 public:
  /// One whole document and nothing behind it but white space.
  ///
  /// Errors  invalid_message: no JSON; `where` names the text.  limit_exceeded: deeper than json_depth_max, or
  ///         more than json_memory_bytes_max.
  static Result<Json> parse(std::string_view text, std::string_view where);

  Json(Json&&) noexcept;
  Json& operator=(Json&&) noexcept;
  ~Json();

  [[nodiscard]] JsonView root() const;

 private:
  struct Document;
  explicit Json(std::unique_ptr<Document> document);
  std::unique_ptr<Document> document_;
};

}  // namespace sallyport::secrets
