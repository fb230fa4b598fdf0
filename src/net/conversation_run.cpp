#include "net/conversation_run.h"

#include "base/limits.h"
#include "net/file_reader.h"
#include "net/tls_explain.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

/// One address gets this long before the next one is tried.
constexpr auto connect_attempt_deadline = std::chrono::seconds{5};

void tune(int fd) {
  const int on = 1;
  const int idle_s = 60, interval_s = 15, probes = 4;
  const unsigned unacknowledged_ms = 90'000;
  // Errors are harmless: a Unix socket knows none of these.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
  setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &unacknowledged_ms, sizeof unacknowledged_ms);
}

Error connect_failure(const Address& address, int number) {
  const auto refused = number == ECONNREFUSED || number == ENOENT;
  return {ErrorCode::retry_later,
          Hop::tcp,
          address.to_string(),
          refused ? "connection refused: nothing listens there" : std::strerror(number),
          refused ? "Start the database server, or correct host and port"
                  : "Check the route and the firewall between here and the database server",
          {}};
}

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
  deadline_length_ = deadline;
  deadline_ = services_->loop.after(deadline, [self = shared_from_this()] {
    self->finish(Error{ErrorCode::timed_out,
                       self->hop_,
                       self->dial_.host,
                       "no answer within " + format_duration(self->deadline_length_) + " while waiting for " +
                           self->waiting_for_,
                       "Check that the server is up and reachable",
                       {}});
  });
}

void ConversationRun::resolve() {
  hop_ = Hop::dns;
  waiting_for_ = "the name server";
  auto result = std::make_shared<Result<std::vector<Address>>>(Error{});
  on_lane(services_->dns_lane, "name look-ups", [host = dial_.host, port = dial_.port, result]() -> Event {
    *result = net::resolve(host, port);
    return Woken{};
  });
  // on_lane() comes back through resume(), which must not reach the conversation yet.
  phase_ = Phase::connecting;
  resolved_ = std::move(result);
}

void ConversationRun::connect_next() {
  hop_ = Hop::tcp;
  phase_ = Phase::connecting;
  stream_.reset();
  services_->loop.cancel(wake_);
  if (next_address_ == addresses_.size()) {
    finish(last_connect_error_.value_or(
        Error{ErrorCode::not_found, Hop::dns, dial_.host, "has no address", "Correct the host name", {}}));
    return;
  }
  const auto address = addresses_[next_address_++];
  waiting_for_ = "a connection to " + address.to_string();
  UniqueFd fd{socket(address.family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  if (!fd.valid()) {
    finish(Error{ErrorCode::retry_later,
                 Hop::tcp,
                 address.to_string(),
                 std::strerror(errno),
                 "Raise the limit of open files",
                 {}});
    return;
  }
  tune(fd.get());
  sockaddr_storage storage{};
  const auto size = address.to_sockaddr(storage);
  const auto connected = connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0;
  const auto number = errno;
  stream_ = std::make_unique<SocketStream>(std::move(fd));
  stream_->set_events(this);
  if (connected) {
    stream_->attach(services_->loop);
    on_connected();
  } else if (number == EINPROGRESS) {
    stream_->expect_connect();
    stream_->attach(services_->loop);
    wake_ = services_->loop.after(connect_attempt_deadline, [self = shared_from_this(), address] {
      self->last_connect_error_ = connect_failure(address, ETIMEDOUT);
      self->connect_next();
    });
  } else {
    last_connect_error_ = connect_failure(address, number);
    services_->loop.post([self = shared_from_this()] { self->connect_next(); });
  }
}

void ConversationRun::on_connected() {
  services_->loop.cancel(wake_);
  hop_ = Hop::login;
  begin_conversation();
}

void ConversationRun::begin_conversation() {
  phase_ = Phase::busy;
  Started started;
  services_->randomness.fill(started.random);
  resume(started);
}

void ConversationRun::resume(Event event) {
  if (!done_) return;
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

void ConversationRun::perform(Send action) {
  if (stream_ == nullptr) {
    finish(Error{ErrorCode::internal, hop_, {}, "a conversation without a connection wants to send", {}, {}});
    return;
  }
  unsent_.insert(unsent_.end(), action.bytes.begin(), action.bytes.end());
  waiting_for_ = "the server's answer";
  seen_input_ = 0;  // what came meanwhile may already be the answer
  phase_ = Phase::waiting_for_input;
  flush();
  if (done_ && phase_ == Phase::waiting_for_input) deliver_input();
}

void ConversationRun::perform(NeedMore) {
  waiting_for_ = "the server's answer";
  seen_input_ = input_.size();
  phase_ = Phase::waiting_for_input;
  if (stream_ == nullptr) {
    finish(Error{ErrorCode::internal, hop_, {}, "a conversation without a connection wants to read", {}, {}});
  } else {
    deliver_input();
  }
}

void ConversationRun::deliver_input() {
  read_more();
  if (!done_ || phase_ != Phase::waiting_for_input) return;
  if (input_.size() > seen_input_) {
    resume(Received{input_});
  } else if (peer_closed_) {
    resume(PeerClosed{});
  }
}

void ConversationRun::perform(StartTls action) {
  if (dial_.tls == nullptr) {
    finish(Error{ErrorCode::bad_config,
                 Hop::tls,
                 dial_.host,
                 "TLS is switched off for this target",
                 "Set tls.mode: verify-full",
                 {}});
    return;
  }
  if (!input_.empty()) {
    finish(Error{ErrorCode::peer_misbehaved,
                 Hop::tls,
                 dial_.host,
                 "the server sent bytes before TLS began",
                 "Somebody may be tampering with the connection",
                 {}});
    return;
  }
  hop_ = Hop::tls;
  waiting_for_ = "the TLS handshake";
  auto ssl = dial_.tls->connect(dial_.host, action.alpn, dial_.credential.get());
  if (!ssl) {
    finish(ssl.error());
    return;
  }
  stream_->adopt_tls(std::move(*ssl));
  phase_ = Phase::handshaking;
  step_handshake();
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

void ConversationRun::on_lane(Lane& lane, const char* what, std::function<Event()> call) {
  phase_ = Phase::busy;
  auto self = shared_from_this();
  auto& loop = services_->loop;
  const auto accepted = lane.submit([self, &loop, call = std::move(call)] {
    auto event = std::make_shared<Event>(call());
    loop.post([self, event] {
      if (self->resolved_) {
        self->on_resolved();
      } else {
        self->resume(std::move(*event));
      }
    });
  });
  if (!accepted) {
    finish(Error{ErrorCode::retry_later,
                 hop_,
                 {},
                 std::string{"too many "} + what + " are waiting already",
                 "Wait, and look for a source that does not answer",
                 {}});
  }
}

void ConversationRun::on_resolved() {
  const auto result = std::move(resolved_);
  resolved_.reset();
  if (!done_) return;
  if (!*result) {
    finish(result->error());
    return;
  }
  addresses_ = std::move(**result);
  connect_next();
}

void ConversationRun::perform(HttpRequest action) {
  auto request = std::make_shared<HttpRequest>(std::move(action));
  waiting_for_ = "the secret manager's reply";
  on_lane(services_->http_lane, "requests to secret managers", [http = services_->http, request]() -> Event {
    auto reply = http->perform(*request);
    if (!reply) return ActionFailed{reply.error()};
    return std::move(*reply);
  });
}

void ConversationRun::perform(ReadFile action) {
  waiting_for_ = "the file " + action.path;
  on_lane(services_->file_lane, "file reads", [action = std::move(action)]() -> Event {
    auto content = read_file(action);
    if (!content) return ActionFailed{content.error()};
    return FileRead{std::move(*content)};
  });
}

void ConversationRun::perform(ReadVariable action) { resume(VariableRead{services_->variable(action.name)}); }

void ConversationRun::perform(RunProgram action) {
  if (services_->helper == nullptr) {
    resume(ActionFailed{Error{ErrorCode::bad_config,
                              Hop::secret_source,
                              "exec",
                              "programs are not run here",
                              "Use -e VAR=exec:… or a configuration file",
                              {}}});
    return;
  }
  waiting_for_ = "the program " + (action.argv.empty() ? std::string{} : action.argv.front());
  on_lane(services_->helper_lane, "programs",
          [helper = services_->helper, action = std::move(action)]() -> Event {
            auto ended = helper->run(action);
            if (!ended) return ActionFailed{ended.error()};
            return std::move(*ended);
          });
}

void ConversationRun::perform(WaitUntil action) {
  const auto delay = action.moment - services_->clock.now().mono;
  wake_ = services_->loop.after(std::max<Duration>(delay, Duration::zero()),
                                [self = shared_from_this()] { self->resume(Woken{}); });
}

void ConversationRun::perform(ComputePbkdf2 action) {
  resume(Computed{memo_->compute(action, dial_.credential)});
}

void ConversationRun::perform(Done) {
  if (stream_ != nullptr && !input_.empty()) {
    finish(Error{ErrorCode::peer_misbehaved,
                 Hop::login,
                 dial_.host,
                 "the server sent more than its greeting",
                 {},
                 {}});
    return;
  }
  finish({});
}

void ConversationRun::flush() {
  while (sent_ < unsent_.size()) {
    const auto result = stream_->write(Bytes{unsent_}.subspan(sent_));
    if (result.status == IoStatus::would_block) return;
    if (result.status != IoStatus::ok) {
      peer_closed_ = true;
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
    const auto error = stream_->connect_error();
    if (error == 0) {
      on_connected();
    } else {
      last_connect_error_ = connect_failure(addresses_[next_address_ - 1], error);
      // Not from inside the stream's own event: it is replaced there.
      services_->loop.post([self] { self->connect_next(); });
    }
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
  auto done = std::exchange(done_, nullptr);
  const auto ended_well = outcome.has_value();
  RunResult result{std::move(outcome), std::move(conversation_), ended_well ? std::move(stream_) : nullptr};
  // A failed run's stream may be the one whose event we are in: let it go in the next turn.
  auto kept = std::shared_ptr<SocketStream>(std::move(stream_));
  services_->loop.post([kept] {});
  done(std::move(result));
}

}  // namespace sallyport::net
