// ErrorResponse ('E') and NoticeResponse ('N'): the same list of fields, each a letter and a text.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::postgres {

/// Fields in one message. PostgreSQL 17 has 18 letters; unknown ones are kept, as the manual asks.
inline constexpr std::size_t error_fields_max = 64;

namespace error_field {
inline constexpr char severity = 'S';        ///< may be translated
inline constexpr char severity_fixed = 'V';  ///< never translated (9.6 and later)
inline constexpr char sqlstate = 'C';
inline constexpr char message = 'M';
inline constexpr char detail = 'D';
inline constexpr char hint = 'H';
inline constexpr char position = 'P';
inline constexpr char internal_position = 'p';
inline constexpr char internal_query = 'q';
inline constexpr char where = 'W';
inline constexpr char schema_name = 's';
inline constexpr char table_name = 't';
inline constexpr char column_name = 'c';
inline constexpr char data_type_name = 'd';
inline constexpr char constraint_name = 'n';
inline constexpr char file = 'F';
inline constexpr char line = 'L';
inline constexpr char routine = 'R';
}  // namespace error_field

/// Fields in the sender's order.
struct ErrorFields {
  std::vector<std::pair<char, std::string>> fields;

  /// The first field of that letter; empty when there is none.
  [[nodiscard]] std::string_view get(char letter) const;
  void add(char letter, std::string_view text) { fields.emplace_back(letter, std::string{text}); }
  [[nodiscard]] std::string_view sqlstate() const { return get(error_field::sqlstate); }
  [[nodiscard]] std::string_view message() const { return get(error_field::message); }
};

/// The body of an 'E' or 'N' message.
/// Errors  invalid_message; limit_exceeded: more than error_fields_max fields.
Result<ErrorFields> decode_error_fields(Bytes body);

void encode_error_response(WipedBytes& out, const ErrorFields& fields);
void encode_notice_response(WipedBytes& out, const ErrorFields& fields);

}  // namespace sallyport::postgres
