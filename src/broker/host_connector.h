// One login to a target that has several servers: which of them are tried, in which order, and when to stop.
//
// policy/host_chooser.h keeps the order; each host's name is looked up anew, each of its addresses is tried, and
// each try has a deadline of its own within the login's whole one. A login that reaches a server of the wrong kind is
// closed politely and goes on. What concerns the request rather than the host (no such database, a setting that the
// server does not know) ends the login at once; a refused credential does not: a standby may lag behind the server on
// which a dynamic user has just been made, and a credential is only refused when no host takes it.
//
// What is learnt on the way is told to the pools: connections to a server that is no primary any more are of no use.
// One of these serves all roles of a target.
#pragma once

#include "base/log.h"
#include "broker/host_status.h"
#include "broker/name_answers.h"
#include "broker/ports.h"
#include "net/loop.h"
#include "policy/host_chooser.h"

#include <functional>
#include <memory>
#include <string>
#include <vector>

namespace sallyport::broker {

class HostConnector final : public Connector, public std::enable_shared_from_this<HostConnector> {
 public:
  /// One try, where others are left; a single host has the whole login's time.
  static constexpr auto attempt_longest = std::chrono::seconds{5};
  static constexpr auto attempt_shortest = std::chrono::seconds{1};

  /// The references outlive it.
  HostConnector(std::string target, Connector& inner, net::Loop& loop, Logger& logger, Randomness& randomness)
      : target_(std::move(target)),
        inner_(inner),
        loop_(loop),
        logger_(logger),
        randomness_(randomness),
        answers_(inner, loop, [this](const auto& endpoint, const auto& left, const auto& now) {
          note_moved(endpoint, left, now);
        }) {}

  /// request.endpoint and request.address are chosen here.
  ///
  /// Errors  of the only host that was tried, as it is; else `what` names every host and why it would not do,
  ///         and the rest is that of the worst: a refused credential, a full server, no host of the kind wanted.
  void connect(ConnectRequest request, std::function<void(Result<Connected>)> done) override;
  void resolve(const Endpoint& endpoint, Duration deadline,
               std::function<void(Result<std::vector<net::Address>>)> done) override {
    inner_.resolve(endpoint, deadline, std::move(done));
  }
  void cancel(CancelOrder order, std::function<void(CancelOutcome)> done) override {
    inner_.cancel(std::move(order), std::move(done));
  }

  /// How these hosts stand, for an operator.
  [[nodiscard]] std::vector<HostStatus> status_of(const std::vector<Endpoint>& endpoints) const;

  /// Called when connections that exist to this address are of no more use. Not from within connect().
  using LeftCallback = std::function<void(const net::Address&)>;
  void on_left(LeftCallback listener) { listeners_.push_back(std::move(listener)); }

 private:
  class Search;

  std::uint64_t random();
  void leave(const net::Address& address);
  void note_moved(const Endpoint& endpoint, const net::Address& left, const net::Address& now);
  void note_served(const ConnectRequest& request, const Connected& connected, const std::string& why);

  std::string target_;
  Connector& inner_;
  net::Loop& loop_;
  Logger& logger_;
  Randomness& randomness_;
  policy::HostChooser hosts_, addresses_;
  NameAnswers answers_;
  std::vector<LeftCallback> listeners_;
  std::string serves_;  // where the latest login ended, for the log
  std::string latest_;  // and which host that was
};

}  // namespace sallyport::broker
