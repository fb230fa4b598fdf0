// Asks a real server to cancel a query: a connection of its own, over TLS where the session has it.
//
// The server never answers; it closes, and only then has it acted. So the conversation waits for the end
// of the peer's bytes before it says Done: the upstream connection must not get another owner earlier. Nor may it behind
// an error, if has_asked(): what has left may arrive at any time, also when the connection that carried it is gone.
#pragma once

#include "base/conversation.h"
#include "wire/postgres/client_login.h"
#include "wire/postgres/first_packet.h"

namespace sallyport::postgres {

/// Actions used: Send, NeedMore, StartTls, Done.
/// Errors  peer_unsupported: TLS required, not offered. peer_misbehaved: bytes behind 'S'. retry_later: cut off.
class CancelConversation final : public Conversation {
 public:
  CancelConversation(CancelRequest request, LoginTls tls, Preamble preamble = {})
      : request_(std::move(request)), tls_(tls), preamble_(std::move(preamble)) {}

  Result<Action> resume(Input input) override;

  /// Bytes of the request may have left.
  [[nodiscard]] bool has_asked() const { return step_ == Step::expect_close || step_ == Step::finished; }

 private:
  enum class Step { fresh, expect_ssl_answer, expect_tls, expect_preamble_answer, expect_close, finished };
  Result<Action> send_request();
  Result<Action> after_tls();

  CancelRequest request_;
  LoginTls tls_;
  Preamble preamble_;
  Step step_ = Step::fresh;
};

}  // namespace sallyport::postgres
