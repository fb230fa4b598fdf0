#include "wire/postgres/error_fields.h"

#include "wire/postgres/frame.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>

namespace sallyport::postgres {

std::string_view ErrorFields::get(char letter) const {
  const auto found =
      std::find_if(fields.begin(), fields.end(), [&](const auto& field) { return field.first == letter; });
  return found == fields.end() ? std::string_view{} : std::string_view{found->second};
}

Result<ErrorFields> decode_error_fields(Bytes body) {
  ByteReader reader{body};
  ErrorFields message;
  while (true) {
    const auto letter = static_cast<char>(reader.u8());
    if (!reader.ok()) return invalid("ErrorResponse", "the list of fields does not end with a zero byte");
    if (letter == 0) break;
    const auto text = reader.c_string();
    if (!reader.ok()) return invalid("ErrorResponse", "a field's text does not end with a zero byte");
    if (message.fields.size() == error_fields_max) return over_limit("ErrorResponse", "more than 64 fields");
    message.add(letter, text);
  }
  if (const auto end = reader.finish("ErrorResponse"); !end) return end.error();
  return message;
}

namespace {

void encode_fields(WipedBytes& out, char type, const ErrorFields& message) {
  FrameWriter frame{out, type};
  for (const auto& [letter, text] : message.fields) {
    if (letter == 0) continue;  // would end the list
    frame.u8(static_cast<std::uint8_t>(letter));
    frame.c_string(text);
  }
  frame.u8(0);
  frame.finish();
}

}  // namespace

void encode_error_response(WipedBytes& out, const ErrorFields& fields) { encode_fields(out, 'E', fields); }
void encode_notice_response(WipedBytes& out, const ErrorFields& fields) { encode_fields(out, 'N', fields); }

}  // namespace sallyport::postgres
