// Two ends of a connection in memory, as unkind as a network may be: short reads and writes, small buffers,
// latency, bytes behind a close, resets. Events are edge-triggered as net/stream.h says: one is due
// when bytes (or the end) have arrived, and when there is room after a write that could not be finished.
#pragma once

#include "net/stream.h"
#include "test/sim/sim_loop.h"

#include <array>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::sim {

struct LinkSettings {
  std::size_t capacity = 8192;  ///< bytes one way, on the wire and unread
  Duration latency_max{};       ///< zero: bytes are there at once
  bool short_io = true;         ///< reads and writes take less than they could
};

class MemoryStream final : public net::Stream {
 public:
  using Pair = std::pair<std::unique_ptr<MemoryStream>, std::unique_ptr<MemoryStream>>;

  /// `ours` and `theirs`: how each end's peer is called.
  static Pair connect(SimLoop& loop, Dice dice, LinkSettings settings, std::string first_is,
                      std::string second_is) {
    auto link = std::make_shared<Link>(loop, dice, settings);
    Pair pair{std::unique_ptr<MemoryStream>{new MemoryStream{link, 0}},
              std::unique_ptr<MemoryStream>{new MemoryStream{link, 1}}};
    link->names = {std::move(first_is), std::move(second_is)};
    return pair;
  }

  ~MemoryStream() override { close(false); }

  net::IoResult read(MutableBytes into) override {
    auto& pipe = incoming();
    if (pipe.reset) return {net::IoStatus::failed, 0, false};
    if (pipe.unread.empty()) {
      if (pipe.fin) return {net::IoStatus::closed, 0, false};
      return {net::IoStatus::would_block, 0, false};
    }
    auto count = std::min(into.size(), pipe.unread.size());
    if (link_->settings.short_io && count > 1 && link_->dice.chance(40))
      count = link_->dice.between(1, count);
    std::copy_n(pipe.unread.begin(), count, into.begin());
    pipe.unread.erase(pipe.unread.begin(), pipe.unread.begin() + static_cast<std::ptrdiff_t>(count));
    pipe.held -= count;
    if (std::exchange(pipe.writer_blocked, false)) link_->notify(1 - side_, false, true);
    return {net::IoStatus::ok, count, !pipe.unread.empty() || pipe.fin};
  }

  net::IoResult write(Bytes bytes) override {
    auto& pipe = outgoing();
    if (incoming().reset || pipe.ended) return {net::IoStatus::failed, 0, false};
    if (bytes.empty()) return {net::IoStatus::ok, 0, false};
    const auto room = link_->settings.capacity - std::min(link_->settings.capacity, pipe.held);
    if (room == 0) {
      pipe.writer_blocked = true;
      return {net::IoStatus::would_block, 0, false};
    }
    auto count = std::min(room, bytes.size());
    if (link_->settings.short_io && count > 1 && link_->dice.chance(20))
      count = link_->dice.between(1, count);
    pipe.held += count;
    link_->send(1 - side_, {{bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(count)}, Mark::none});
    // A write that could not be finished: an event says when it is worth trying again.
    if (count < bytes.size() && room == count) pipe.writer_blocked = true;
    if (count < bytes.size() && room > count) link_->notify(side_, false, true);
    return {net::IoStatus::ok, count, false};
  }

  void shutdown_write() override {
    if (std::exchange(outgoing().ended, true)) return;
    link_->send(1 - side_, {{}, Mark::fin});
  }

  void set_events(net::StreamEvents* events) override { events_ = events; }
  [[nodiscard]] std::string peer_address() const override { return link_->names[1 - side_]; }
  [[nodiscard]] std::string local_address() const override { return link_->names[side_]; }

  /// Lives as long as this end: for counting ends.
  void keep(std::shared_ptr<void> kept) { kept_ = std::move(kept); }

  /// As a process that dies: what is unread turns the close into a reset. `hard`: a reset in any case.
  void close(bool hard) {
    if (link_ == nullptr) return;
    auto& in = incoming();
    const bool unread = in.held != 0;
    link_->ends[side_] = nullptr;
    if (hard || (unread && link_->dice.chance(50))) {
      outgoing().ended = true;
      link_->send(1 - side_, {{}, Mark::reset});
    } else {
      shutdown_write();
    }
    in.unread.clear();
    in.held = 0;
    if (std::exchange(in.writer_blocked, false)) link_->notify(1 - side_, false, true);
    link_.reset();
  }

 private:
  enum class Mark { none, fin, reset };
  struct Flight {
    std::vector<std::uint8_t> bytes;
    Mark mark = Mark::none;
  };
  struct Pipe {  // towards one end
    std::deque<std::uint8_t> unread;
    std::deque<Flight> flights;
    MonotonicTime last_due{};
    std::size_t held = 0;  // on the wire and unread
    bool writer_blocked = false;
    bool ended = false;  // the writer sends no more
    bool fin = false, reset = false;
  };

  struct Link : std::enable_shared_from_this<Link> {
    Link(SimLoop& its_loop, Dice its_dice, LinkSettings its_settings)
        : loop(its_loop), dice(its_dice), settings(its_settings) {}

    void send(int to, Flight flight) {
      auto& pipe = pipes[to];
      if (settings.latency_max == Duration::zero()) return arrive(to, std::move(flight));
      pipe.flights.push_back(std::move(flight));
      pipe.last_due = std::max(pipe.last_due, loop.now().mono + dice.us(0, settings.latency_max / 1us));
      loop.after(pipe.last_due - loop.now().mono, [self = shared_from_this(), to] {
        auto next = std::move(self->pipes[to].flights.front());
        self->pipes[to].flights.pop_front();
        self->arrive(to, std::move(next));
      });
    }

    void arrive(int to, Flight flight) {
      auto& pipe = pipes[to];
      if (ends[to] == nullptr) {
        pipe.held -= std::min(pipe.held, flight.bytes.size());
        // Nobody is there any more: the sender hears of it.
        if (!flight.bytes.empty() && !pipes[1 - to].reset) arrive(1 - to, {{}, Mark::reset});
        return;
      }
      pipe.unread.insert(pipe.unread.end(), flight.bytes.begin(), flight.bytes.end());
      if (flight.mark == Mark::fin) pipe.fin = true;
      if (flight.mark == Mark::reset) pipe.reset = true;
      notify(to, true, flight.mark == Mark::reset);
    }

    void notify(int to, bool readable, bool writable) {
      if (ends[to] == nullptr) return;
      due_readable[to] = due_readable[to] || readable;
      due_writable[to] = due_writable[to] || writable;
      if (std::exchange(queued[to], true)) return;
      loop.enqueue_event([self = shared_from_this(), to] { self->deliver(to); });
    }

    void deliver(int to) {
      queued[to] = false;
      const bool readable = std::exchange(due_readable[to], false);
      const bool writable = std::exchange(due_writable[to], false);
      if (writable && ends[to] != nullptr && ends[to]->events_ != nullptr) ends[to]->events_->on_writable();
      if (readable && ends[to] != nullptr && ends[to]->events_ != nullptr) ends[to]->events_->on_readable();
    }

    SimLoop& loop;
    Dice dice;
    LinkSettings settings;
    std::array<Pipe, 2> pipes;
    std::array<MemoryStream*, 2> ends{};
    std::array<std::string, 2> names;
    std::array<bool, 2> queued{}, due_readable{}, due_writable{};
  };

  MemoryStream(std::shared_ptr<Link> link, int side) : link_(std::move(link)), side_(side) {
    link_->ends[side_] = this;
  }
  Pipe& incoming() { return link_->pipes[side_]; }
  Pipe& outgoing() { return link_->pipes[1 - side_]; }

  std::shared_ptr<Link> link_;
  int side_;
  net::StreamEvents* events_ = nullptr;
  std::shared_ptr<void> kept_;
};

}  // namespace sallyport::sim
