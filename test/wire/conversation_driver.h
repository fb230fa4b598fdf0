// Runs a conversation in memory against a scripted peer: cuts the peer's bytes as told, fails at a step as
// told, and remembers all that was sent.
#pragma once

#include "base/conversation.h"
#include "crypto/pbkdf2.h"

#include <functional>
#include <limits>
#include <string>

namespace sallyport::test {

inline WipedBytes bytes_of(std::string_view text) { return {text.begin(), text.end()}; }

struct DriverOptions {
  std::size_t chunk_bytes = std::numeric_limits<std::size_t>::max();  ///< of the peer's bytes, per Received
  std::size_t first_chunk_bytes = 0;  ///< when not 0: one cut there in every reply, then the rest
  std::size_t close_at_step = std::numeric_limits<std::size_t>::max();  ///< this resume gets PeerClosed
  std::size_t fail_at_step = std::numeric_limits<std::size_t>::max();   ///< this resume gets ActionFailed
  TlsFacts tls;
  bool close_after_last_reply = false;  ///< PeerClosed when the peer has nothing more to say
  bool cut = false;                     ///< and not of its own will
  std::array<std::uint8_t, 64> random{};
};

class Driver {
 public:
  /// `peer` gets what one Send carried and answers with bytes.
  using Peer = std::function<WipedBytes(Bytes sent)>;

  Driver(Conversation& conversation, Peer peer, DriverOptions options)
      : conversation_(conversation), peer_(std::move(peer)), options_(std::move(options)) {}

  /// Until Done or an error. A peer that falls silent ends it with timed_out.
  Result<void> run() {
    auto action = resume(Started{options_.random});
    while (true) {
      if (!action) return action.error();
      if (std::holds_alternative<Done>(*action)) return {};
      action = act(std::move(*action));
    }
  }

  [[nodiscard]] const std::string& sent() const { return sent_; }
  [[nodiscard]] std::string sent_before_tls() const { return sent_before_tls_; }
  [[nodiscard]] std::size_t steps() const { return steps_; }
  InputBuffer& input() { return input_; }
  [[nodiscard]] std::size_t pbkdf2_runs() const { return pbkdf2_runs_; }

 private:
  Result<Action> resume(Event event) {
    const auto step = steps_++;
    if (step == options_.close_at_step) event = PeerClosed{};
    if (step == options_.fail_at_step)
      event = ActionFailed{{ErrorCode::timed_out, Hop::tcp, "test", "planned", {}, {}}};
    return conversation_.resume(Input{Moment{}, std::move(event)});
  }

  Result<Action> act(Action action) {
    if (auto* send = std::get_if<Send>(&action)) {
      sent_ += as_text(send->bytes);
      if (!tls_) sent_before_tls_ += as_text(send->bytes);
      const auto reply = peer_(send->bytes);
      pending_.insert(pending_.end(), reply.begin(), reply.end());
      cut_ = options_.first_chunk_bytes;
      return deliver();
    }
    if (std::holds_alternative<NeedMore>(action)) return deliver();
    if (std::holds_alternative<StartTls>(action)) {
      // What was not yet read goes to the TLS handshake, and is no TLS.
      if (!pending_.empty())
        return resume(ActionFailed{{ErrorCode::peer_misbehaved, Hop::tls, "handshake", "no TLS", {}, {}}});
      tls_ = true;
      return resume(TlsEstablished{options_.tls});
    }
    if (auto* compute = std::get_if<ComputePbkdf2>(&action)) {
      ++pbkdf2_runs_;
      return resume(Computed{crypto::pbkdf2_sha256(compute->password, compute->salt, compute->iterations)});
    }
    return Error{ErrorCode::internal, Hop::none, "driver", "an action this driver does not know", {}, {}};
  }

  Result<Action> deliver() {
    if (pending_.empty()) {
      if (options_.close_after_last_reply) return resume(PeerClosed{options_.cut});
      return Error{ErrorCode::timed_out, Hop::none, "driver", "the peer is silent", {}, {}};
    }
    const auto count = std::min(pending_.size(), cut_ != 0 ? cut_ : options_.chunk_bytes);
    cut_ = 0;
    input_.append(Bytes{pending_}.first(count));
    pending_.erase(pending_.begin(), pending_.begin() + static_cast<std::ptrdiff_t>(count));
    return resume(Received{input_});
  }

  Conversation& conversation_;
  Peer peer_;
  DriverOptions options_;
  InputBuffer input_;
  WipedBytes pending_;
  std::string sent_;
  std::string sent_before_tls_;
  std::size_t steps_ = 0;
  std::size_t cut_ = 0;
  std::size_t pbkdf2_runs_ = 0;
  bool tls_ = false;
};

}  // namespace sallyport::test
