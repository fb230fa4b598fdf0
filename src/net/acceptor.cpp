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
constexpr auto told_every = std::chrono::minutes{1};

}  // namespace

Acceptor::Acceptor(Listener listener, EpollLoop& loop,
                   std::function<void(std::unique_ptr<SocketStream>)> on_accept, Doorkeeper doorkeeper,
                   OnExhausted on_exhausted)
    : listener_(std::move(listener)),
      loop_(loop),
      on_accept_(std::move(on_accept)),
      doorkeeper_(std::move(doorkeeper)),
      on_exhausted_(std::move(on_exhausted)),
      keeps_alive_(is_internet_socket(listener_.fd())) {
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
      if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM) return;
      tell_exhausted(errno);
      return pause();
    }
    if (doorkeeper_ && !doorkeeper_(client.get())) {
      ++turned_away;
      continue;
    }
    ++accepted;
    if (keeps_alive_) keep_alive(client.get());
    auto stream = std::make_unique<SocketStream>(std::move(client));
    if (!stream->attach(loop_)) return pause();  // this one is closed
    on_accept_(std::move(stream));
  }
}

void Acceptor::watch() {
  watch_ = loop_.watch_level(listener_.fd(), *this);
  if (watch_.generation == 0) pause();
}

void Acceptor::tell_exhausted(int reason) {
  const auto now = loop_.now().mono;
  if (!on_exhausted_ || (told_at_ && now - *told_at_ < told_every)) return;
  told_at_ = now;
  on_exhausted_(reason);
}

void Acceptor::pause() {
  loop_.unwatch(listener_.fd(), watch_);
  paused_ = loop_.after(pause_for, [this] { watch(); });
}

}  // namespace sallyport::net
