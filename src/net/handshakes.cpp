#include "net/handshakes.h"

#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::net {

namespace {

Error failed(ErrorCode code, std::string what, std::string hint = {}) {
  return {code, Hop::identity, "client TLS", std::move(what), std::move(hint), {}};
}

}  // namespace

class Handshakes::Run final : private StreamEvents {
 public:
  Run(Handshakes& owner, Id id, HandshakeOrder order, DoneCallback done)
      : owner_(owner), id_(id), order_(std::move(order)), done_(std::move(done)) {}
  ~Run() {
    owner_.loop_.cancel(deadline_);
    if (order_.stream != nullptr) order_.stream->set_events(nullptr);
  }
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  void start() {
    auto ssl = order_.tls->accept(order_.direct);
    if (!ssl) return finish(ssl.error());
    auto& stream = *order_.stream;
    stream.adopt_tls(std::move(*ssl), std::move(order_.first_bytes));
    stream.set_events(this);
    if (!stream.attach(owner_.loop_)) {
      return finish(failed(ErrorCode::retry_later, std::strerror(errno), "Raise fs.epoll.max_user_watches"));
    }
    deadline_ = owner_.loop_.after(order_.deadline, [this] {
      finish(failed(ErrorCode::timed_out,
                    "the TLS handshake did not finish within " + format_duration(order_.deadline)));
    });
    step();
  }

 private:
  void on_readable() override { step(); }
  void on_writable() override { step(); }

  void step() {
    auto& stream = *order_.stream;
    switch (stream.handshake()) {
      case IoStatus::would_block: return;
      case IoStatus::ok: return finish(client_facts_of(stream.ssl(), *order_.tls));
      case IoStatus::closed:
      case IoStatus::failed:
        return finish(explain_client_handshake(stream.ssl(), *order_.tls, owner_.loop_.now().wall));
    }
  }

  // Destroys this. The stream may be the one whose event we are in: it is moved on, and touches nothing more.
  void finish(Result<ClientTlsFacts> facts) {
    const auto self = owner_.runs_.extract(id_);
    auto stream = std::move(order_.stream);
    stream->set_events(nullptr);
    stream->detach();
    if (!facts) stream->drop_tls();
    const auto done = std::move(done_);
    done({std::move(stream), std::move(facts)});
  }

  Handshakes& owner_;
  Id id_;
  HandshakeOrder order_;
  DoneCallback done_;
  TimerId deadline_;
};

Handshakes::Handshakes(EpollLoop& loop) : loop_(loop) {}

Handshakes::~Handshakes() = default;

void Handshakes::start(Id id, HandshakeOrder order, DoneCallback done) {
  auto kept = std::make_shared<HandshakeOrder>(std::move(order));
  loop_.post(
      [this, id, kept, done = std::move(done)]() mutable { begin(id, std::move(*kept), std::move(done)); });
}

void Handshakes::begin(Id id, HandshakeOrder order, DoneCallback done) {
  if (runs_.size() >= at_once_max) {
    return done(
        {std::move(order.stream), failed(ErrorCode::limit_exceeded, "too many handshakes are under way")});
  }
  auto& run = runs_[id];
  run = std::make_unique<Run>(*this, id, std::move(order), std::move(done));
  run->start();
}

void Handshakes::cancel(Id id) {
  loop_.post([this, id] { runs_.erase(id); });
}

}  // namespace sallyport::net
