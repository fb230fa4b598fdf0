// Output that may hold a secret: to standard output or into a file that only we may read, by write(2), so that no
// buffer of the C library keeps it.
#pragma once

#include "base/secret.h"
#include "net/fd.h"

#include <string>

namespace sallyport::cli {

/// Opened before the secret is fetched: what cannot be written is not asked for. A file that was made for it and that
/// nothing was written to is removed again.
class SecretOutput {
 public:
  /// `path` empty: standard output. Makes the file with mode 0600; a file that is there already must be ours and
  /// private, and keeps what it holds until write().
  /// Errors  bad_config: it cannot be written, or others could read it.
  static Result<SecretOutput> open(const std::string& path);

  SecretOutput(SecretOutput&&) noexcept = default;
  SecretOutput& operator=(SecretOutput&&) = delete;
  SecretOutput(const SecretOutput&) = delete;
  SecretOutput& operator=(const SecretOutput&) = delete;
  ~SecretOutput();

  /// All of it, once. Errors  bad_config: the disk is full, the reader has gone (SIGPIPE is the caller's to ignore).
  Result<void> write(const WipedBytes& bytes);

  /// Whether a person's terminal shows it.
  [[nodiscard]] bool is_terminal() const;

 private:
  SecretOutput(std::string path, net::UniqueFd file, bool made)
      : path_(std::move(path)), file_(std::move(file)), made_(made) {}

  std::string path_;    // empty: standard output
  net::UniqueFd file_;  // none: standard output
  bool made_;           // by us, and still empty
};

}  // namespace sallyport::cli
