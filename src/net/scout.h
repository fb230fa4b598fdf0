// A small process that stays outside the sandbox, forked before the first thread and before the first secret, and says
// which executable a process runs.
//
// A confined process may not ask that itself: /proc tells only who might trace the other. The scout answers one
// question at a time and nothing else, and dies with us. It is no part of the helper, whose program may take its time:
// whoever connects meanwhile would wait for it.
#pragma once

#include "base/clock.h"
#include "base/result.h"
#include "net/attendant.h"
#include "net/recent_facts.h"
#include "policy/process_identity.h"

#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

namespace sallyport::net {

/// Empty: it may not be seen, or has ended.
struct Executable {
  std::string path;
  std::optional<policy::ExecutableId> id;
};

class Scout {
 public:
  /// Forks. The caller has one thread and holds no secret. Errors  internal: the kernel refused.
  static Result<std::unique_ptr<Scout>> fork_now();
  /// At the other end of a socket that is there already.
  explicit Scout(Attendant attendant);
  ~Scout();

  /// What the process behind `pidfd` runs. It is asked only where the kernel may tell it: of processes of our own
  /// account, or of any with CAP_SYS_PTRACE. Blocks for `answer_deadline` at the longest; thread-safe.
  Executable executable_of(pid_t pid, const UniqueFd& pidfd, uid_t uid);

  /// The same for the trail, which is told the path alone and is no proof: an answer of the last second counts, so that
  /// whoever connects again and again costs one question. `number`: see process_number().
  std::string path_of(pid_t pid, const UniqueFd& pidfd, uid_t uid, std::optional<std::uint64_t> number);

  [[nodiscard]] pid_t pid() const { return attendant_.pid; }

  /// Called each time it begins to be silent (silent_after), by whoever asks then.
  void on_silence(std::function<void()> told) { on_silence_ = std::move(told); }

  static constexpr auto answer_deadline = std::chrono::milliseconds{200};
  /// After so many questions in a row without an answer it hangs, or is gone. Whoever asks is a loop that others wait
  /// for, so for `silence` nobody is waited for, and nothing is known; then one question tries again. It cannot be
  /// forked anew: the sandbox that keeps us from looking ourselves keeps us from that, too.
  static constexpr unsigned silent_after = 3;
  static constexpr auto silence = std::chrono::seconds{10};

 private:
  Executable ask(pid_t pid, const UniqueFd& pidfd);
  std::optional<Executable> wait_for_answer(std::uint32_t number);
  void note_unanswered();

  Attendant attendant_;
  bool sees_all_;  ///< CAP_SYS_PTRACE
  std::mutex mutex_;
  std::uint32_t last_question_ = 0;
  RecentFacts<std::string> paths_;
  unsigned unanswered_ = 0;  ///< questions in a row
  MonotonicTime silent_until_{};
  std::function<void()> on_silence_;
};

}  // namespace sallyport::net
