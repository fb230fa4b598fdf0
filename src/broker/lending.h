// Transaction pooling: what a session has between two loans of a server connection, and what it has for one.
//
// Clients idle by the thousands, so the first is small; the second is dropped when a client has been at rest for a
// moment (Relay::rest), and made anew with the next loan.
#pragma once

#include "broker/upstream.h"
#include "net/loop.h"
#include "policy/target.h"
#include "wire/postgres/pooled_requests.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::broker {

struct LendingSettings {
  std::reference_wrapper<postgres::StatementRegistry> statements;  ///< of the pool
  std::reference_wrapper<WipedBytes> scratch;                      ///< of the loop: used within one call only
  OnSessionState on_session_state = OnSessionState::pin;
  VerifySessionState verify = VerifySessionState::off;
  std::string_view run_as =
      {};  ///< the role that connections start with; empty: none. The text outlives the relay
  std::size_t statements_max = 200;
};

/// The requests on a connection that is lent, and how far the relay has come with them.
struct Loan final : private postgres::ReportedNames {
  Loan(postgres::SessionTracker& tracker, const LendingSettings& settings,
       postgres::PreparedStatements prepared)
      : requests(tracker, settings.statements,
                 {settings.on_session_state == OnSessionState::refuse,
                  settings.on_session_state == OnSessionState::pin, settings.statements_max},
                 std::move(prepared)) {}

  /// `believed`: the parameters as the client was told. `knows_values`: nobody has had it since.
  void begin_on(Upstream& upstream, const ReportedParameters& believed, bool knows_values) {
    reported_ = &upstream.parameters;
    used = false;
    // As the client believes, and as it will be when these have been set again.
    requests.attach(upstream.statements, *this, believed.value_of("standard_conforming_strings") == "off",
                    knows_values);
    if (postgres::is_unsafe_encoding(believed.value_of("client_encoding")) || holds_doubt(believed.map()))
      requests.state().add(postgres::StateReason::setting);
    if (begins_with_temporary_schema(upstream, believed))
      requests.state().add(postgres::StateReason::temporary_table);
  }

  /// In the place of the one before: `is_back`: it is that one, and nobody has had it meanwhile.
  void go_on_with(Upstream& upstream, const ReportedParameters& believed, bool is_back) {
    begin_on(upstream, believed, is_back && requests.knows_values());
  }

  postgres::PooledRequests requests;
  bool restoring = false;  ///< the connection gets the session's parameters first
  bool stalled = false;    ///< until the server has answered more
  bool full = false;       ///< until the server has taken more
  bool used = false;       ///< something was asked on this connection
  bool told_of_pin = false;
  bool checking = false;         ///< the server is asked what the session leaves behind
  postgres::StateReasons found;  ///< what it has answered so far
  bool answered = false;
  net::TimerId answer_due;  ///< to what we have said: meanwhile nobody hears the client, nor its end

 private:
  [[nodiscard]] bool is_reported(std::string_view name) const override;
  [[nodiscard]] std::string reading() const override;
  /// Its tables may be temporary ones from the first.
  static bool begins_with_temporary_schema(const Upstream& upstream, const ReportedParameters& believed);

  const ReportedParameters* reported_ = nullptr;
};

struct Lending {
  Lending(const LendingSettings& its_settings, ReportedParameters initial, std::int32_t told,
          std::uint64_t turn)
      : settings(its_settings), parameters(std::move(initial)), told_pid(told), turn_(turn) {}

  LendingSettings settings;
  ReportedParameters parameters;                           ///< as the client was told
  std::unique_ptr<postgres::PreparedStatements> prepared;  ///< of a client at rest; null: none
  std::vector<std::uint8_t> held;                          ///< of the client, not passed on yet
  bool waiting = false;                                    ///< for a server connection
  std::int32_t told_pid;                                   ///< the client's BackendKeyData
  std::uint64_t last_turn = 0;                             ///< of the connection that it had last (turn_of)

  [[nodiscard]] bool ignores_state() const { return settings.on_session_state == OnSessionState::ignore; }
  [[nodiscard]] bool verifies() const { return settings.verify != VerifySessionState::off; }
  /// Whether the server is asked this time.
  bool check_is_due() {
    if (!verifies()) return false;
    return settings.verify == VerifySessionState::always || turn_++ % sample_every == 0;
  }

 private:
  static constexpr std::uint64_t sample_every = 16;

  std::uint64_t turn_;
};

}  // namespace sallyport::broker
