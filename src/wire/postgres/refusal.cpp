#include "wire/postgres/refusal.h"

#include "wire/postgres/error_fields.h"
#include "wire/postgres/outside_text.h"

#include <algorithm>

namespace sallyport::postgres {

namespace {

bool is_sqlstate(std::string_view text) {
  return text.size() == 5 && text != "00000" && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z');
         });
}

/// Hops between us and the database, or the credential for it.
bool is_upstream(Hop hop) {
  return hop == Hop::dns || hop == Hop::tcp || hop == Hop::tls || hop == Hop::login ||
         hop == Hop::secret_source;
}

/// The hop as the end of "It failed …".
std::string_view phrase(Hop hop) {
  switch (hop) {
    case Hop::none: return {};
    case Hop::config: return "while reading the configuration";
    case Hop::reference: return "while reading a reference";
    case Hop::environment: return "while reading the environment";
    case Hop::secret_source: return "while fetching the credential";
    case Hop::dns: return "while looking up the database server's address";
    case Hop::tcp: return "while connecting to the database server";
    case Hop::tls: return "during the TLS handshake with the database server";
    case Hop::login: return "while logging in to the database server";
    case Hop::identity: return "while establishing who is connecting";
    case Hop::policy: return "while checking what this identity may use";
    case Hop::pool: return "while waiting for a connection to the database server";
    case Hop::session: return "during the session";
    case Hop::trail: return "while writing the audit trail";
    case Hop::listener: return "while accepting the connection";
    case Hop::child: return "while running the program";
  }
  return {};
}

/// What a stranger may know.
std::string_view general_message(ErrorCode code) {
  switch (code) {
    case ErrorCode::denied:
    case ErrorCode::not_found: return "sallyport: the connection is not allowed";
    case ErrorCode::invalid_message:
    case ErrorCode::peer_misbehaved:
    case ErrorCode::peer_unsupported: return "sallyport: the client's messages were not understood";
    case ErrorCode::limit_exceeded:
    case ErrorCode::timed_out:
    case ErrorCode::retry_later:
    case ErrorCode::cancelled: return "sallyport: no connection can be made now";
    case ErrorCode::bad_config:
    case ErrorCode::internal: break;
  }
  return "sallyport: the connection failed";
}

std::string detail_of(const Error& error) {
  const auto when = phrase(error.hop);
  if (when.empty() && error.where.empty()) return {};
  if (when.empty()) return "It concerns " + outside_text(error.where) + ".";
  auto detail = "It failed " + std::string{when};
  if (!error.where.empty()) detail += " (" + outside_text(error.where) + ")";
  return detail + ".";
}

}  // namespace

std::string sqlstate_of(const Error& error) {
  if (is_sqlstate(error.sqlstate)) return error.sqlstate;
  const bool upstream = is_upstream(error.hop);
  switch (error.code) {
    case ErrorCode::bad_config: return "F0000";
    case ErrorCode::denied: return error.hop == Hop::secret_source ? "08001" : "28000";
    case ErrorCode::not_found: return error.hop == Hop::login || error.hop == Hop::policy ? "3D000" : "08001";
    case ErrorCode::retry_later:
      if (error.hop == Hop::trail) return "58030";
      if (error.hop == Hop::pool || error.hop == Hop::listener) return "53300";
      if (error.hop == Hop::login) return "57P03";
      return upstream ? "08001" : "08006";
    case ErrorCode::invalid_message:
    case ErrorCode::peer_misbehaved: return upstream ? "08001" : "08P01";
    case ErrorCode::peer_unsupported: return upstream ? "08001" : "0A000";
    case ErrorCode::limit_exceeded:
      if (error.hop == Hop::pool || error.hop == Hop::listener || error.hop == Hop::policy) return "53300";
      return upstream ? "08001" : "54000";
    case ErrorCode::timed_out:
      if (error.hop == Hop::pool) return "53300";
      return upstream ? "08001" : "08006";
    case ErrorCode::cancelled: return "57P01";
    case ErrorCode::internal: break;
  }
  return "XX000";
}

void encode_refusal(WipedBytes& out, const Error& error, RefusalTexts texts, std::string_view event_id) {
  ErrorFields fields;
  fields.add(error_field::severity, "FATAL");
  fields.add(error_field::severity_fixed, "FATAL");
  fields.add(error_field::sqlstate, sqlstate_of(error));
  const auto event = event_id.empty() ? std::string{} : "Event " + outside_text(event_id, 100) + ".";
  if (texts == RefusalTexts::general) {
    fields.add(error_field::message, general_message(error.code));
    if (!event.empty()) fields.add(error_field::detail, event);
    fields.add(error_field::hint, "The log of sallyport says why, or counts it with others like it.");
  } else {
    fields.add(error_field::message, "sallyport: " + outside_text(error.what));
    auto detail = detail_of(error);
    if (!event.empty()) detail += (detail.empty() ? "" : " ") + event;
    if (!detail.empty()) fields.add(error_field::detail, detail);
    if (!error.hint.empty()) fields.add(error_field::hint, outside_text(error.hint));
  }
  encode_error_response(out, fields);
}

}  // namespace sallyport::postgres
