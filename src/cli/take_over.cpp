#include "cli/take_over.h"

#include "net/process_tree.h"
#include "net/socket_directory.h"

#include <sys/prctl.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>

namespace sallyport::cli {

namespace {

Error refused(std::string what, std::string hint = {}) {
  return {ErrorCode::denied, Hop::listener, "take-over", std::move(what), std::move(hint), {}};
}

/// For as long as it lives, /proc shows our account which program we run, as it does of any process until it asks not
/// to be looked at. What is in memory now was in the environment at exec.
class Visible {
 public:
  Visible() { prctl(PR_SET_DUMPABLE, 1); }
  ~Visible() { prctl(PR_SET_DUMPABLE, 0); }
  Visible(const Visible&) = delete;
  Visible& operator=(const Visible&) = delete;
};

}  // namespace

Result<std::optional<TakeOver>> TakeOver::ask(const Context& context, const config::Config& config) {
  const auto path = handover::socket_path(config.admin);
  if (path.empty()) {
    return Error{ErrorCode::bad_config,
                 Hop::config,
                 config.file,
                 "says admin.socket: off, beside which a running Sallyport is asked for its sockets",
                 "Give it a path there, or start without --take-over",
                 {}};
  }
  const auto slash = path.rfind('/');
  const auto directory = net::SocketDirectory::open_shared(path.substr(0, std::max<std::size_t>(slash, 1)));
  if (!directory) {
    if (config.admin.socket_named) return directory.error();
    return std::optional<TakeOver>{};  // the default, which may not be possible
  }
  const auto name = path.substr(slash + 1);
  auto connected = directory->connect_to(name, SOCK_SEQPACKET);
  if (!connected && connected.error().code == ErrorCode::not_found) return std::optional<TakeOver>{};
  if (!connected) return connected.error();
  auto peer = net::peer_of_unix(connected->get());
  if (!peer) return peer.error();
  if (peer->uid != geteuid()) {
    return refused("who listens on " + path + " is uid " + std::to_string(peer->uid) + ", and we are uid " +
                       std::to_string(geteuid()),
                   "Start both under the same account.");
  }
  TakeOver made{net::PacketChannel{std::move(*connected)}, std::move(*peer)};
  const auto is_lock = [&](const net::UniqueFd& lock) { return directory->is_lock_of(name, lock); };
  if (auto welcome = made.introduce(context, config, is_lock); !welcome) return welcome.error();
  return std::optional<TakeOver>{std::move(made)};
}

Result<void> TakeOver::introduce(const Context& context, const config::Config& config,
                                 const std::function<bool(const net::UniqueFd& lock)>& is_lock) {
  const Visible visible;
  std::error_code ignored;
  const auto file = std::filesystem::canonical(config.file, ignored).string();
  if (auto said = handover::say(channel_, handover::Hello{context.version, file}); !said) return said;
  std::vector<net::UniqueFd> descriptors;
  auto welcome =
      handover::hear_only<handover::Welcome>(channel_, handover::answer_deadline, -1, &descriptors);
  if (!welcome) return welcome.error();
  version_ = welcome->version;
  if (descriptors.size() == 1 && is_lock(descriptors.front()) && net::is_alive(peer_.pidfd)) return {};
  return refused("who answers does not hold the lock of the instance that runs",
                 "Find out who else serves in that directory.");
}

Result<void> TakeOver::receive(net::HandedSockets& sockets) {
  if (auto said = handover::say(channel_, handover::Give{}); !said) return said;
  while (true) {
    auto heard = handover::hear(channel_, handover::answer_deadline);
    if (!heard) return heard.error();
    if (const auto* end = std::get_if<handover::AllGiven>(&(*heard)->message)) {
      if (end->count != sockets.size()) return refused("it did not hand over as many sockets as it says");
      credentials_ = end->credentials;
      return {};
    }
    const auto* socket = std::get_if<handover::Socket>(&(*heard)->message);
    auto& descriptors = (*heard)->descriptors;
    if (socket == nullptr || descriptors.size() != (socket->path.empty() ? 1 : 2))
      return refused("it did not hand over its sockets");
    auto lock = descriptors.size() == 2 ? std::move(descriptors[1]) : net::UniqueFd{};
    if (auto added = sockets.add(socket->path, std::move(descriptors[0]), std::move(lock)); !added)
      return added;
  }
}

bool TakeOver::has_credential(const std::string& target_and_role) const {
  return std::find(credentials_.begin(), credentials_.end(), target_and_role) != credentials_.end();
}

Result<void> TakeOver::still_waits() const {
  const auto heard = channel_.try_receive();
  if (!heard) return heard.error();
  return {};
}

Result<handover::Released> TakeOver::serving() {
  if (auto said = handover::say(channel_, handover::Serving{}); !said) return said.error();
  return handover::hear_only<handover::Released>(channel_, handover::answer_deadline);
}

}  // namespace sallyport::cli
