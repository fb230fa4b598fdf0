#include "net/acceptor.h"

#include "net/keepalive.h"

#include <sys/socket.h>

#include <cerrno>

namespace sallyport::net {

namespace {

/// Connections taken before other events get their turn.
constexpr int accepts_per_turn_max = 64;
constexpr int turned_away_per_turn_max = 1024;
constexpr auto pause_for = std::chrono::milliseconds{100};

}  // namespace

Acceptor::Acceptor(Listener listener, EpollLoop& loop,
                   std::function<void(std::unique_ptr<SocketStream>)> on_accept, Doorkeeper doorkeeper)
    : listener_(std::move(listener)),
      loop_(loop),
      on_accept_(std::move(on_accept)),
      doorkeeper_(std::move(doorkeeper)) {
  watch();
}

Acceptor::~Acceptor() {
  loop_.cancel(paused_);
  loop_.unwatch(listener_.fd(), watch_);
}

void Acceptor::on_ready(std::uint32_t) {
  int accepted = 0;
  int turned_away = 0;
  while (accepted < accepts_per_turn_max && turned_away < turned_away_per_turn_max) {
    UniqueFd client{accept4(listener_.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC)};
    if (!client.valid()) {
      if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) pause();
      return;
    }
    if (doorkeeper_ && !doorkeeper_(client.get())) {
      ++turned_away;
      continue;
    }
    ++accepted;
    keep_alive(client.get());
    auto stream = std::make_unique<SocketStream>(std::move(client));
    if (!stream->attach(loop_)) return pause();  // this one is closed
    on_accept_(std::move(stream));
  }
}

void Acceptor::watch() {
  watch_ = loop_.watch_level(listener_.fd(), *this);
  if (watch_.generation == 0) pause();
}

void Acceptor::pause() {
  loop_.unwatch(listener_.fd(), watch_);
  paused_ = loop_.after(pause_for, [this] { watch(); });
}

}  // namespace sallyport::net
