// What predecessor and successor of a binary upgrade still say to one another while the old one's sessions live: cancels,
// which come where clients connect, and that the configuration has changed. On the relay loop, without waiting.
#pragma once

#include "broker/broker.h"
#include "cli/handover_messages.h"
#include "net/epoll_loop.h"
#include "net/packet_channel.h"

#include <functional>
#include <memory>
#include <unordered_map>

namespace sallyport::cli {

/// One end on the relay loop.
class HandoverLink : private net::FdHandler {
 public:
  HandoverLink(net::PacketChannel channel, net::EpollLoop& loop);
  virtual ~HandoverLink();
  HandoverLink(const HandoverLink&) = delete;
  HandoverLink& operator=(const HandoverLink&) = delete;

 protected:
  /// Reads what has come already; called once, by whoever made this.
  void start() { on_ready(0); }
  bool say(const handover::Message& message);
  [[nodiscard]] bool is_open() const { return open_; }
  [[nodiscard]] net::EpollLoop& loop() { return loop_; }

  virtual void on_message(handover::Message message) = 0;
  /// The other end is gone, or speaks nonsense.
  virtual void on_gone() = 0;

 private:
  void on_ready(std::uint32_t events) override;

  net::PacketChannel channel_;
  net::EpollLoop& loop_;
  net::Watch watch_;
  bool open_ = true;
};

/// In the new one: asks the old one about sessions that are not here.
class PredecessorLink final : public HandoverLink, public broker::CancelElsewhere {
 public:
  /// Cancels that may be under way there; one more is not asked.
  static constexpr std::size_t cancels_max = 256;
  /// Longer than its client waits: one that is not answered gives its place to others.
  static constexpr auto answer_max = std::chrono::seconds{40};

  /// `gone`: it has ended, which it does when its last session has. Both on the relay loop.
  PredecessorLink(net::PacketChannel channel, net::EpollLoop& loop, std::function<void()> gone,
                  Duration answer_within = answer_max);
  ~PredecessorLink() override;
  PredecessorLink(const PredecessorLink&) = delete;
  PredecessorLink& operator=(const PredecessorLink&) = delete;

  bool ask(const broker::CancelClaim& claim, std::function<void(bool found)> done) override;
  /// The configuration file has changed.
  void tell_reloaded() { say(handover::Reloaded{}); }

 private:
  void on_message(handover::Message message) override;
  void on_gone() override;

  struct Asked {
    std::function<void(bool)> done;
    net::TimerId timer;
  };
  void answer(std::uint64_t number, bool found);

  std::function<void()> gone_;
  Duration answer_within_;
  std::uint64_t last_ = 0;
  std::unordered_map<std::uint64_t, Asked> asked_;
};

/// In the old one.
class SuccessorLink final : public HandoverLink {
 public:
  SuccessorLink(net::PacketChannel channel, net::EpollLoop& loop, broker::Broker& broker,
                std::function<void()> reloaded);
  ~SuccessorLink() override { *alive_ = false; }

 private:
  void on_message(handover::Message message) override;
  void on_gone() override {}  // it has ended, or crashed: sessions here go on as they would

  broker::Broker& broker_;
  std::function<void()> reloaded_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::cli
