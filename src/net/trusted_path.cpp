// check_trusted_path: who could change a file that we are about to believe.
//
// A file is as trustworthy as the least trustworthy thing on the way to it. So the walk starts at /,
// looks at each directory before it looks inside, and follows each link by hand, because what a link
// leads through counts as well.
#include "net/file_reader.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>
#include <deque>

namespace sallyport::net {

namespace {

constexpr int links_max = 40;  // the kernel's own limit
constexpr std::size_t components_max = 256;

Error untrusted(const std::string& path, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::config, path, std::move(what), std::move(hint), {}};
}

std::deque<std::string> components_of(const std::string& path) {
  std::deque<std::string> parts;
  for (std::size_t at = 0; at < path.size();) {
    const auto end = std::min(path.find('/', at), path.size());
    if (end > at && path.compare(at, end - at, ".") != 0) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

std::string subject(const std::string& path, const std::string& component) {
  return component == path ? "" : "its path leads through " + component + ", which ";
}

Result<void> check_component(const std::string& path, const std::string& component, const struct stat& info) {
  if (info.st_uid != 0 && info.st_uid != geteuid()) {
    return untrusted(path,
                     subject(path, component) + "belongs to uid " + std::to_string(info.st_uid) +
                         "; expected root or uid " + std::to_string(geteuid()),
                     "Run: chown " + std::to_string(geteuid()) + " " + component);
  }
  if (S_ISLNK(info.st_mode)) return {};  // a link's mode means nothing
  // In a sticky directory of root's strangers can add entries, but not rename or remove those of others;
  // and the entry that we use is checked for its owner in the next step.
  if (S_ISDIR(info.st_mode) && (info.st_mode & S_ISVTX) != 0 && info.st_uid == 0) return {};
  const bool group_writes = (info.st_mode & S_IWGRP) != 0 && info.st_gid != 0;
  const bool others_write = (info.st_mode & S_IWOTH) != 0;
  if (!group_writes && !others_write) return {};
  const std::string who = others_write ? "every user" : "group " + std::to_string(info.st_gid);
  return untrusted(
      path, subject(path, component) + "can be changed by " + who,
      std::string{"Run: chmod "} + (others_write ? (group_writes ? "go-w " : "o-w ") : "g-w ") + component);
}

Result<std::string> target_of(const std::string& path, const std::string& link) {
  char buffer[PATH_MAX];
  const auto size = readlink(link.c_str(), buffer, sizeof buffer);
  if (size <= 0 || static_cast<std::size_t>(size) == sizeof buffer) {
    return untrusted(path, "the link " + link + " cannot be read", "Name the file itself.");
  }
  return std::string{buffer, static_cast<std::size_t>(size)};
}

}  // namespace

Result<void> check_trusted_path(const std::string& path) {
  if (path.empty() || path.front() != '/' || path.find('\0') != std::string::npos) {
    return untrusted(path, "is no absolute path",
                     "Write it from / on: the working directory is never searched.");
  }
  auto left = components_of(path);
  if (left.size() > components_max) return untrusted(path, "has too many parts", "Name a shorter path.");
  std::string here = "/";
  int links = 0;
  for (;;) {
    struct stat info {};
    if (lstat(here.c_str(), &info) != 0) {
      if (errno == ENOENT || errno == ENOTDIR) {
        return Error{ErrorCode::not_found,
                     Hop::config,
                     path,
                     here == path ? "there is no such file" : "there is no " + here,
                     "Check the path.",
                     {}};
      }
      return untrusted(path, here + " cannot be looked at: " + std::strerror(errno),
                       "Let us into the directory.");
    }
    if (auto good = check_component(path, here, info); good.has_error()) return good;
    if (S_ISLNK(info.st_mode)) {
      auto target = target_of(path, here);
      if (target.has_error()) return target.error();
      if (++links > links_max)
        return untrusted(path, "is a circle of symbolic links", "Name the file itself.");
      auto parts = components_of(*target);
      left.insert(left.begin(), parts.begin(), parts.end());
      if (left.size() > components_max) return untrusted(path, "has too many parts", "Name a shorter path.");
      here = target->front() == '/' ? "/" : here.substr(0, std::max<std::size_t>(here.rfind('/'), 1));
      continue;
    }
    if (left.empty()) return {};
    if (left.front() == "..") {
      here = here.substr(0, std::max<std::size_t>(here.rfind('/'), 1));
    } else {
      here += (here == "/" ? "" : "/") + left.front();
    }
    left.pop_front();
  }
}

}  // namespace sallyport::net
