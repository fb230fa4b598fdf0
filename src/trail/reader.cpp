#include "trail/reader.h"

#include "trail/segment.h"
#include "trail/writer_home.h"

#include <fcntl.h>

#include <cerrno>

namespace sallyport::trail {
namespace {

constexpr std::size_t read_bytes = 256U << 10;

}  // namespace

Result<std::vector<std::string>> writers_in(const std::string& trail_directory) {
  auto names = names_in(trail_directory);
  if (names) std::erase_if(*names, [](const std::string& name) { return !is_writer_name(name); });
  return names;
}

Result<std::vector<std::uint64_t>> segments_in(const std::string& writer_directory) {
  const auto names = names_in(writer_directory);
  if (!names) return names.error();
  std::vector<std::uint64_t> numbers;
  for (const auto& name : *names) {
    if (const auto number = segment_number(name); number != 0) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

WriterLog::WriterLog(const std::string& trail_directory, std::string writer, Position from)
    : directory_(trail_directory + "/" + writer), writer_(std::move(writer)), position_(from) {}

std::string WriterLog::path() const { return directory_ + "/" + segment_file_name(position_.segment); }

void WriterLog::consume(std::size_t bytes) {
  window_used_ += bytes;
  position_.offset += bytes;
}

void WriterLog::close_segment() {
  file_.reset();
  window_.clear();
  window_used_ = 0;
  damage_ends_ = 0;
}

/// The lowest number above the current one. A last segment without a whole header does not count yet: if
/// its writer died, the next one removes it and goes on in the segment before it.
Result<std::optional<std::uint64_t>> WriterLog::next_number() const {
  const auto numbers = segments_in(directory_);
  if (!numbers) {
    if (numbers.error().code == ErrorCode::not_found) return std::optional<std::uint64_t>{};
    return numbers.error();
  }
  const auto above = std::upper_bound(numbers->begin(), numbers->end(), position_.segment);
  if (above == numbers->end()) return std::optional<std::uint64_t>{};
  struct stat status {};
  const auto last = directory_ + "/" + segment_file_name(*above);
  const bool unfinished = std::next(above) == numbers->end() && stat(last.c_str(), &status) == 0 &&
                          static_cast<std::size_t>(status.st_size) < segment_header_bytes;
  return unfinished ? std::optional<std::uint64_t>{} : *above;
}

/// Goes on to the segment behind the current one, if there is one.
Result<WriterLog::Step> WriterLog::advance(std::vector<Finding>& findings) {
  const auto number = next_number();
  if (!number) return number.error();
  if (!*number) return Step::end;
  const auto expected = position_.segment + 1;
  close_segment();
  loss_reported_ = false;
  position_.segment = **number;
  position_.offset = 0;
  if (**number != expected) {
    findings.push_back(
        {FindingKind::missing_segment, path(), 0,
         "is the next segment, and " + segment_file_name(expected) + " was expected before it"});
  }
  return Step::again;
}

Result<WriterLog::Step> WriterLog::open_segment(std::vector<Finding>& findings) {
  if (position_.segment == 0) return advance(findings);
  file_ = FileDescriptor{open(path().c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)};
  if (file_.is_open()) return Step::again;
  if (errno != ENOENT) return file_error(path(), "open", errno);
  if (position_.offset != 0 && !std::exchange(loss_reported_, true)) {
    findings.push_back(
        {FindingKind::missing_segment, path(), 0, "had been read before, and is not there any more"});
  }
  return advance(findings);
}

/// Reads more of the file behind the window; false when there is no more now.
Result<bool> WriterLog::fill() {
  window_.erase(0, std::exchange(window_used_, 0));
  const auto more = read_at(file_.get(), path(), position_.offset + window_.size(), read_bytes);
  if (!more) return more.error();
  window_ += *more;
  return !more->empty();
}

Result<WriterLog::Step> WriterLog::read_header(std::vector<Finding>& findings) {
  while (rest().size() < segment_header_bytes) {
    const auto filled = fill();
    if (!filled) return filled.error();
    if (!*filled) break;
  }
  if (rest().size() < segment_header_bytes && rest().find('\n') == std::string_view::npos) {
    // next_number() passes such a file only when it is not the last one: it was cut.
    const auto path_now = path();
    const auto unfinished = rest().size();
    auto step = advance(findings);
    if (step && *step == Step::again) {
      findings.push_back({FindingKind::damaged_header, path_now, unfinished, "ends within its header"});
    }
    if (step && *step == Step::end) close_segment();
    return step;
  }
  const auto header = decode_header(as_bytes(rest()));
  if (!header && header.error().code == ErrorCode::peer_unsupported) {
    if (!std::exchange(loss_reported_, true)) {
      findings.push_back({FindingKind::later_version, path(), 0, "its header " + header.error().what});
    }
    auto step = advance(findings);
    if (step && *step == Step::end) close_segment();
    return step;
  }
  if (!header || header->segment != position_.segment || header->writer != writer_) {
    findings.push_back({FindingKind::damaged_header, path(), 0,
                        header ? "its header names another segment" : "its header " + header.error().what});
  } else {
    check_sequence(header->first, findings);
    position_.next_sequence = header->first;
  }
  consume(std::min(segment_header_bytes, rest().size()));
  return Step::again;
}

void WriterLog::check_sequence(std::uint64_t sequence, std::vector<Finding>& findings) {
  const auto expected = position_.next_sequence;
  if (expected == 0 || sequence == expected) return;
  const auto what = sequence > expected ? "records " + std::to_string(expected) + " to " +
                                              std::to_string(sequence - 1) + " are missing before it"
                                        : "sequence number " + std::to_string(sequence) + " stands where " +
                                              std::to_string(expected) + " was expected";
  findings.push_back({FindingKind::missing_records, path(), position_.offset, what});
}

std::optional<LogRecord> WriterLog::take(std::string_view text, std::size_t line_bytes,
                                         std::vector<Finding>& findings) {
  auto record = decode_record(text);
  if (!record) {
    findings.push_back(
        {FindingKind::damaged_record, path(), position_.offset,
         record.error().where + " " + record.error().what + ", although its checksum matches"});
    consume(line_bytes);
    return std::nullopt;
  }
  check_sequence(record->sequence, findings);
  position_.next_sequence = record->sequence + 1;
  LogRecord found{std::move(*record), std::string{text}, writer_, position_.segment, position_.offset};
  consume(line_bytes);
  return found;
}

void WriterLog::skip(std::size_t bytes, std::string_view why, std::vector<Finding>& findings) {
  // One finding for a stretch of damage, not one a line.
  if (damage_ends_ != position_.offset || damage_ends_ == 0) {
    findings.push_back({FindingKind::damaged_record, path(), position_.offset, std::string{why}});
  }
  consume(bytes);
  damage_ends_ = position_.offset;
}

/// At the end of the file that is open. A segment is final once the next one exists: so the next one is
/// looked for, this one's end is read once more (`seen_final`), and only then left.
Result<WriterLog::Step> WriterLog::at_file_end(bool& seen_final, std::vector<Finding>& findings) {
  struct stat status {};
  if (fstat(file_.get(), &status) == 0 && static_cast<std::uint64_t>(status.st_size) < position_.offset &&
      !std::exchange(loss_reported_, true)) {
    findings.push_back(
        {FindingKind::segment_shortened, path(), static_cast<std::uint64_t>(status.st_size),
         "was longer when it was read before: " + std::to_string(position_.offset) + " bytes"});
  }
  const auto behind = next_number();
  if (!behind) return behind.error();
  if (!*behind) {
    close_segment();
    return Step::end;
  }
  if (!std::exchange(seen_final, true)) return Step::again;
  if (!rest().empty())
    skip(rest().size(), "an unfinished record at the end of a segment that is not the last", findings);
  seen_final = false;
  return advance(findings);
}

Result<std::optional<LogRecord>> WriterLog::next(std::vector<Finding>& findings) {
  for (bool seen_final = false;;) {
    auto step = Result<Step>{Step::again};
    if (!file_.is_open()) {
      step = open_segment(findings);
    } else if (position_.offset == 0) {
      step = read_header(findings);
    } else {
      const auto found =
          rest().empty() ? decltype(scan_frame({})){Incomplete{}} : scan_frame(as_bytes(rest()));
      if (const auto* frame = std::get_if<Frame>(&found)) {
        if (auto record = take(frame->record, frame->size, findings)) return record;
      } else if (const auto* damaged = std::get_if<Damaged>(&found)) {
        skip(damaged->skip, damaged->why, findings);
      } else {
        const auto filled = fill();
        if (!filled) return filled.error();
        if (!*filled) step = at_file_end(seen_final, findings);
      }
    }
    if (!step) return step.error();
    if (*step == Step::end) return std::optional<LogRecord>{};
  }
}

Result<void> TrailLog::refresh() {
  const auto writers = writers_in(directory_);
  if (!writers) return writers.error();
  for (const auto& writer : *writers) {
    const bool known = std::any_of(sources_.begin(), sources_.end(),
                                   [&](const Source& s) { return s.log.writer() == writer; });
    if (!known) sources_.push_back({WriterLog{directory_, writer}, std::nullopt});
  }
  for (auto& source : sources_) {
    if (source.head) continue;
    auto next = source.log.next(findings_);
    if (!next) return next.error();
    source.head = std::move(*next);
  }
  return {};
}

Result<std::optional<LogRecord>> TrailLog::next() {
  const auto earliest = [&] {
    auto best = sources_.end();
    for (auto at = sources_.begin(); at != sources_.end(); ++at) {
      if (at->head && (best == sources_.end() || at->head->record.event.at < best->head->record.event.at))
        best = at;
    }
    return best;
  };
  auto best = earliest();
  if (best == sources_.end()) {
    if (auto refreshed = refresh(); !refreshed) return refreshed.error();
    best = earliest();
    if (best == sources_.end()) return std::optional<LogRecord>{};
  }
  auto record = std::exchange(best->head, std::nullopt);
  auto following = best->log.next(findings_);
  if (!following) return following.error();
  best->head = std::move(*following);
  return record;
}

Result<void> TrailLog::skip_to_end() {
  for (;;) {
    auto record = next();
    if (!record) return record.error();
    if (!*record) return {};
  }
}

}  // namespace sallyport::trail
