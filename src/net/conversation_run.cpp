#include "net/conversation_run.h"

#include "base/limits.h"
#include "net/tls_explain.h"

#include <algorithm>
#include <utility>

namespace sallyport::net {

namespace {

// The deadline is of the peer's time. A process that was stopped (SIGSTOP, a machine asleep) has asked nothing
// meanwhile and read nothing, so the deadline is counted in short pieces, of which those that ended late do not count.
constexpr auto piece = std::chrono::seconds{1};

}  // namespace

ConversationRun::ConversationRun(std::shared_ptr<DriverServices> services, std::shared_ptr<Pbkdf2Memo> memo,
                                 std::unique_ptr<Conversation> conversation, Driver::DoneCallback done)
    : services_(std::move(services)),
      memo_(std::move(memo)),
      conversation_(std::move(conversation)),
      done_(std::move(done)) {}

void ConversationRun::start(Duration deadline) {
  waiting_for_ = "the secret source";
  arm(deadline);
  begin_conversation();
}

void ConversationRun::start_connected(Dial dial, Duration deadline) {
  dial_ = std::move(dial);
  hop_ = Hop::login;
  arm(deadline);
  if (dial_.address) {
    addresses_.push_back(*dial_.address);
    connect_next();
  } else {
    resolve();
  }
}

void ConversationRun::arm(Duration deadline) {
  deadline_length_ = left_ = deadline;
  wait_on();
}

void ConversationRun::wait_on() {
  const Duration next = std::min<Duration>(left_, piece);
  left_ -= next;
  deadline_ = services_->loop.after(next, [self = shared_from_this(), next] {
    if (self->services_->loop.now().mono - self->deadline_.due > piece) self->left_ += next;
    if (self->left_ > Duration::zero()) return self->wait_on();
    self->finish(Error{ErrorCode::timed_out,
                       self->hop_,
                       self->dial_.host,
                       "no answer within " + format_duration(self->deadline_length_) + " while waiting for " +
                           self->waiting_for_,
                       "Check that the server is up and reachable",
                       {}});
  });
}

void ConversationRun::begin_conversation() {
  phase_ = Phase::busy;
  Started started;
  services_->randomness.fill(started.random);
  resume(started);
}

void ConversationRun::resume(Event event) {
  if (!done_) return;
  ++told_;
  services_->loop.cancel(wake_);
  phase_ = Phase::busy;
  auto action = conversation_->resume({services_->clock.now(), std::move(event)});
  if (!action) {
    finish(action.error());
    return;
  }
  act(std::move(*action));
}

void ConversationRun::act(Action action) {
  std::visit([this](auto& wanted) { perform(std::move(wanted)); }, action);
}

void ConversationRun::deliver_input() {
  read_more();
  if (!done_ || phase_ != Phase::waiting_for_input) return;
  if (input_.size() > seen_input_) {
    resume(Received{input_});
  } else if (peer_closed_) {
    resume(PeerClosed{cut_});
  }
}

void ConversationRun::step_handshake() {
  switch (stream_->handshake()) {
    case IoStatus::ok:
      hop_ = Hop::login;
      resume(TlsEstablished{facts_of(stream_->ssl(), *dial_.tls)});
      return;
    case IoStatus::would_block: return;
    default:
      finish(
          explain_handshake_failure(stream_->ssl(), dial_.tls->policy(), dial_.host, services_->clock.now()));
  }
}

void ConversationRun::flush() {
  while (sent_ < unsent_.size()) {
    const auto result = stream_->write(Bytes{unsent_}.subspan(sent_));
    if (result.status == IoStatus::would_block) return;
    if (result.status != IoStatus::ok) {
      // A server that refuses everybody says why before it closes.
      read_more();
      peer_closed_ = cut_ = true;
      break;
    }
    sent_ += result.bytes;
  }
  wipe_memory(unsent_.data(), unsent_.size());
  unsent_.clear();
  sent_ = 0;
}

void ConversationRun::read_more() {
  while (!peer_closed_ && input_.size() <= limits::login_body_bytes_max) {
    std::uint8_t chunk[4096];
    const auto result = stream_->read(chunk);
    if (result.status == IoStatus::would_block) return;
    if (result.status != IoStatus::ok) {
      // TLS 1.3: a server that refuses our client certificate says so only here.
      if (result.status == IoStatus::failed && stream_->ssl() != nullptr) {
        finish(explain_handshake_failure(stream_->ssl(), dial_.tls->policy(), dial_.host,
                                         services_->clock.now()));
        return;
      }
      peer_closed_ = true;
      cut_ = cut_ || result.status != IoStatus::closed || stream_->lacks_close_notify();
      return;
    }
    input_.append(Bytes{chunk, result.bytes});
    if (!result.more) return;
  }
}

void ConversationRun::on_readable() {
  const auto self = shared_from_this();
  if (phase_ == Phase::handshaking) {
    step_handshake();
  } else if (phase_ == Phase::waiting_for_input) {
    deliver_input();
  }
}

void ConversationRun::on_writable() {
  const auto self = shared_from_this();
  if (phase_ == Phase::connecting) {
    on_connect_ended();
  } else if (phase_ == Phase::handshaking) {
    step_handshake();
  } else if (stream_ != nullptr) {
    flush();
    if (peer_closed_ && phase_ == Phase::waiting_for_input) deliver_input();
  }
}

void ConversationRun::finish(Result<void> outcome) {
  if (!done_) return;
  services_->loop.cancel(deadline_);
  services_->loop.cancel(wake_);
  if (stream_ != nullptr) {
    stream_->set_events(nullptr);
    stream_->detach();
  }
  kept_connection_.reset();  // closed here: what runs on a lane has its own share
  auto done = std::exchange(done_, nullptr);
  const auto ended_well = outcome.has_value();
  RunResult result{std::move(outcome), std::move(conversation_), ended_well ? std::move(stream_) : nullptr};
  // A failed run's stream may be the one whose event we are in: let it go in the next turn.
  auto kept = std::shared_ptr<SocketStream>(std::move(stream_));
  services_->loop.post([kept] {});
  done(std::move(result));
}

}  // namespace sallyport::net
