// A small process, forked before the first thread and before the first secret, that runs the programs
// of `exec:` references.
//
// Forking a threaded process that holds secrets would copy them and may deadlock; this one has neither.
// The program's output goes through a pipe straight to us: the helper hands over the pipe's other end
// and never sees a byte of it. It dies with us (PR_SET_PDEATHSIG, end of its socket), reaps its own
// orphans (PR_SET_CHILD_SUBREAPER) so that none ends in a served tree, and has its own session.
#pragma once

#include "base/conversation.h"
#include "base/result.h"
#include "net/attendant.h"

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

namespace sallyport::net {

/// Whether a program may be run, asked in the helper: a broker that somebody has taken over cannot have it run others.
using ProgramGate = std::function<bool(const std::vector<std::string>& argv)>;

class Helper {
 public:
  /// Forks. The caller has one thread and holds no secret. Programs get PATH, HOME, USER, LANG, LC_ALL, TZ
  /// and those of `variables` that are set now; everything else of the environment is wiped in the helper.
  /// `gate` null: any program may run.
  ///
  /// Errors  internal: the kernel refused.
  static Result<std::unique_ptr<Helper>> fork_now(const std::vector<std::string>& variables = {},
                                                  const ProgramGate& gate = nullptr);

  /// At the other end of a socket that is there already.
  explicit Helper(Attendant attendant) : attendant_(std::move(attendant)) {}

  /// Ends the helper and whatever it runs.
  ~Helper();

  /// Runs one program to its end: no shell, standard input and error from and to /dev/null (what a program
  /// says on stderr may be secret), own session, all other descriptors closed, no inherited signal settings.
  /// Blocks; thread-safe; one after the other.
  ///
  /// Limits  program.deadline for all of it, waiting for earlier calls included, then SIGKILL to its process
  ///         group; program.output_bytes_max of output.
  /// Errors  hop secret_source, where = argv[0].  bad_config: not absolute, not there, not executable, or
  ///         others may replace it (base/trusted_file.h).  denied: by the gate.  timed_out.  limit_exceeded.
  ///         retry_later: ended by a signal.  internal: the helper is gone.
  ///         An exit status other than 0 is a value, not an error.
  /// What the program leaves running is killed, too: nothing of it outlives the call.
  Result<ProgramEnded> run(const RunProgram& program);

  /// To be excluded from a ServedTree.
  [[nodiscard]] pid_t pid() const { return attendant_.pid; }

 private:
  Result<ProgramEnded> run_in_turn(const RunProgram& program, MonotonicTime deadline);
  Result<void> request(const RunProgram& program, std::uint32_t number, MonotonicTime deadline,
                       UniqueFd output);

  Attendant attendant_;
  // Not a std::timed_mutex: TSan does not know the call that its try_lock_until makes.
  std::mutex turn_;
  std::condition_variable turn_free_;
  bool running_ = false;
  std::uint32_t last_request_ = 0;
};

inline constexpr std::size_t program_request_bytes_max = 65'536;  ///< all of argv

}  // namespace sallyport::net
