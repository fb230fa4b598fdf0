// The credentials' and the broker's ports, on the real loops and the driver.
#pragma once

#include "broker/origin.h"
#include "broker/ports.h"
#include "credentials/ports.h"
#include "net/driver.h"
#include "net/handshakes.h"
#include "net/peer.h"
#include "net/process_facts.h"
#include "net/process_tree.h"
#include "net/recent_facts.h"
#include "net/scout.h"

#include <unordered_map>

namespace sallyport::cli {

/// Timers of the relay loop.
class LoopTimers final : public credentials::Timers {
 public:
  LoopTimers(net::Loop& loop, const Clock& clock) : loop_(loop), clock_(clock) {}
  credentials::TimerId after(Duration delay, std::function<void()> task) override;
  void cancel(credentials::TimerId timer) override;
  [[nodiscard]] Moment now() const override { return clock_.now(); }

 private:
  net::Loop& loop_;
  const Clock& clock_;
  credentials::TimerId next_ = 1;
  std::unordered_map<credentials::TimerId, net::TimerId> pending_;
};

/// Runs source conversations with the driver; answers on the relay loop.
class DriverRunner final : public credentials::Runner {
 public:
  DriverRunner(net::Driver& driver, net::Loop& relay_loop) : driver_(driver), relay_loop_(relay_loop) {}
  void run(std::unique_ptr<Conversation> conversation, DoneCallback done) override;

 private:
  net::Driver& driver_;
  net::Loop& relay_loop_;
};

/// Logs in on the login loop, hands the connection to the relay loop.
class DriverConnector final : public broker::Connector {
 public:
  DriverConnector(net::Driver& driver, net::EpollLoop& relay_loop)
      : driver_(driver), relay_loop_(relay_loop) {}
  void connect(broker::ConnectRequest request, std::function<void(Result<broker::Connected>)> done) override;
  void resolve(const Endpoint& endpoint, Duration deadline,
               std::function<void(Result<std::vector<net::Address>>)> done) override;
  void cancel(broker::CancelOrder order, std::function<void(broker::CancelOutcome)> done) override;

 private:
  net::Driver& driver_;
  net::EpollLoop& relay_loop_;
};

/// Shakes hands with clients on the login loop, hands the connections back to the relay loop.
class LoginLoopHandshaker final : public broker::Handshaker {
 public:
  LoginLoopHandshaker(net::Handshakes& handshakes, net::EpollLoop& relay_loop)
      : handshakes_(handshakes), relay_loop_(relay_loop) {}
  Id shake_hands(broker::HandshakeRequest request,
                 std::function<void(broker::HandshakeResult)> done) override;
  void cancel(Id id) override { handshakes_.cancel(id); }

 private:
  net::Handshakes& handshakes_;
  net::EpollLoop& relay_loop_;
  Id last_ = 0;
};

/// Of a connection that has just come in.
broker::Origin origin_of(int fd);

/// TCP of `serve`: no more than where it comes from. Who it is, a certificate or a password says.
class TcpPeerProver final : public broker::PeerProver {
 public:
  Result<void> prove(net::Stream& client, broker::ProvenPeer& peer) override;
};

/// Unix sockets of `serve`: who the kernel says it is, and what the route's rules ask of its process.
class UnixPeerProver final : public broker::PeerProver {
 public:
  /// `scout` looks at processes where the sandbox keeps us from it; null: we may ourselves.
  explicit UnixPeerProver(net::WantedFacts wanted = {}, std::shared_ptr<net::Scout> scout = nullptr)
      : wanted_(wanted), scout_(std::move(scout)) {}
  Result<void> prove(net::Stream& client, broker::ProvenPeer& peer) override;

 private:
  Result<void> ask_scout(const net::UnixPeer& seen, broker::ProvenPeer& peer);
  Result<void> add_facts(const net::UnixPeer& seen, net::WantedFacts wanted, broker::ProvenPeer& peer);

  struct OfOurNamespace {};

  net::WantedFacts wanted_;
  net::RecentFacts<OfOurNamespace> at_home_;
  std::shared_ptr<net::Scout> scout_;
};

/// `exec`: only the child and its descendants, on a Unix socket or loopback TCP.
class TreePeerProver final : public broker::PeerProver {
 public:
  /// The tree is known only once the child runs; before that nobody is served.
  void serve(std::shared_ptr<const net::ServedTree> tree) { std::atomic_store(&tree_, std::move(tree)); }
  Result<void> prove(net::Stream& client, broker::ProvenPeer& peer) override;

 private:
  std::shared_ptr<const net::ServedTree> tree_;
};

}  // namespace sallyport::cli
