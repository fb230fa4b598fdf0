// Writes one flat JSON object that may hold secrets: the bodies of our requests.
#pragma once

#include "base/secret.h"

#include <cstdint>
#include <initializer_list>
#include <span>
#include <string>
#include <string_view>

namespace sallyport::secrets {

class JsonWriter {
 public:
  void text(std::string_view name, std::string_view value);
  void number(std::string_view name, std::int64_t value);
  void flag(std::string_view name, bool value);
  void list(std::string_view name, std::span<const std::string_view> values);
  void list(std::string_view name, std::initializer_list<std::string_view> values) {
    list(name, std::span{values.begin(), values.size()});
  }
  void list(std::string_view name, std::span<const std::string> values);

  /// The whole object; the writer is empty afterwards.
  Secret finish();

 private:
  void name(std::string_view name);
  void quoted(std::string_view value);
  template <class Values>
  void quoted_list(std::string_view key, const Values& values);
  void raw(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }

  WipedBytes out_;
};

}  // namespace sallyport::secrets
