// A socket that listens, with the names that stand for it in the file system.
//
// One port is given up without the rest of its directory: a route that a reload removes, or prepares and drops,
// leaves neither a socket nor a lock behind, and can be opened again at once.
#pragma once

#include "net/fd.h"

#include <sys/types.h>

#include <atomic>
#include <memory>
#include <string>

namespace sallyport::net {

/// A directory that stays open as long as anything in it is ours. A private one is removed with the last.
class HeldDirectory {
 public:
  HeldDirectory(std::string path, UniqueFd fd, bool is_private);
  HeldDirectory(const HeldDirectory&) = delete;
  HeldDirectory& operator=(const HeldDirectory&) = delete;
  ~HeldDirectory();

  /// True while the path still leads to the directory that we hold (nobody cleaned or replaced it).
  [[nodiscard]] bool still_there() const;

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] int fd() const { return fd_.get(); }
  [[nodiscard]] bool is_private() const { return private_; }

 private:
  std::string path_;
  UniqueFd fd_;
  bool private_;
};

/// Whether names in the file system are ours to remove. Of a socket that is handed over they are for as long as we
/// serve, whoever made them (net/handed_sockets.h).
using Ownership = std::shared_ptr<std::atomic<bool>>;

/// A file that we made in a directory. Removed when this goes, as long as the name still leads to it.
class MadeFile {
 public:
  MadeFile() = default;  ///< none
  /// `ours` null: for ever.
  MadeFile(std::shared_ptr<const HeldDirectory> directory, std::string name, ino_t inode,
           Ownership ours = nullptr);
  MadeFile(MadeFile&&) noexcept = default;
  MadeFile& operator=(MadeFile&&) = delete;
  ~MadeFile();

 private:
  std::shared_ptr<const HeldDirectory> directory_;
  std::string name_;
  ino_t inode_ = 0;
  Ownership ours_;
};

/// What a successor needs of a listener: descriptors of its own of the same socket and of the same lock, which is held
/// until the last of them is closed.
struct SharedListener {
  std::string path;  ///< of a Unix socket that has a name of ours; empty: it has none
  UniqueFd lock;     ///< invalid: none
  UniqueFd fd;
  Ownership ours;  ///< set to false, the names stay when the listener goes; null: it has none

  /// `fd` of what it returns is invalid: out of descriptors.
  [[nodiscard]] SharedListener copy() const;
};

/// Handed on from who opens it to who accepts on it; never overwritten, so that it ends in the order below.
class Listener {
 public:
  /// A socket without a name, of TCP.
  explicit Listener(UniqueFd fd) : fd_(std::move(fd)) {}
  Listener(std::string path, UniqueFd lock, MadeFile lock_file, UniqueFd fd, MadeFile socket_file,
           Ownership ours);
  Listener(Listener&&) noexcept = default;
  Listener& operator=(Listener&&) = delete;

  [[nodiscard]] int fd() const { return fd_.get(); }

  /// `fd` of what it returns is invalid: out of descriptors.
  [[nodiscard]] SharedListener share() const;

 private:
  std::string path_;
  Ownership ours_;
  // Destroyed from the last to the first: the socket before its lock, so that a successor who gets the lock finds
  // no socket of ours.
  UniqueFd lock_;
  MadeFile lock_file_;
  UniqueFd fd_;
  MadeFile socket_file_;
};

}  // namespace sallyport::net
