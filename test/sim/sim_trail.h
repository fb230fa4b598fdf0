// The trail in memory, the logger, and who the simulated clients are.
#pragma once

#include "base/log.h"
#include "broker/ports.h"
#include "net/loop.h"
#include "test/sim/dice.h"
#include "trail/trail.h"

#include <cstdlib>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace sallyport::sim {

class SimTrail final : public trail::Sink {
 public:
  struct Record {
    unsigned starts = 0, ends = 0;
    std::string client, identity, reason;  ///< what the client called itself; why it ended
    std::int64_t first_pid = 0, last_pid = 0;
  };

  explicit SimTrail(Dice dice) : dice_(dice) {}

  void add(const trail::Event& event) override { added_.push_back(event); }

  Result<void> commit() override {
    auto added = std::exchange(added_, {});
    if (failing || dice_.permille(failures_permille)) {
      ++failed_commits;
      return Error{ErrorCode::retry_later, Hop::trail, "trail", "no space left", "Make room", {}};
    }
    for (const auto& event : added) accept(event);
    return {};
  }

  [[nodiscard]] bool has_started(const std::string& client) const { return started_.contains(client); }
  [[nodiscard]] const std::map<std::string, Record>& sessions() const { return sessions_; }
  [[nodiscard]] const Record* of_client(const std::string& client) const {
    const auto found = started_.find(client);
    return found == started_.end() ? nullptr : &sessions_.at(found->second);
  }

  bool failing = false;
  unsigned failures_permille = 0;
  std::uint64_t failed_commits = 0, denied = 0;

 private:
  void accept(const trail::Event& event) {
    if (event.kind == trail::EventKind::session_denied) ++denied;
    if (event.kind == trail::EventKind::session_start) {
      auto& record = sessions_[event.session];
      ++record.starts;
      record.client = event.claimed.at("user");
      record.identity = event.verified.at("identity");
      record.first_pid = event.upstream_pid.value_or(0);
      started_[record.client] = event.session;
    }
    if (event.kind == trail::EventKind::session_end) {
      auto& record = sessions_[event.session];
      ++record.ends;
      record.reason = event.reason;
      record.last_pid = event.upstream_pid.value_or(0);
    }
  }

  Dice dice_;
  std::vector<trail::Event> added_;
  std::map<std::string, Record> sessions_;
  std::map<std::string, std::string> started_;  // client → session
};

/// Silent, unless SALLYPORT_SIM_VERBOSE is set.
class SimLogger final : public Logger {
 public:
  explicit SimLogger(net::Loop& loop) : loop_(loop) {}
  void write(LogLevel, std::string_view message, std::initializer_list<LogField> fields) override {
    if (message.starts_with("a credential ends")) ending_seen_ = true;
    if (!verbose_) return;
    std::cerr << "  " << loop_.now().mono.time_since_epoch() / 1ms << " ms: " << message;
    for (const auto& field : fields) {
      std::cerr << ' ' << field.name << '=';
      std::visit([](const auto& value) { std::cerr << value; }, field.value);
    }
    std::cerr << '\n';
  }
  /// Sessions have been told that a credential ends.
  [[nodiscard]] bool ending_seen() const { return ending_seen_; }

 private:
  net::Loop& loop_;
  bool ending_seen_ = false;
  bool verbose_ = std::getenv("SALLYPORT_SIM_VERBOSE") != nullptr;
};

/// The client's stream is called "uid:1000 pid:17"; a stranger's process is refused by the prover itself.
class SimProver final : public broker::PeerProver {
 public:
  Result<void> prove(net::Stream& client, broker::ProvenPeer& peer) override {
    const auto name = client.peer_address();
    peer.uid = static_cast<std::uint32_t>(std::stoul(name.substr(4)));
    peer.pid = std::stol(name.substr(name.find("pid:") + 4));
    peer.gid = peer.uid;
    if (peer.uid == stranger) {
      return Error{ErrorCode::denied, Hop::identity, {}, "a process outside the tree", {}, {}};
    }
    return {};
  }
  static constexpr std::uint32_t stranger = 6666;
};

}  // namespace sallyport::sim
