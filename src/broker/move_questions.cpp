#include "broker/move_questions.h"

#include "wire/postgres/frame.h"
#include "wire/postgres/session_messages.h"

#include <string>

namespace sallyport::broker {

namespace {

// One row: each column is a count, "0" when nothing stands in the way, in the order of move_obstacles; the last two are
// compared.
constexpr std::string_view ask_state =
    "SELECT (SELECT pg_catalog.count(*) FROM pg_catalog.pg_listening_channels()),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_locks"
    "   WHERE locktype OPERATOR(pg_catalog.=) 'advisory' AND pid OPERATOR(pg_catalog.=) "
    "pg_catalog.pg_backend_pid()),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_cursors WHERE is_holdable),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class"
    "   WHERE relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),"
    // Whatever else lives in a schema depends on it: functions, types, collations, and what later versions add. A
    // relation's own types do not, but the relation, which is told above.
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_depend"
    "   WHERE refclassid OPERATOR(pg_catalog.=) 'pg_catalog.pg_namespace'::pg_catalog.regclass"
    "   AND refobjid OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema()),"
    " (SELECT pg_catalog.count(*) FROM pg_catalog.pg_prepared_statements WHERE from_sql),"
    " pg_catalog.current_setting('role'), session_user";

// What SET TRANSACTION and BEGIN ISOLATION LEVEL have said of a transaction that is over still counts as set by the
// session, and each transaction begins with the session's default_transaction_….
constexpr std::string_view ask_settings =
    "SELECT name, setting FROM pg_catalog.pg_settings WHERE source OPERATOR(pg_catalog.=) 'session'"
    " AND NOT (name OPERATOR(pg_catalog.=) ANY (ARRAY['transaction_isolation', 'transaction_read_only',"
    " 'transaction_deferrable']))";

constexpr std::string_view ask_statements =
    "SELECT name FROM pg_catalog.pg_prepared_statements WHERE NOT from_sql"
    " AND NOT (name OPERATOR(pg_catalog.~~) 'sallyport move%')";

void question(WipedBytes& out, std::string_view sql, char number) {
  const auto name = std::string{"sallyport move "} + number;
  // One that failed half-way has left it behind.
  postgres::encode(out, postgres::Close{postgres::Named::statement, name});
  postgres::FrameWriter parse{out, 'P'};
  parse.c_string(name);
  parse.c_string(sql);
  parse.i16(0);
  parse.finish();
  postgres::FrameWriter bind{out, 'B'};
  bind.c_string(name);
  bind.c_string(name);
  bind.i16(0);
  bind.i16(0);
  bind.i16(0);
  bind.finish();
  postgres::encode(out, postgres::Execute{name, 0});
  postgres::encode(out, postgres::Close{postgres::Named::statement, name});
}

}  // namespace

std::string_view move_state_question() { return ask_state; }

std::string_view role_question() { return "SELECT pg_catalog.current_setting('role')"; }

void encode_move_questions(WipedBytes& out) {
  question(out, ask_state, '0');
  question(out, ask_settings, '1');
  question(out, ask_statements, '2');
  postgres::encode(out, postgres::Sync{});
}

}  // namespace sallyport::broker
