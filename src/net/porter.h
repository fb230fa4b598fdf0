// A small process that stays outside the sandbox, forked before the first thread and before the first secret, and opens
// files for us that a reload added: the sandbox is made once, and holds the directories of the start.
//
// It opens for reading, regular files and pipes only, and only what its gate lets through, which looks into the
// configuration file itself: a broker that somebody has taken over gets no other. It never reads what it opens.
#pragma once

#include "base/result.h"
#include "net/attendant.h"

#include <functional>
#include <memory>
#include <mutex>
#include <string>

namespace sallyport::net {

/// Whether a file may be opened, by the path where it really is. Asked in the porter.
using FileGate = std::function<bool(const std::string& real_path)>;

class Porter {
 public:
  /// Forks. The caller has one thread and holds no secret. Errors  internal: the kernel refused.
  static Result<std::unique_ptr<Porter>> fork_now(const FileGate& gate);
  /// At the other end of a socket that is there already.
  explicit Porter(Attendant attendant) : attendant_(std::move(attendant)) {}
  ~Porter() { end_attendant(attendant_); }

  /// A descriptor for reading, non-blocking; or -1 with errno: EACCES by the gate or the file's mode, ETIMEDOUT.
  /// Blocks for `answer_deadline` at the longest; thread-safe; one after the other.
  int open(const std::string& path);

  [[nodiscard]] pid_t pid() const { return attendant_.pid; }

  /// The gate reads the configuration, which may ask for accounts over a network.
  static constexpr auto answer_deadline = std::chrono::seconds{10};

 private:
  Attendant attendant_;
  std::mutex mutex_;
  std::uint32_t last_request_ = 0;
};

}  // namespace sallyport::net
