#include "crypto/base64_pem.h"

#include "crypto/hash.h"

#include <algorithm>

namespace sallyport::crypto {

std::string base64url_encode(Bytes bytes) {
  auto text = base64_encode(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  text.erase(std::find(text.begin(), text.end(), '='), text.end());
  return text;
}

Result<std::vector<std::uint8_t>> pem_body(std::string_view pem, std::string_view label) {
  const auto line = [&](std::string_view side) {
    return "-----" + std::string{side} + " " + std::string{label} + "-----";
  };
  const auto begin = line("BEGIN");
  const auto from = pem.find(begin);
  const auto to = from == std::string_view::npos ? from : pem.find(line("END"), from);
  if (to == std::string_view::npos) {
    return Error{ErrorCode::invalid_message, Hop::none, "PEM", "has no block " + std::string{label}, {}, {}};
  }
  std::string body;
  for (const char c : pem.substr(from + begin.size(), to - from - begin.size())) {
    if (c != '\n' && c != '\r' && c != ' ' && c != '\t') body.push_back(c);
  }
  return base64_decode(body, "PEM");
}

std::string pem_of(Bytes der, std::string_view label) {
  constexpr std::size_t line_bytes = 64;
  const auto body = base64_encode(der);
  std::string out = "-----BEGIN " + std::string{label} + "-----\n";
  for (std::size_t at = 0; at < body.size(); at += line_bytes) out += body.substr(at, line_bytes) + "\n";
  return out + "-----END " + std::string{label} + "-----\n";
}

}  // namespace sallyport::crypto
