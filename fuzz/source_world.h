// What surrounds a source in its fuzzer: answers taken out of the input, the run of one conversation, and what no text may
// hold. Which answers there are, and where a request may go, is each fuzzer's own.
#pragma once

#include "base/conversation.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::fuzz {

/// In whatever is secret in these worlds.
inline constexpr std::string_view canary = "canary-k7Qz2pXv";

/// One byte says what happens; two bytes a length, then that many bytes of text.
class Answers {
 public:
  explicit Answers(Bytes input) : rest_(input) {}

  [[nodiscard]] bool over() const { return rest_.empty(); }

  /// 0xFF when it is over: a failure.
  std::uint8_t byte() {
    if (rest_.empty()) return 0xFF;
    const auto out = rest_.front();
    rest_ = rest_.subspan(1);
    return out;
  }

  std::string_view text() {
    const std::size_t high = byte();
    const auto taken = rest_.first(std::min(high * 256 + byte(), rest_.size()));
    rest_ = rest_.subspan(taken.size());
    return as_text(taken);
  }

 private:
  Bytes rest_;
};

inline void check_text(std::string_view text, std::size_t bytes_max = 8'000) {
  if (text.find(canary) != std::string_view::npos || text.size() > bytes_max) std::abort();
}

/// A body whose first line, behind an `@`, is the value of these headers.
inline std::string_view take_headers(HttpReply& reply, std::string_view text,
                                     std::initializer_list<std::string_view> names) {
  if (!text.starts_with('@')) return text;
  const auto line = text.substr(1, text.find('\n') - 1);
  for (const auto name : names) reply.headers.emplace_back(name, line);
  text.remove_prefix(std::min(line.size() + 2, text.size()));
  return text;
}

class SourceWorld {
 public:
  struct Limits {
    int steps_max = 400;
    Duration pause_max = std::chrono::minutes{1};
    std::size_t text_bytes_max = 8'000;  ///< of an error
  };

  explicit SourceWorld(Answers& answers) : SourceWorld(answers, Limits{}) {}
  SourceWorld(Answers& answers, const Limits& limits) : answers_(answers), limits_(limits) {}
  virtual ~SourceWorld() = default;
  SourceWorld(const SourceWorld&) = delete;
  SourceWorld& operator=(const SourceWorld&) = delete;

  /// False: it ended with an error, which holds no secret and says what to do.
  bool run(Conversation& conversation) {
    Started started;
    started.random.fill(7);
    std::optional<Event> event{started};
    for (int step = 0; step < limits_.steps_max; ++step) {
      auto action = conversation.resume({now_, std::move(*event)});
      if (!action) {
        check_text(describe(action.error()), limits_.text_bytes_max);
        if (action.error().hint.empty()) std::abort();
        return false;
      }
      if (std::holds_alternative<Done>(*action)) return true;
      const auto* wait = std::get_if<WaitUntil>(&*action);
      event.emplace(wait != nullptr ? pass(*wait) : answer(*action));
    }
    std::abort();
  }

 protected:
  virtual Event answer(Action& action) = 0;

  static Event failure(ErrorCode code) { return ActionFailed{{code, Hop::tcp, "x", "x", {}, {}}}; }

  Answers& answers_;
  Moment now_{WallTime{std::chrono::seconds{1'800'000'000}}, MonotonicTime{std::chrono::seconds{1'000}}};

 private:
  const Limits limits_;

  Event pass(const WaitUntil& wait) {
    const auto pause = wait.moment - now_.mono;
    if (pause < Duration::zero() || pause > limits_.pause_max) std::abort();
    now_ = {now_.wall + pause, wait.moment};
    return Woken{};
  }
};

}  // namespace sallyport::fuzz
