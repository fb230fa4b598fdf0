#include "net/listener.h"

#include <fcntl.h>
#include <sys/stat.h>

namespace sallyport::net {

HeldDirectory::HeldDirectory(std::string path, UniqueFd fd, bool is_private)
    : path_(std::move(path)), fd_(std::move(fd)), private_(is_private) {}

HeldDirectory::~HeldDirectory() {
  if (private_ && still_there()) rmdir(path_.c_str());
}

bool HeldDirectory::still_there() const {
  struct stat held {};
  struct stat named {};
  return fstat(fd_.get(), &held) == 0 && lstat(path_.c_str(), &named) == 0 && held.st_dev == named.st_dev &&
         held.st_ino == named.st_ino;
}

MadeFile::MadeFile(std::shared_ptr<const HeldDirectory> directory, std::string name, ino_t inode,
                   Ownership ours)
    : directory_(std::move(directory)), name_(std::move(name)), inode_(inode), ours_(std::move(ours)) {}

MadeFile::~MadeFile() {
  if (directory_ == nullptr || (ours_ != nullptr && !*ours_)) return;
  struct stat info {};
  const bool ours =
      fstatat(directory_->fd(), name_.c_str(), &info, AT_SYMLINK_NOFOLLOW) == 0 && info.st_ino == inode_;
  if (ours) unlinkat(directory_->fd(), name_.c_str(), 0);
}

Listener::Listener(std::string path, UniqueFd lock, MadeFile lock_file, UniqueFd fd, MadeFile socket_file,
                   Ownership ours)
    : path_(std::move(path)),
      ours_(std::move(ours)),
      lock_(std::move(lock)),
      lock_file_(std::move(lock_file)),
      fd_(std::move(fd)),
      socket_file_(std::move(socket_file)) {}

namespace {

SharedListener shared_of(const std::string& path, const UniqueFd& lock, const UniqueFd& fd,
                         const Ownership& ours) {
  const auto copy_of = [](const UniqueFd& one) {
    return UniqueFd{one.valid() ? fcntl(one.get(), F_DUPFD_CLOEXEC, 0) : -1};
  };
  SharedListener shared{path, copy_of(lock), copy_of(fd), ours};
  // A socket without its lock would let another instance in.
  if (lock.valid() && !shared.lock.valid()) shared.fd.reset();
  return shared;
}

}  // namespace

SharedListener SharedListener::copy() const { return shared_of(path, lock, fd, ours); }

SharedListener Listener::share() const { return shared_of(path_, lock_, fd_, ours_); }

}  // namespace sallyport::net
