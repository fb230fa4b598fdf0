#include "secrets/gcp/preamble.h"

#include <string_view>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::string_view user_agent = "sallyport";

/// Field numbers and values of the two connectors' MetadataExchangeRequest.
constexpr std::uint8_t field_user_agent = 1;
constexpr std::uint8_t field_kind = 2;
constexpr std::uint8_t field_token = 3;
constexpr std::uint8_t client_protocol_tls = 2;
constexpr std::uint8_t auth_type_auto_iam = 2;

void put_varint(WipedBytes& out, std::size_t value) {
  for (; value >= 0x80; value >>= 7U) out.push_back(static_cast<std::uint8_t>(value | 0x80U));
  out.push_back(static_cast<std::uint8_t>(value));
}

void put_text(WipedBytes& out, std::uint8_t field, std::string_view text) {
  out.push_back(static_cast<std::uint8_t>(field << 3U | 2U));
  put_varint(out, text.size());
  out.insert(out.end(), text.begin(), text.end());
}

void put_number(WipedBytes& out, std::uint8_t field, std::uint8_t value) {
  out.push_back(static_cast<std::uint8_t>(field << 3U));
  out.push_back(value);
}

Secret framed(std::string_view magic, const WipedBytes& message) {
  WipedBytes out{magic.begin(), magic.end()};
  for (int shift = 24; shift >= 0; shift -= 8)
    out.push_back(static_cast<std::uint8_t>(message.size() >> shift));
  out.insert(out.end(), message.begin(), message.end());
  return Secret::copy_of(Bytes{out});
}

}  // namespace

Secret cloud_sql_preamble() {
  WipedBytes message;
  put_text(message, field_user_agent, user_agent);
  put_number(message, field_kind, client_protocol_tls);
  return framed("CSQLMDEX", message);
}

Secret alloydb_preamble(const Secret& token) {
  WipedBytes message;
  put_text(message, field_user_agent, user_agent);
  put_number(message, field_kind, auth_type_auto_iam);
  put_text(message, field_token, token.reveal());
  return framed({}, message);
}

}  // namespace sallyport::secrets::gcp
