#include "secrets/form_writer.h"

namespace sallyport::secrets {

void FormWriter::encoded(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      c == '-' || c == '.' || c == '_' || c == '~';
    if (kept) {
      out_.push_back(byte);
    } else {
      out_.push_back('%');
      out_.push_back(static_cast<std::uint8_t>(digits[byte >> 4]));
      out_.push_back(static_cast<std::uint8_t>(digits[byte & 15U]));
    }
  }
}

void FormWriter::field(std::string_view name, std::string_view value) {
  if (!out_.empty()) out_.push_back('&');
  encoded(name);
  out_.push_back('=');
  encoded(value);
}

Secret FormWriter::finish() {
  auto body = Secret::copy_of(Bytes{out_});
  out_.clear();
  return body;
}

}  // namespace sallyport::secrets
