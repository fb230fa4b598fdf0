#include "wire/postgres/refused_state.h"

#include "wire/postgres/error_fields.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::string_view what_the_server_says = "22P02";
constexpr std::string_view hint = "Use session pooling for this application, or on_session_state: pin";

/// "listen is not available in …" of a message that quotes it, in whatever language.
std::string_view refusal_in(std::string_view message) {
  const auto mark = message.find(refusal_mark);
  if (mark == std::string_view::npos) return {};
  auto begin = mark;
  while (begin > 0 && ((message[begin - 1] >= 'a' && message[begin - 1] <= 'z') || message[begin - 1] == '_'))
    --begin;
  return message.substr(begin, mark + refusal_mark.size() - begin);
}

}  // namespace

std::string refusal_of(StateReason reason) {
  return "SELECT '" + std::string{name_of(reason)} + std::string{refusal_mark} + "'::pg_catalog.int4";
}

void tell_refusal(MutableBytes body) {
  const auto fields = decode_error_fields(Bytes{body});
  if (!fields || fields->sqlstate() != what_the_server_says) return;
  const auto refusal = refusal_in(fields->message());
  if (refusal.empty()) return;
  std::string told;
  const auto add = [&told](char letter, std::string_view text) { (told += letter).append(text) += '\0'; };
  add(error_field::severity, fields->get(error_field::severity));
  add(error_field::severity_fixed, fields->get(error_field::severity_fixed));
  add(error_field::sqlstate, "0A000");
  add(error_field::message, refusal);
  add(error_field::hint, hint);
  // The last field takes up what the server's words were longer, in front of its zero and the message's.
  if (told.size() + 1 > body.size()) return;
  told.insert(told.size() - 1, body.size() - told.size() - 1, ' ');
  told += '\0';
  std::copy(told.begin(), told.end(), body.begin());
}

}  // namespace sallyport::postgres
