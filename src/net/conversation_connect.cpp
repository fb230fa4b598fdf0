// How a conversation gets its connection: the name, then one address after another, each within its own time.
#include "net/conversation_run.h"
#include "net/keepalive.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

namespace sallyport::net {

namespace {

/// One address gets this long before the next one is tried.
constexpr auto connect_attempt_deadline = std::chrono::seconds{5};

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

void ConversationRun::resolve() {
  hop_ = Hop::dns;
  waiting_for_ = "the name server";
  auto result = std::make_shared<Result<std::vector<Address>>>(Error{});
  on_lane(services_->dns_lane, "name look-ups", [host = dial_.host, port = dial_.port, result]() -> Event {
    *result = net::resolve(host, port);
    return Woken{};
  });
  // What on_lane() brings back finds this and goes to on_resolved(): the conversation is not told of addresses.
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
  keep_alive(fd.get());
  sockaddr_storage storage{};
  const auto size = address.to_sockaddr(storage);
  const auto connected = connect(fd.get(), reinterpret_cast<const sockaddr*>(&storage), size) == 0;
  const auto number = errno;
  stream_ = std::make_unique<SocketStream>(std::move(fd));
  stream_->set_events(this);
  if (!connected && number == EINPROGRESS) stream_->expect_connect();
  if (!stream_->attach(services_->loop)) {
    finish(Error{ErrorCode::retry_later,
                 Hop::tcp,
                 address.to_string(),
                 std::strerror(errno),
                 "Raise fs.epoll.max_user_watches",
                 {}});
  } else if (connected) {
    on_connected();
  } else if (number == EINPROGRESS) {
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

void ConversationRun::on_connect_ended() {
  const auto error = stream_->connect_error();
  if (error == 0) {
    on_connected();
    return;
  }
  last_connect_error_ = connect_failure(addresses_[next_address_ - 1], error);
  // Not from inside the stream's own event: it is replaced there.
  services_->loop.post([self = shared_from_this()] { self->connect_next(); });
}

}  // namespace sallyport::net
