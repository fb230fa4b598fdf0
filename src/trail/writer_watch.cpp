// How a Writer notices that somebody else deletes, shortens or rewrites what it wrote (threat 9).
//
// It compares what stat(2) says now with what it said after our own last write. That finds a careless or
// curious hand, not one that restores times and lengths: a proof is what a hash chain outside its reach is for.
#include "trail/writer.h"

#include <cerrno>

namespace sallyport::trail {
namespace {

/// How often commit() looks whether directory and file still have their names; deleted, shortened and
/// touched files are noticed at every commit.
constexpr auto names_check_interval = std::chrono::seconds{1};

bool same_time(const timespec& a, const timespec& b) {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

std::string bytes_of(std::uint64_t count) { return std::to_string(count) + " bytes"; }

}  // namespace

bool Writer::home_is_there() const {
  struct stat opened {};
  struct stat named {};
  return fstat(home_.directory.get(), &opened) == 0 && lstat(home_.path.c_str(), &named) == 0 &&
         same_file(opened, named);
}

Result<void> Writer::lost(FindingKind kind, std::string what) {
  findings_.push_back({kind, segment_.path, segment_.length, what});
  auto hint = std::string{
      "Somebody else writes to the audit trail's directory: find out who, and let only this user write "
      "there. Recording goes on in a new segment."};
  Error error{ErrorCode::retry_later, Hop::trail, segment_.path, std::move(what), std::move(hint), ""};
  segment_ = {};
  return error;
}

Result<void> Writer::check_untouched() {
  struct stat now {};
  if (fstat(segment_.file.get(), &now) != 0) return file_error(segment_.path, "look at it", errno);
  if (now.st_nlink == 0) return lost(FindingKind::segment_unlinked, "was deleted while we wrote to it");
  const auto length = static_cast<std::uint64_t>(now.st_size);
  if (length < segment_.length) {
    return lost(FindingKind::segment_shortened, "was shortened from " + bytes_of(segment_.length) + " to " +
                                                    std::to_string(length) + " by somebody else");
  }
  if (length > segment_.length) {
    return lost(FindingKind::segment_changed,
                "grew by " + bytes_of(length - segment_.length) + " that we did not write");
  }
  if (!same_time(now.st_ctim, segment_.left.st_ctim) && !segment_.touch_reported) {
    // It may only have been touched (a backup that sets times, chmod): told once, not refused.
    segment_.touch_reported = true;
    findings_.push_back(
        {FindingKind::segment_changed, segment_.path, 0,
         "was changed by somebody else (contents, owner, mode or times); its length is as we left it"});
  }
  const auto clock = std::chrono::steady_clock::now();
  if (clock - names_checked_ < names_check_interval) return {};
  names_checked_ = clock;
  return check_names();
}

Result<void> Writer::check_names() {
  struct stat named {};
  if (!home_is_there()) {
    home_lost_ = true;
    return lost(FindingKind::directory_gone,
                "its directory was deleted, renamed or replaced while we wrote to it");
  }
  if (lstat(segment_.path.c_str(), &named) != 0 || !same_file(segment_.left, named)) {
    return lost(FindingKind::segment_unlinked, "was renamed or replaced while we wrote to it");
  }
  return {};
}

void Writer::check_older_segments() {
  std::erase_if(sealed_, [&](const Segment& sealed) {
    struct stat now {};
    if (lstat(sealed.path.c_str(), &now) != 0 || !same_file(now, sealed.left)) {
      findings_.push_back({FindingKind::segment_unlinked, sealed.path, 0,
                           "was there, and has been deleted, renamed or replaced"});
      return true;
    }
    if (now.st_size < sealed.left.st_size) {
      findings_.push_back(
          {FindingKind::segment_shortened, sealed.path, static_cast<std::uint64_t>(now.st_size),
           "was shortened from " + bytes_of(static_cast<std::uint64_t>(sealed.left.st_size))});
      return true;
    }
    if (now.st_size != sealed.left.st_size || !same_time(now.st_ctim, sealed.left.st_ctim)) {
      findings_.push_back({FindingKind::segment_changed, sealed.path, 0,
                           "was changed by somebody else (contents, owner, mode or times)"});
      return true;
    }
    return false;
  });
}

}  // namespace sallyport::trail
