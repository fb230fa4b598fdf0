// What a session has in transaction pooling while no server connection is its own: the parameters that it believes
// in, the statements that it has prepared, the bytes that wait.
#pragma once

#include "broker/upstream.h"
#include "policy/target.h"
#include "wire/postgres/pooled_requests.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::broker {

struct LendingSettings {
  postgres::StatementRegistry& statements;  ///< of the pool
  WipedBytes& scratch;                      ///< of the loop: used within one call only
  OnSessionState on_session_state = OnSessionState::pin;
  VerifySessionState verify = VerifySessionState::off;
  std::string run_as = {};
  std::size_t statements_max = 200;
  std::uint64_t session = 1;  ///< not 0; no other session of the process has it
};

struct Lending final : private postgres::ReportedNames {
  Lending(postgres::SessionTracker& tracker, const LendingSettings& settings, ReportedParameters initial)
      : scratch(settings.scratch),
        ignores_state(settings.on_session_state == OnSessionState::ignore),
        requests(
            tracker, settings.statements,
            {settings.on_session_state == OnSessionState::refuse, settings.statements_max, settings.session}),
        parameters(std::move(initial)),
        run_as(settings.run_as),
        verify_(settings.verify),
        turn_(settings.session) {}

  void begin_on(Upstream& upstream) {
    reported_ = &upstream.parameters;
    used = false;
    // As the client believes, and as it will be when these have been set again.
    requests.attach(upstream.statements, *this, parameters.value_of("standard_conforming_strings") == "off");
    if (postgres::is_unsafe_encoding(parameters.value_of("client_encoding")))
      requests.state().add(postgres::StateReason::setting);
  }

  WipedBytes& scratch;
  bool ignores_state;
  postgres::PooledRequests requests;
  ReportedParameters parameters;   ///< as the client was told
  const std::string run_as;        ///< the role that connections start with; empty: none
  std::vector<std::uint8_t> held;  ///< of the client, not passed on yet
  bool waiting = false;            ///< for a server connection
  bool restoring = false;          ///< the connection gets the session's parameters first
  bool stalled = false;            ///< until the server has answered more
  bool full = false;               ///< until the server has taken more
  bool used = false;               ///< something was asked on this connection
  bool told_of_pin = false;
  bool checking = false;         ///< the server is asked what the session leaves behind
  postgres::StateReasons found;  ///< what it has answered so far
  bool answered = false;

  [[nodiscard]] bool verifies() const { return verify_ != VerifySessionState::off; }
  /// Whether the server is asked this time; only of one that verifies().
  bool check_is_due() { return verify_ == VerifySessionState::always || turn_++ % sample_every == 0; }
  [[nodiscard]] bool is_pinned() const { return !ignores_state && !requests.state().empty(); }

 private:
  [[nodiscard]] bool is_reported(std::string_view name) const override;

  static constexpr std::uint64_t sample_every = 16;

  const ReportedParameters* reported_ = nullptr;
  VerifySessionState verify_;
  std::uint64_t turn_;
};

}  // namespace sallyport::broker
