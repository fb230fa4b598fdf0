#include "wire/postgres/preamble.h"

#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::string_view magic = "CSQLMDEX";
constexpr std::size_t length_bytes = 4;
constexpr std::uint64_t alloydb_ok = 1;
constexpr const char* where = "metadata exchange";

std::uint32_t length_at(Bytes bytes) {
  std::uint32_t length = 0;
  for (const auto byte : bytes.first(length_bytes)) length = length << 8 | byte;
  return length;
}

/// The varint field 1 of a protobuf message (Encoding, "Message Structure"), where it stands first, as it does in every
/// encoder's output: fields are written in their order. Absent: 0.
std::uint64_t first_field(Bytes message) {
  constexpr std::uint8_t field_1_varint = 0x08;
  if (message.size() < 2 || message[0] != field_1_varint) return 0;
  return message[1] < 0x80 ? message[1] : 0x80;
}

Error too_long() {
  return login_error(ErrorCode::limit_exceeded, where,
                     "the cloud's proxy answers with more than 16384 bytes");
}

Result<bool> take_alloydb(InputBuffer& input) {
  const auto bytes = input.unread();
  if (bytes.size() < length_bytes) return false;
  const auto length = length_at(bytes);
  if (length > preamble_answer_bytes_max) return too_long();
  if (bytes.size() < length_bytes + length) return false;
  const auto code = first_field(bytes.subspan(length_bytes, length));
  input.consume(length_bytes + length);
  if (code == alloydb_ok) return true;
  return login_error(
      ErrorCode::denied, where, "AlloyDB refuses our token",
      "Grant roles/alloydb.client and roles/serviceusage.serviceUsageConsumer to the identity that "
      "sallyport whoami shows");
}

Result<bool> take_cloud_sql(InputBuffer& input) {
  const auto bytes = input.unread();
  const auto seen = as_text(bytes.first(std::min(bytes.size(), magic.size())));
  if (seen.empty()) return false;
  if (!magic.starts_with(seen)) return true;  // the server's own first message: the proxy said nothing
  if (bytes.size() < magic.size() + length_bytes) return false;
  const auto length = length_at(bytes.subspan(magic.size()));
  if (length > preamble_answer_bytes_max) return too_long();
  if (bytes.size() < magic.size() + length_bytes + length) return false;
  input.consume(magic.size() + length_bytes + length);
  return true;
}

}  // namespace

Result<bool> take_preamble_answer(PreambleAnswer form, InputBuffer& input) {
  if (form == PreambleAnswer::alloydb) return take_alloydb(input);
  if (form == PreambleAnswer::cloud_sql) return take_cloud_sql(input);
  return true;
}

}  // namespace sallyport::postgres
