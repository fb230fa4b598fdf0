#include "secrets/json_writer.h"

#include <string>

namespace sallyport::secrets {

void JsonWriter::quoted(std::string_view value) {
  static constexpr std::string_view digits = "0123456789abcdef";
  out_.push_back('"');
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out_.push_back('\\');
      out_.push_back(byte);
    } else if (byte < 0x20) {
      raw("\\u00");
      out_.push_back(static_cast<std::uint8_t>(digits[byte >> 4]));
      out_.push_back(static_cast<std::uint8_t>(digits[byte & 15U]));
    } else {
      out_.push_back(byte);
    }
  }
  out_.push_back('"');
}

void JsonWriter::name(std::string_view name) {
  out_.push_back(out_.empty() ? '{' : ',');
  quoted(name);
  out_.push_back(':');
}

void JsonWriter::text(std::string_view key, std::string_view value) {
  name(key);
  quoted(value);
}

void JsonWriter::number(std::string_view key, std::int64_t value) {
  name(key);
  raw(std::to_string(value));
}

void JsonWriter::flag(std::string_view key, bool value) {
  name(key);
  raw(value ? "true" : "false");
}

template <class Values>
void JsonWriter::quoted_list(std::string_view key, const Values& values) {
  name(key);
  out_.push_back('[');
  bool first = true;
  for (const std::string_view value : values) {
    if (!std::exchange(first, false)) out_.push_back(',');
    quoted(value);
  }
  out_.push_back(']');
}

void JsonWriter::list(std::string_view key, std::span<const std::string_view> values) {
  quoted_list(key, values);
}

void JsonWriter::list(std::string_view key, std::span<const std::string> values) { quoted_list(key, values); }

Secret JsonWriter::finish() {
  if (out_.empty()) out_.push_back('{');
  out_.push_back('}');
  auto text = Secret::copy_of(Bytes{out_});
  out_.clear();
  return text;
}

}  // namespace sallyport::secrets
