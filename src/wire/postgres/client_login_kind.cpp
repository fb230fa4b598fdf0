// Whether the server that we are logged in to is a standby, and whether its transactions are read-only by default.
//
// PostgreSQL 14 and later report both with the greeting. Older ones, and some poolers, have to be asked.
//
// Source  PostgreSQL manual, "Message Flow": Asynchronous Operations; libpq asks the same for target_session_attrs.
#include "wire/postgres/client_login.h"
#include "wire/postgres/session_messages.h"
#include "wire/postgres/wire_error.h"

#include <algorithm>
#include <array>

namespace sallyport::postgres {

namespace {

// transaction_read_only is also "on" during recovery; in front of any transaction it is the default otherwise.
constexpr std::string_view question =
    "SELECT pg_catalog.pg_is_in_recovery()::pg_catalog.text,"
    " pg_catalog.current_setting('transaction_read_only')";

std::optional<bool> boolean_of(std::string_view text) {
  if (text == "on" || text == "t" || text == "true") return true;
  if (text == "off" || text == "f" || text == "false") return false;
  return std::nullopt;
}

}  // namespace

bool ClientLogin::is_let_in() const {
  return std::holds_alternative<ExpectReady>(state_) || std::holds_alternative<ExpectKind>(state_) ||
         std::holds_alternative<Finished>(state_);
}

std::optional<bool> ClientLogin::reported(std::string_view name) const {
  const auto& known = greeting_.parameters;
  const auto found =
      std::find_if(known.begin(), known.end(), [&](const auto& one) { return one.first == name; });
  return found == known.end() ? std::nullopt : boolean_of(found->second);
}

ClientLogin::Step ClientLogin::ask_kind() {
  greeting_.in_hot_standby.reset();
  greeting_.read_only.reset();
  state_ = ExpectKind{};
  Send send;
  encode(send.bytes, Query{question});
  return std::optional<Action>{Action{std::move(send)}};
}

ClientLogin::Step ClientLogin::on_kind_message(const Message& message) {
  switch (message.type) {
    case 'E': return refused_by_server(message.body);
    case 'N':
    case 'T':
    case 'C': return std::optional<Action>{};
    case 'S': {
      const auto done = on_parameter(message.body);
      if (!done) return done.error();
      return std::optional<Action>{};
    }
    case 'D': {
      const auto done = on_kind_row(message.body);
      if (!done) return done.error();
      return std::optional<Action>{};
    }
    case 'Z': {
      const auto ready = decode_ready_for_query(message.body);
      if (!ready) return ready.error();
      if (ready->status != TransactionStatus::idle || !greeting_.in_hot_standby) break;
      state_ = Finished{};
      return std::optional<Action>{Done{}};
    }
    default: break;
  }
  return login_error(ErrorCode::peer_misbehaved, "login",
                     "the server did not answer whether it is a standby");
}

Result<void> ClientLogin::on_kind_row(Bytes body) {
  ByteReader reader{body};
  const auto columns = reader.u16();
  std::array<std::optional<bool>, 2> values;
  for (unsigned i = 0; i < columns && reader.ok(); ++i) {
    const auto size = reader.i32();
    const auto text = size < 0 ? std::string_view{} : as_text(reader.take(static_cast<std::size_t>(size)));
    if (i < values.size()) values[i] = boolean_of(text);
  }
  if (auto end = reader.finish("DataRow"); !end) return end;
  if (columns != values.size() || !values[0] || !values[1] || greeting_.in_hot_standby) {
    return login_error(ErrorCode::peer_misbehaved, "DataRow",
                       "the server did not answer whether it is a standby");
  }
  greeting_.in_hot_standby = values[0];
  greeting_.read_only = values[1];
  return {};
}

}  // namespace sallyport::postgres
