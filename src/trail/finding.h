// Something wrong with the trail itself: damage that a reader met, tampering that a writer noticed.
//
// Findings are not errors: reading and writing go on behind them. They name file and offset so that a
// person can look at the place with standard tools (segments are text).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::trail {

enum class FindingKind {
  torn_tail,         ///< an unfinished last record was cut at start: a writer died while it wrote
  damaged_record,    ///< bytes that are no record, or whose checksum does not match
  damaged_header,    ///< a segment whose header cannot be read: none of its records can be trusted
  later_version,     ///< a segment or record of a later format, left unread
  missing_records,   ///< a jump in the sequence numbers
  missing_segment,   ///< a jump in the segments' numbers, or one that was there before
  segment_unlinked,  ///< deleted or renamed while we wrote to it
  segment_shortened,
  segment_changed,  ///< another process wrote to it, or changed its owner, mode or times
  directory_gone,   ///< the writer's directory was deleted or renamed while we wrote to it
  denials_dropped,  ///< too little space: denials were counted, not recorded
};

struct Finding {
  FindingKind kind = FindingKind::damaged_record;
  std::string file;
  std::uint64_t offset = 0;  ///< bytes from the file's start; 0 where no place is meant
  std::string what;          ///< one clause: what was seen, what was expected
};

std::string_view name_of(FindingKind kind);

/// "FILE, byte 1234: what (damaged_record)".
std::string describe(const Finding& finding);

}  // namespace sallyport::trail
