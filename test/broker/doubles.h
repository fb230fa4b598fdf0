// The world around the broker, in memory: a loop with a virtual clock, byte streams whose other end the test
// holds, and events that come as epoll would give them (edge-triggered, in a later turn).
//
// Without GoogleTest, so that fuzz/session_fuzz.cpp uses the same.
#pragma once

#include "base/log.h"
#include "net/loop.h"
#include "net/stream.h"

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::test {

/// Turns are run by hand; time passes only in advance().
class VirtualLoop final : public net::Loop {
 public:
  [[nodiscard]] Moment now() const override { return now_; }
  net::TimerId after(Duration delay, std::function<void()> action) override {
    const net::TimerId timer{now_.mono + std::max(delay, Duration::zero()), ++last_};
    timers_.emplace(timer, std::move(action));
    return timer;
  }
  void cancel(net::TimerId timer) override { timers_.erase(timer); }
  void post(std::function<void()> action) override { posted_.push_back(std::move(action)); }
  void at_turn_end(std::function<void()> action) override { turn_end_.push_back(std::move(action)); }

  /// True: something was run.
  bool run_turn() {
    bool busy = !posted_.empty() || !turn_end_.empty();
    while (!timers_.empty() && timers_.begin()->first.due <= now_.mono) {
      auto timer = timers_.extract(timers_.begin());
      timer.mapped()();
      busy = true;
    }
    for (auto& action : std::exchange(posted_, {})) action();
    for (std::size_t i = 0; i < turn_end_.size(); ++i) {
      auto action = std::move(turn_end_[i]);
      action();
    }
    turn_end_.clear();
    return busy;
  }

  /// Runs turns until nothing is left to do now. False: it never came to rest.
  bool settle(int turns_max = 20'000) {
    while (run_turn()) {
      if (--turns_max == 0) return false;
    }
    return true;
  }

  /// Lets time pass, turn by turn at each timer.
  bool advance(Duration duration) {
    const auto end = now_.mono + duration;
    if (!settle()) return false;
    while (!timers_.empty() && timers_.begin()->first.due <= end) {
      set(std::max(now_.mono, timers_.begin()->first.due));
      if (!settle()) return false;
    }
    set(end);
    return settle();
  }
  [[nodiscard]] std::size_t timers() const { return timers_.size(); }

 private:
  void set(MonotonicTime mono) {
    now_.wall += mono - now_.mono;
    now_.mono = mono;
  }

  Moment now_{WallTime{} + std::chrono::seconds{1'700'000'000}, MonotonicTime{} + std::chrono::seconds{1000}};
  std::map<net::TimerId, std::function<void()>> timers_;
  std::uint64_t last_ = 0;
  std::vector<std::function<void()>> posted_, turn_end_;
};

/// Sees where the broker reads to: a fuzzer makes what lies behind what was read unreadable.
class ReadGuard {
 public:
  virtual void before_read(MutableBytes into) = 0;
  virtual void after_read(MutableBytes into, std::size_t count) = 0;
  virtual void before_write(Bytes bytes) = 0;

 protected:
  ~ReadGuard() = default;
};

/// Both directions of one connection; the broker's end is a MemoryStream, the test holds this.
class Wire : public std::enable_shared_from_this<Wire> {
 public:
  explicit Wire(net::Loop& loop) : loop_(loop) {}

  // ---- the test's end ----
  void push(std::string_view bytes) {
    to_broker_ += bytes;
    wake_reader();
  }
  void close_write() {
    peer_closed_ = true;
    wake_reader();
  }
  /// As a reset: both directions fail.
  void break_off() {
    broken_ = true;
    wake_reader();
    wake_writer();
  }
  /// What the broker sent since the last call; makes room again.
  std::string take() {
    auto bytes = std::exchange(from_broker_, {});
    if (write_blocked_ && !bytes.empty()) wake_writer();
    return bytes;
  }
  [[nodiscard]] const std::string& seen() const { return from_broker_; }
  void set_room(std::size_t bytes) {
    room_ = bytes;
    if (write_blocked_) wake_writer();
  }
  void set_read_max(std::size_t bytes) { read_max_ = bytes; }
  [[nodiscard]] std::size_t unread() const { return to_broker_.size(); }
  [[nodiscard]] bool broker_shut() const { return shut_; }  ///< the broker sends no more
  [[nodiscard]] bool broker_gone() const { return gone_; }  ///< the broker closed its end

  std::string peer_name = "unix:", local_name = "unix:";
  bool lies_unread = false;  ///< what the broker wrote last lies unread at the peer's end
  ReadGuard* guard = nullptr;
  std::function<void()> on_sent;  ///< called in a later turn after the broker has written or closed

 private:
  friend class MemoryStream;
  void wake_reader() {
    loop_.post([self = shared_from_this()] {
      if (self->events_ != nullptr) self->events_->on_readable();
    });
  }
  void wake_writer() {
    write_blocked_ = false;
    loop_.post([self = shared_from_this()] {
      if (self->events_ != nullptr) self->events_->on_writable();
    });
  }
  void tell_sent() {
    if (on_sent && !std::exchange(telling_, true)) {
      loop_.post([self = shared_from_this()] {
        self->telling_ = false;
        if (self->on_sent) self->on_sent();
      });
    }
  }

  net::Loop& loop_;
  std::string to_broker_, from_broker_;
  std::size_t room_ = std::size_t{1} << 40, read_max_ = std::size_t{1} << 40;
  bool peer_closed_ = false, broken_ = false, shut_ = false, gone_ = false, write_blocked_ = false;
  bool telling_ = false;
  net::StreamEvents* events_ = nullptr;
};

class MemoryStream final : public net::Stream {
 public:
  explicit MemoryStream(std::shared_ptr<Wire> wire) : wire_(std::move(wire)) {}
  ~MemoryStream() override {
    wire_->gone_ = true;
    wire_->events_ = nullptr;
    wire_->tell_sent();
  }
  net::IoResult read(MutableBytes into) override {
    if (wire_->broken_) return {net::IoStatus::failed, 0, false};
    auto& bytes = wire_->to_broker_;
    const auto count = std::min({into.size(), bytes.size(), wire_->read_max_});
    if (wire_->guard != nullptr) wire_->guard->before_read(into);
    if (count == 0)
      return {wire_->peer_closed_ ? net::IoStatus::closed : net::IoStatus::would_block, 0, false};
    std::copy_n(bytes.begin(), count, into.begin());
    bytes.erase(0, count);
    if (wire_->guard != nullptr) wire_->guard->after_read(into, count);
    return {net::IoStatus::ok, count, !bytes.empty() || wire_->peer_closed_};
  }
  net::IoResult write(Bytes bytes) override {
    if (wire_->guard != nullptr) wire_->guard->before_write(bytes);
    if (wire_->broken_ || wire_->shut_) return {net::IoStatus::failed, 0, false};
    const auto used = wire_->from_broker_.size();
    const auto count = std::min(bytes.size(), wire_->room_ > used ? wire_->room_ - used : 0);
    if (count < bytes.size()) wire_->write_blocked_ = true;
    if (count == 0 && !bytes.empty()) return {net::IoStatus::would_block, 0, false};
    wire_->from_broker_ += as_text(bytes.first(count));
    wire_->tell_sent();
    return {net::IoStatus::ok, count, false};
  }
  void shutdown_write() override {
    wire_->shut_ = true;
    wire_->tell_sent();
  }
  [[nodiscard]] bool has_been_read() const override { return !wire_->lies_unread; }
  void set_events(net::StreamEvents* events) override { wire_->events_ = events; }
  [[nodiscard]] std::string peer_address() const override { return wire_->peer_name; }
  [[nodiscard]] std::string local_address() const override { return wire_->local_name; }

 private:
  std::shared_ptr<Wire> wire_;
};

class CountingRandomness final : public Randomness {
 public:
  explicit CountingRandomness(std::uint64_t seed = 1) : state_(seed) {}
  void fill(MutableBytes out) override {
    for (auto& byte : out) byte = static_cast<std::uint8_t>(next() >> 32);
  }
  std::uint64_t next() {  // splitmix64
    std::uint64_t z = (state_ += 0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
    z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
    return z ^ (z >> 31);
  }
  std::uint64_t below(std::uint64_t limit) { return next() % limit; }

 private:
  std::uint64_t state_;
};

class RememberingLogger final : public Logger {
 public:
  void write(LogLevel, std::string_view message, std::initializer_list<LogField>) override {
    lines.emplace_back(message);
  }
  std::vector<std::string> lines;
};

// ---- PostgreSQL messages, as short as tests like them ------------------------------------------

inline std::string big_endian(std::uint32_t number) {
  return {static_cast<char>(number >> 24), static_cast<char>(number >> 16), static_cast<char>(number >> 8),
          static_cast<char>(number)};
}
inline std::string frame(char type, std::string_view body = {}) {
  return type + big_endian(static_cast<std::uint32_t>(body.size() + 4)) + std::string{body};
}
inline std::string zero(std::string_view text) { return std::string{text} + '\0'; }
inline std::string query(std::string_view sql) { return frame('Q', zero(sql)); }
inline std::string parse(std::string_view name, std::string_view sql) {
  return frame('P', zero(name) + zero(sql) + std::string(2, '\0'));
}
inline std::string bind(std::string_view name = {}) {
  return frame('B', '\0' + zero(name) + std::string(6, '\0'));
}
inline std::string execute() { return frame('E', std::string(5, '\0')); }
inline std::string sync() { return frame('S'); }
inline std::string ready(char status = 'I') { return frame('Z', std::string(1, status)); }
inline std::string complete(std::string_view tag) { return frame('C', zero(tag)); }
inline std::string parameter(std::string_view name, std::string_view value) {
  return frame('S', zero(name) + zero(value));
}
inline std::string error(std::string_view sqlstate, std::string_view text = "no") {
  return frame('E', zero("SERROR") + zero("VERROR") + zero("C" + std::string{sqlstate}) +
                        zero("M" + std::string{text}) + '\0');
}
inline std::string row(const std::vector<std::string>& columns) {
  std::string body{static_cast<char>(columns.size() >> 8), static_cast<char>(columns.size())};
  for (const auto& column : columns) body += big_endian(static_cast<std::uint32_t>(column.size())) + column;
  return frame('D', body);
}
inline std::string startup(const std::vector<std::pair<std::string, std::string>>& parameters,
                           std::uint32_t version = 196608) {
  std::string body = big_endian(version);
  for (const auto& [name, value] : parameters) body += zero(name) + zero(value);
  body += '\0';
  return big_endian(static_cast<std::uint32_t>(body.size() + 4)) + body;
}

struct Message {
  char type = 0;
  std::string body;
  bool operator==(const Message&) const = default;
};
/// Takes whole frames from the front of `bytes`.
inline std::vector<Message> take_frames(std::string& bytes) {
  std::vector<Message> all;
  std::size_t at = 0;
  while (bytes.size() - at >= 5) {
    std::size_t length = 0;
    for (int i = 1; i < 5; ++i) length = length << 8 | static_cast<std::uint8_t>(bytes[at + i]);
    if (length < 4 || bytes.size() - at < length + 1) break;
    all.push_back({bytes[at], bytes.substr(at + 5, length - 4)});
    at += length + 1;
  }
  bytes.erase(0, at);
  return all;
}
inline std::string types_of(std::string bytes) {
  std::string types;
  for (const auto& message : take_frames(bytes)) types += message.type;
  if (!bytes.empty()) types += '~';  // a piece of a frame
  return types;
}

}  // namespace sallyport::test
