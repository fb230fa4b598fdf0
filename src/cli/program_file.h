// The program that this process was started from, as a file: whoever would take over has to run what its path names now
// (threat 15). A package that is upgraded replaces that file; our own, which the kernel still runs, is deleted then.
#pragma once

#include "net/peer.h"
#include "net/scout.h"

#include <string>

namespace sallyport::cli {

class ProgramFile {
 public:
  /// Asked at start, before an upgrade has replaced it.
  static ProgramFile of_this_process();

  explicit ProgramFile(std::string path) : path_(std::move(path)) {}

  /// `scout` null: nothing keeps us from looking at processes ourselves.
  ///
  /// Errors  denied: it runs another file, or cannot be seen.  of check_trusted_file(): somebody else could have put
  ///         the file there.
  [[nodiscard]] Result<void> is_run_by(const net::UnixPeer& peer, net::Scout* scout) const;

  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace sallyport::cli
