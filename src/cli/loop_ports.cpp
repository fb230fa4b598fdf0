#include "cli/loop_ports.h"

#include "base/limits.h"
#include "net/dns.h"
#include "net/peer.h"
#include "net/socket_stream.h"
#include "wire/postgres/cancel.h"
#include "wire/postgres/client_login.h"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>

namespace sallyport::cli {

namespace {

/// All of one fetch, renewal or revocation, its own retries included.
constexpr auto source_deadline = std::chrono::seconds{60};

/// Null for a Unix socket too.
std::shared_ptr<const net::TlsContext> tls_of(const broker::Reach& reach, const Endpoint& endpoint) {
  return endpoint.host.starts_with('/') ? nullptr : reach.tls;
}

postgres::LoginTls login_tls(const broker::Reach& reach, const std::shared_ptr<const net::TlsContext>& tls) {
  if (reach.access != nullptr) return postgres::LoginTls::first;
  return tls == nullptr ? postgres::LoginTls::disable : postgres::LoginTls::require;
}

postgres::Preamble preamble_of(const broker::Reach& reach) {
  const auto& access = reach.access;
  if (access == nullptr || access->preamble.empty()) return {};
  using Answer = secrets::Access::Answer;
  const auto answer = access->answer == Answer::cloud_sql ? postgres::PreambleAnswer::cloud_sql
                      : access->answer == Answer::alloydb ? postgres::PreambleAnswer::alloydb
                                                          : postgres::PreambleAnswer::none;
  return {std::shared_ptr<const Secret>{access, &access->preamble}, answer};
}

/// What the server does slowly once it has let us in may be the client's doing (post_auth_delay).
Error error_of_login(const net::RunResult& result) {
  auto error = result.outcome.error();
  if (error.code == ErrorCode::timed_out &&
      static_cast<const postgres::ClientLogin&>(*result.conversation).is_let_in()) {
    error.hop = Hop::session;
  }
  return error;
}

/// A token that is signed for one server is of no use to another.
std::shared_ptr<const Credential> credential_for(const broker::ConnectRequest& request) {
  const auto& all = request.generation->credential;
  if (all->per_host.empty()) return all;
  auto one = std::make_shared<Credential>(all->clone());
  one->secret = one->secret_for(request.endpoint.host, request.endpoint.port).clone();
  one->per_host.clear();
  return one;
}

broker::ProvenPeer proven(const net::UnixPeer& peer, std::string executable) {
  return {peer.pid, peer.uid, peer.gid, std::move(executable), peer.groups};
}

}  // namespace

credentials::TimerId LoopTimers::after(Duration delay, std::function<void()> task) {
  const auto id = next_++;
  pending_[id] = loop_.after(delay, [this, id, task = std::move(task)] {
    pending_.erase(id);
    task();
  });
  return id;
}

void LoopTimers::cancel(credentials::TimerId timer) {
  const auto found = pending_.find(timer);
  if (found == pending_.end()) return;
  loop_.cancel(found->second);
  pending_.erase(found);
}

void DriverRunner::run(std::unique_ptr<Conversation> conversation, DoneCallback done) {
  driver_.run(std::move(conversation), source_deadline, [this, done](net::RunResult result) {
    auto kept = std::make_shared<net::RunResult>(std::move(result));
    relay_loop_.post([kept, done] { done(std::move(kept->outcome), std::move(kept->conversation)); });
  });
}

void DriverConnector::connect(broker::ConnectRequest request,
                              std::function<void(Result<broker::Connected>)> done) {
  postgres::ClientLoginRequest login;
  login.user = request.user;
  login.database = request.database;
  login.parameters = std::move(request.parameters);
  login.credential = credential_for(request);
  const auto tls = tls_of(*request.reach, request.endpoint);
  login.tls = login_tls(*request.reach, tls);
  login.preamble = preamble_of(*request.reach);
  login.methods = request.methods;
  login.certificate_presented = tls != nullptr && !tls->policy().client_certificate_file.empty();
  login.ask_kind = request.reach->wanted != SessionAttributes::any;
  net::Dial dial{request.endpoint.host, request.endpoint.port, request.address, tls,
                 request.generation->credential};
  driver_.run_connected(std::move(dial), std::make_unique<postgres::ClientLogin>(std::move(login)),
                        request.deadline, [this, done](net::RunResult result) {
                          auto kept = std::make_shared<net::RunResult>(std::move(result));
                          relay_loop_.post([this, kept, done] {
                            if (!kept->outcome) return done(error_of_login(*kept));
                            broker::Connected connected;
                            connected.greeting =
                                static_cast<postgres::ClientLogin&>(*kept->conversation).take_greeting();
                            connected.address = net::peer_address(kept->stream->fd());
                            if (!kept->stream->attach(relay_loop_)) {
                              return done(Error{ErrorCode::retry_later,
                                                Hop::tcp,
                                                "epoll",
                                                std::strerror(errno),
                                                "Raise fs.epoll.max_user_watches",
                                                {}});
                            }
                            connected.stream = std::move(kept->stream);
                            done(std::move(connected));
                          });
                        });
}

void DriverConnector::resolve(const Endpoint& endpoint, Duration deadline,
                              std::function<void(Result<std::vector<net::Address>>)> done) {
  driver_.resolve(endpoint.host, endpoint.port, deadline,
                  [this, done = std::move(done)](Result<std::vector<net::Address>> found) {
                    relay_loop_.post([found = std::move(found), done] { done(found); });
                  });
}

void DriverConnector::cancel(broker::CancelOrder order, std::function<void(broker::CancelOutcome)> done) {
  const auto tls = tls_of(*order.reach, order.endpoint);
  net::Dial dial{order.endpoint.host, order.endpoint.port, order.address, tls, order.reach->certificate};
  auto conversation =
      std::make_unique<postgres::CancelConversation>(postgres::CancelRequest{order.pid, std::move(order.key)},
                                                     login_tls(*order.reach, tls), preamble_of(*order.reach));
  driver_.run_connected(
      std::move(dial), std::move(conversation), limits::upstream_cancel_deadline,
      [this, done](net::RunResult result) {
        const auto& ran = static_cast<postgres::CancelConversation&>(*result.conversation);
        const bool at_large = !result.outcome && ran.has_asked();
        relay_loop_.post(
            [outcome = broker::CancelOutcome{std::move(result.outcome), at_large}, done] { done(outcome); });
      });
}

broker::Handshaker::Id LoginLoopHandshaker::shake_hands(broker::HandshakeRequest request,
                                                        std::function<void(broker::HandshakeResult)> done) {
  const auto id = ++last_;
  std::unique_ptr<net::SocketStream> stream{static_cast<net::SocketStream*>(request.client.release())};
  stream->detach();
  net::HandshakeOrder order{std::move(stream), std::move(request.tls), std::move(request.first_bytes),
                            request.direct, request.deadline};
  handshakes_.start(id, std::move(order), [this, done = std::move(done)](net::HandshakeOutcome outcome) {
    auto kept = std::make_shared<net::HandshakeOutcome>(std::move(outcome));
    relay_loop_.post([this, kept, done] {
      if (!kept->stream->attach(relay_loop_)) {
        return done({nullptr, Error{ErrorCode::retry_later,
                                    Hop::tcp,
                                    "epoll",
                                    std::strerror(errno),
                                    "Raise fs.epoll.max_user_watches",
                                    {}}});
      }
      done({std::move(kept->stream), std::move(kept->facts)});
    });
  });
  return id;
}

broker::Origin origin_of(int fd) {
  if (const auto uid = net::uid_of_local_peer(fd)) return *uid;
  const auto address = net::peer_address(fd);
  return address ? broker::Origin::of_address(*address) : broker::Origin{};
}

Result<void> TcpPeerProver::prove(net::Stream& client, broker::ProvenPeer& peer) {
  const auto address = net::peer_address(static_cast<net::SocketStream&>(client).fd());
  if (!address) {
    return Error{ErrorCode::denied, Hop::identity, {}, "the connection has been closed", {}, {}};
  }
  peer = {};
  peer.address = address->host();
  return {};
}

Result<void> UnixPeerProver::prove(net::Stream& client, broker::ProvenPeer& peer) {
  const auto seen = net::peer_of_unix(static_cast<net::SocketStream&>(client).fd());
  if (!seen) return seen.error();
  if (scout_) return ask_scout(*seen, peer);
  peer = proven(*seen, net::executable_of(seen->pid));
  return add_facts(*seen, wanted_, peer);
}

// A process that was of our user namespace a moment ago could have connected then: that it entered another one since
// gives it nothing.
Result<void> UnixPeerProver::add_facts(const net::UnixPeer& seen, net::WantedFacts wanted,
                                       broker::ProvenPeer& peer) {
  const auto now = std::chrono::steady_clock::now();
  wanted.user_namespace = !seen.number || at_home_.find(*seen.number, now) == nullptr;
  peer.namespaced = false;
  if (!wanted.any()) return {};
  auto facts = net::facts_of(seen.pid, seen.pidfd, wanted);
  if (!facts) return facts.error();
  if (wanted.user_namespace) {
    peer.namespaced = facts->namespaced;
    if (!facts->namespaced && seen.number) at_home_.remember(*seen.number, {}, now);
  }
  peer.cgroup = std::move(facts->cgroup);
  if (wanted.executable) peer.program = facts->executable;
  return {};
}

// What needs no right to trace is read here; a rule about an executable never takes an older answer.
Result<void> UnixPeerProver::ask_scout(const net::UnixPeer& seen, broker::ProvenPeer& peer) {
  net::Executable executable;
  if (wanted_.executable) {
    executable = scout_->executable_of(seen.pid, seen.pidfd, seen.uid);
  } else {
    executable.path = scout_->path_of(seen.pid, seen.pidfd, seen.uid, seen.number);
  }
  peer = proven(seen, std::move(executable.path));
  peer.program = executable.id;
  return add_facts(seen, {.cgroup = wanted_.cgroup, .executable = false}, peer);
}

Result<void> TreePeerProver::prove(net::Stream& client, broker::ProvenPeer& peer) {
  const auto tree = std::atomic_load(&tree_);
  if (tree == nullptr) {
    return Error{ErrorCode::denied, Hop::identity, {}, "the child is not running yet", {}, {}};
  }
  auto& socket = static_cast<net::SocketStream&>(client);
  if (client.local_address().starts_with("unix:")) {
    const auto seen = net::peer_of_unix(socket.fd());
    if (!seen) return seen.error();
    peer = proven(*seen, net::executable_of(seen->pid));
    return tree->contains(seen->pid, seen->pidfd);
  }
  // exec's rules allow no other uid.
  const auto seen = net::peer_of_tcp(socket.fd(), *tree, getuid());
  if (!seen) return seen.error();
  // Of a socket's owner /proc knows the uid only.
  peer = {seen->pid, seen->uid, std::nullopt, net::executable_of(seen->pid)};
  return {};
}

}  // namespace sallyport::cli
