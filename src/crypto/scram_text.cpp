#include "crypto/scram_text.h"

#include "crypto/hash.h"

#include <algorithm>

namespace sallyport::crypto {

std::string_view ScramReader::bare() {
  if (failed_) return {};
  const auto comma = rest_.find(',');
  const auto text = rest_.substr(0, comma);
  rest_.remove_prefix(comma == std::string_view::npos ? rest_.size() : comma + 1);
  return text;
}

std::string_view ScramReader::value(char letter) {
  if (failed_ || !next_is(letter)) {
    failed_ = true;
    return {};
  }
  return bare().substr(2);
}

bool is_scram_printable(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c >= 0x21 && c <= 0x7e && c != ','; });
}

std::string scram_channel_binding(std::string_view gs2_header, Bytes end_point) {
  std::vector<std::uint8_t> input{gs2_header.begin(), gs2_header.end()};
  input.insert(input.end(), end_point.begin(), end_point.end());
  return base64_encode(input);
}

Error scram_error(ErrorCode code, std::string_view where, std::string_view what, std::string_view hint) {
  return {code, Hop::login, std::string{where}, std::string{what}, std::string{hint}, {}};
}

}  // namespace sallyport::crypto
