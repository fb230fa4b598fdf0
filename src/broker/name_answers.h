// Where the names of a target's hosts led when they were looked up last. A failover by DNS (a name that is pointed to
// another server, as managed databases do it) would otherwise be noticed by new connections alone: old ones live on,
// on a server that may be a standby by now or be given to somebody else.
//
// Names are looked up at every login, and again on a timer. Only an answer that has nothing in common with the one before
// counts: names with many addresses are answered with some of them.
#pragma once

#include "broker/lifeline.h"
#include "broker/ports.h"
#include "net/loop.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sallyport::broker {

class NameAnswers {
 public:
  static constexpr auto look_every = std::chrono::seconds{30};
  static constexpr auto look_deadline = std::chrono::seconds{5};
  static constexpr std::size_t names_max = 64;

  /// `left`: connections that exist to this address are of no more use. The references outlive it.
  using LeftCallback =
      std::function<void(const Endpoint&, const net::Address& left, const net::Address& now)>;
  NameAnswers(Connector& connector, net::Loop& loop, LeftCallback left)
      : connector_(connector), loop_(loop), left_(std::move(left)) {}
  ~NameAnswers() { loop_.cancel(timer_); }
  NameAnswers(const NameAnswers&) = delete;
  NameAnswers& operator=(const NameAnswers&) = delete;

  /// A name has been looked up; `addresses` is not empty.
  void note(const Endpoint& endpoint, const std::vector<net::Address>& addresses);

 private:
  struct Answer {
    Endpoint endpoint;
    std::vector<net::Address> addresses;
  };
  void look();

  Connector& connector_;
  net::Loop& loop_;
  LeftCallback left_;
  std::map<std::string, Answer> answers_;
  net::TimerId timer_;
  Lifeline alive_;
};

}  // namespace sallyport::broker
