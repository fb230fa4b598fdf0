#include "wire/postgres/refused_state.h"

#include "wire/postgres/error_fields.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

constexpr std::string_view what_the_server_says = "22P02";
struct Told {
  std::string_view mark, sqlstate, hint;
};
constexpr Told told_instead[] = {
    {refusal_mark, "0A000", "Use session pooling for this application, or on_session_state: pin"},
    {lost_value_mark, "55000", "Use RETURNING, or one transaction; now the session keeps its connection"},
};

/// "listen is not available in …" of a message that quotes it, in whatever language; empty: it does not.
std::string_view refusal_in(std::string_view message, std::string_view what) {
  const auto mark = message.find(what);
  if (mark == std::string_view::npos) return {};
  auto begin = mark;
  while (begin > 0 && ((message[begin - 1] >= 'a' && message[begin - 1] <= 'z') || message[begin - 1] == '_'))
    --begin;
  return message.substr(begin, mark + what.size() - begin);
}

std::string failing(std::string_view what, std::string_view mark) {
  return "SELECT '" + std::string{what} + std::string{mark} + "'::pg_catalog.int4";
}

}  // namespace

std::string refusal_of(StateReason reason) { return failing(name_of(reason), refusal_mark); }

std::string lost_value() { return failing(name_of(StateReason::sequence_value), lost_value_mark); }

void tell_refusal(MutableBytes body) {
  const auto fields = decode_error_fields(Bytes{body});
  if (!fields || fields->sqlstate() != what_the_server_says) return;
  const Told* instead = nullptr;
  std::string_view refusal;
  for (const auto& one : told_instead) {
    if (!refusal.empty()) break;
    instead = &one;
    refusal = refusal_in(fields->message(), one.mark);
  }
  if (refusal.empty()) return;
  std::string told;
  const auto add = [&told](char letter, std::string_view text) { (told += letter).append(text) += '\0'; };
  add(error_field::severity, fields->get(error_field::severity));
  add(error_field::severity_fixed, fields->get(error_field::severity_fixed));
  add(error_field::sqlstate, instead->sqlstate);
  add(error_field::message, refusal);
  add(error_field::hint, instead->hint);
  // The last field takes up what the server's words were longer, in front of its zero and the message's.
  if (told.size() + 1 > body.size()) return;
  told.insert(told.size() - 1, body.size() - told.size() - 1, ' ');
  told += '\0';
  std::copy(told.begin(), told.end(), body.begin());
}

}  // namespace sallyport::postgres
