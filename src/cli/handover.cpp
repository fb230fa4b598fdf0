#include "cli/handover.h"

#include "net/process_tree.h"
#include "net/socket_directory.h"

#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace sallyport::cli {

namespace {

Error denied(std::string what, std::string hint) {
  return {ErrorCode::denied, Hop::listener, "take-over", std::move(what), std::move(hint), {}};
}

Result<net::Listener> open_beside(const std::string& path, net::GivenSockets& given) {
  if (auto socket = given.handed.take_unix(path)) return std::move(*socket);
  const auto slash = path.rfind('/');
  const auto directory = net::SocketDirectory::open_shared(path.substr(0, std::max<std::size_t>(slash, 1)));
  if (!directory) return directory.error();
  return directory->listen_named(path.substr(slash + 1), 0600, SOCK_SEQPACKET);
}

}  // namespace

Result<void> Handover::listen(const config::Admin& admin, net::GivenSockets& given) {
  const auto path = handover::socket_path(admin);
  if (path.empty()) return {};
  auto listener = open_beside(path, given);
  if (listener) {
    listener_.emplace(std::move(*listener));
    return {};
  }
  if (admin.socket_named) return listener.error();
  const auto text = describe(listener.error());
  context_.logger.write(LogLevel::info, "a binary upgrade will not be possible", {{"why", text}});
  return {};
}

std::optional<net::PacketChannel> Handover::hand_over(int stop) {
  net::UniqueFd connection = net::accept_packets(listener_->fd());
  if (!connection.valid()) return std::nullopt;
  auto peer = net::peer_of_unix(connection.get());
  if (!peer) return std::nullopt;  // it has gone
  net::PacketChannel channel{std::move(connection)};
  const auto done = talk(channel, *peer, stop);
  const auto pid = static_cast<std::int64_t>(peer->pid);
  service_.record(*peer, done ? "ok" : done.error().code == ErrorCode::denied ? "denied" : "failed");
  if (done) {
    context_.logger.write(LogLevel::info, "handed over: another Sallyport serves from now on",
                          {{"pid", pid}});
    return channel;
  }
  const auto why = describe(done.error());
  context_.logger.write(LogLevel::warning, "a take-over did not come about; this Sallyport goes on serving",
                        {{"pid", pid}, {"uid", static_cast<std::int64_t>(peer->uid)}, {"why", why}});
  if (done.error().code == ErrorCode::denied)
    (void)handover::say(channel, handover::Refusal{done.error().what, done.error().hint});
  return std::nullopt;
}

Result<void> Handover::talk(const net::PacketChannel& channel, net::UnixPeer& peer, int stop) {
  // Before a word is read: by what the kernel says.
  if (peer.uid != geteuid()) {
    return denied(
        "uid " + std::to_string(peer.uid) + " may not take over from uid " + std::to_string(geteuid()),
        "Start the new one under the same account.");
  }
  const auto hello = handover::hear_only<handover::Hello>(channel, handover::answer_deadline, stop);
  if (!hello) return hello.error();
  if (auto good = check(peer, *hello); !good) return good;
  auto shared = listener_->share();
  const int lock[] = {shared.lock.get()};
  if (auto said = handover::say(channel, handover::Welcome{context_.version}, lock); !said) return said;
  const auto wanted = handover::hear_only<handover::Give>(channel, handover::serving_deadline, stop);
  if (!wanted) return wanted.error();
  auto listeners = service_.listeners();
  listeners.push_back(std::move(shared));
  if (auto given = give(channel, listeners); !given) return given;
  const auto serving = handover::hear_only<handover::Serving>(channel, handover::serving_deadline, stop);
  if (!serving) return serving.error();
  // From here on the names are the successor's: if it still hears us.
  const auto set_ours = [&](bool ours) {
    for (const auto& listener : listeners) {
      if (listener.ours != nullptr) *listener.ours = ours;
    }
  };
  set_ours(false);
  auto released = handover::say(channel, handover::Released{service_.paused()});
  if (!released) set_ours(true);
  return released;
}

Result<void> Handover::check(const net::UnixPeer& peer, const handover::Hello& hello) const {
  if (hello.config_file != service_.config_file) {
    return denied("it serves " + hello.config_file + ", and this one " + service_.config_file,
                  "Start it with the same configuration file.");
  }
  if (auto same = program_.is_run_by(peer, service_.scout.get()); !same) {
    return denied(same.error().where + ": " + same.error().what, same.error().hint);
  }
  if (net::is_alive(peer.pidfd)) return {};
  return denied("the process that asked has ended", {});
}

Result<void> Handover::give(const net::PacketChannel& channel,
                            const std::vector<net::SharedListener>& listeners) const {
  for (const auto& listener : listeners) {
    if (!listener.fd.valid()) {
      return Error{ErrorCode::retry_later, Hop::listener,        "take-over",
                   "out of descriptors",   "Raise LimitNOFILE.", {}};
    }
    const int descriptors[] = {listener.fd.get(), listener.lock.get()};
    const std::size_t count = listener.lock.valid() ? 2 : 1;
    auto said = handover::say(channel, handover::Socket{count == 2 ? listener.path : std::string{}},
                              std::span{descriptors}.first(count));
    if (!said) return said;
  }
  handover::AllGiven end{static_cast<std::uint32_t>(listeners.size()), service_.credentials()};
  if (handover::encode_message(end).empty()) end.credentials.clear();
  return handover::say(channel, end);
}

}  // namespace sallyport::cli
