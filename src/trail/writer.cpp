#include "trail/writer.h"

#include "base/limits.h"
#include "trail/journal_entry.h"
#include "trail/record.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>

namespace sallyport::trail {
namespace {

std::string bytes_of(std::uint64_t count) { return std::to_string(count) + " bytes"; }

}  // namespace

Result<std::unique_ptr<Writer>> Writer::open(const Settings& settings) {
  if (settings.directory.empty()) {
    return Error{
        ErrorCode::bad_config, Hop::trail, "audit.dir", "is empty", "Give the audit trail a directory.", ""};
  }
  auto home = claim_home(settings.directory, false);
  if (!home) return home.error();
  std::unique_ptr<Writer> writer{new Writer{settings, std::move(*home)}};
  if (auto started = writer->start(); !started) return started.error();
  return writer;
}

Result<void> Writer::start() {
  auto end = find_end(home_);
  if (!end) return end.error();
  findings_ = std::move(end->findings);
  last_number_ = end->segment;
  next_sequence_ = end->next_sequence;
  committed_sequence_ = next_sequence_ - 1;
  const auto names = names_in(home_.path);
  if (!names) return names.error();
  for (const auto& name : *names) {
    Segment known;
    known.number = segment_number(name);
    known.path = home_.path + "/" + name;
    if (known.number == 0 || (end->can_append && known.number == end->segment)) continue;
    if (fstatat(home_.directory.get(), name.c_str(), &known.left, AT_SYMLINK_NOFOLLOW) == 0) {
      sealed_.push_back(std::move(known));
    }
  }
  if (end->can_append) return reopen(end->segment, end->length);
  return open_next_segment(next_sequence_);
}

Result<void> Writer::reopen(std::uint64_t number, std::uint64_t length) {
  const auto name = segment_file_name(number);
  segment_ = {};
  segment_.number = number;
  segment_.length = length;
  segment_.path = home_.path + "/" + name;
  segment_.file =
      FileDescriptor{openat(home_.directory.get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC)};
  if (!segment_.file.is_open()) return file_error(segment_.path, "open", errno);
  if (fstat(segment_.file.get(), &segment_.left) != 0) return file_error(segment_.path, "look at it", errno);
  return {};
}

Result<void> Writer::open_next_segment(std::uint64_t first_sequence) {
  seal_segment();
  const auto number = last_number_ + 1;
  const auto name = segment_file_name(number);
  Segment next;
  next.number = number;
  next.path = home_.path + "/" + name;
  constexpr int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
  next.file = FileDescriptor{openat(home_.directory.get(), name.c_str(), flags, 0600)};
  if (!next.file.is_open()) return file_error(next.path, "make the segment", errno);
  segment_ = std::move(next);
  auto header = encode_header({home_.name, number, first_sequence, std::chrono::system_clock::now()});
  auto written = write_all(header);
  if (written && settings_.fsync_each_commit && fsync(home_.directory.get()) != 0) {
    written = file_error(home_.path, "fsync the directory", errno);
  }
  if (!written) {
    // An empty file would look like a lost segment: the number is used again once there is room.
    unlinkat(home_.directory.get(), name.c_str(), 0);
    segment_ = {};
    return written;
  }
  last_number_ = number;
  return {};
}

void Writer::seal_segment() {
  if (!segment_.file.is_open()) return;
  segment_.file.reset();
  sealed_.push_back(std::move(segment_));
  segment_ = {};
}

void Writer::add(const Event& event) {
  if (event.kind == EventKind::session_denied) {
    if (is_space_short()) {
      denials_dropped_ += event.count.value_or(1);
      return;
    }
    report_dropped_denials(event.at);
  }
  append(event);
}

void Writer::append(const Event& event) {
  if (pending_.size() > limits::trail_commit_bytes_max) {
    pending_overflowed_ = true;
    return;
  }
  if (settings_.copy) {
    std::string record;
    encode_record(record, event, next_sequence_);
    pending_copies_.push_back(encode_journal_entry(event, record));
  }
  append_frame(pending_, event, next_sequence_++);
}

bool Writer::is_space_short() {
  struct statvfs space {};
  if (fstatvfs(home_.directory.get(), &space) != 0) return false;  // the write itself will tell
  const auto free_bytes = static_cast<std::uint64_t>(space.f_bavail) * space.f_frsize;
  const auto all_bytes = static_cast<std::uint64_t>(space.f_blocks) * space.f_frsize;
  return free_bytes < std::min<std::uint64_t>(settings_.reserve_bytes, all_bytes / 8);
}

void Writer::report_dropped_denials(WallTime at) {
  if (denials_dropped_ == denials_dropped_reported_) return;
  const auto count = denials_dropped_ - denials_dropped_reported_;
  denials_dropped_reported_ = denials_dropped_;
  Event event;
  event.kind = EventKind::security;
  event.at = at;
  event.result = "dropped";
  event.reason = "denials were not recorded: too little space was left for the audit trail";
  event.count = count;
  append(event);
}

void Writer::drop_pending() {
  pending_.clear();
  pending_copies_.clear();
  if (pending_.capacity() > limits::trail_commit_bytes_max / 4) pending_.shrink_to_fit();
  pending_overflowed_ = false;
  next_sequence_ = committed_sequence_ + 1;
}

Result<void> Writer::commit() {
  if (pending_.empty()) return {};
  auto done = append_pending();
  if (!done) {
    drop_pending();
    return done;
  }
  committed_sequence_ = next_sequence_ - 1;
  pending_.clear();
  for (const auto& entry : std::exchange(pending_copies_, {})) settings_.copy(entry);
  return {};
}

Result<void> Writer::append_pending() {
  if (pending_overflowed_) {
    return Error{ErrorCode::retry_later,
                 Hop::trail,
                 home_.path,
                 "more than 16 MiB of records wait for one commit",
                 "Add them again in smaller groups.",
                 ""};
  }
  if (segment_.file.is_open()) {
    if (auto untouched = check_untouched(); !untouched) return untouched;
    const bool full = segment_.length + pending_.size() > settings_.segment_bytes_max;
    if (full && segment_.length > segment_header_bytes) seal_segment();
  }
  if (!segment_.file.is_open()) {
    if (auto ready = ensure_home(); !ready) return ready;
    if (auto opened = open_next_segment(committed_sequence_ + 1); !opened) return opened;
  }
  return write_all(pending_);
}

/// A directory of our own that still has its name, for the next segment.
Result<void> Writer::ensure_home() {
  if (!home_lost_ && !home_is_there()) {
    home_lost_ = true;
    findings_.push_back({FindingKind::directory_gone, home_.path, 0,
                         "was deleted, renamed or replaced while we wrote to it"});
  }
  if (!home_lost_) return {};
  // Never an old one: its sequence numbers would clash with those already given out.
  auto home = claim_home(settings_.directory, true);
  if (!home) return home.error();
  home_ = std::move(*home);
  segment_ = {};
  sealed_.clear();
  last_number_ = 0;
  home_lost_ = false;
  return {};
}

/// Appends `bytes`, or leaves the segment as it was.
Result<void> Writer::write_all(std::string_view bytes) {
  const int fd = segment_.file.get();
  auto at = segment_.length;
  int error = 0;
  for (auto rest = bytes; !rest.empty() && error == 0;) {
    const auto written = pwrite(fd, rest.data(), rest.size(), static_cast<off_t>(at));
    if (written > 0) {
      // A short write is nearly always a full disk: the next call says which.
      rest.remove_prefix(static_cast<std::size_t>(written));
      at += static_cast<std::uint64_t>(written);
    } else if (written == 0 || errno != EINTR) {
      error = written == 0 ? EIO : errno;
    }
  }
  if (error == 0 && settings_.fsync_each_commit && fdatasync(fd) != 0) error = errno;
  if (error == 0 && fstat(fd, &segment_.left) != 0) error = errno;
  if (error == 0) {
    segment_.length = at;
    return {};
  }
  // Cutting back frees space and cannot run out of it. Should it fail all the same, the next commit
  // notices that the length is wrong and begins a new segment.
  const bool cut_back =
      ftruncate(fd, static_cast<off_t>(segment_.length)) == 0 && fstat(fd, &segment_.left) == 0;
  auto failed = file_error(segment_.path, "append " + bytes_of(bytes.size()), error);
  if (!cut_back) failed.what += "; the part that was written could not be taken back";
  return failed;
}

std::vector<Finding> Writer::take_findings() {
  if (!home_lost_) {
    if (segment_.file.is_open()) {
      names_checked_ = {};
      // What is wrong is in findings_ now. Records that wait keep their place: the next commit opens a
      // new segment for them.
      (void)check_untouched();
    }
    if (!home_lost_) check_older_segments();
  }
  if (denials_dropped_ != denials_dropped_reported_) {
    findings_.push_back(
        {FindingKind::denials_dropped, home_.path, 0,
         std::to_string(denials_dropped_ - denials_dropped_reported_) +
             " denials were not recorded: less free space than the reserve for admitted sessions"});
    denials_dropped_reported_ = denials_dropped_;
  }
  return std::exchange(findings_, {});
}

Result<std::unique_ptr<Sink>> open_writer(const Settings& settings) {
  auto writer = Writer::open(settings);
  if (!writer) return writer.error();
  return std::unique_ptr<Sink>{std::move(*writer)};
}

}  // namespace sallyport::trail
