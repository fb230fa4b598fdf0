// The text of a segment file: one header line of fixed size, then one line a record.
//
//   sallyport-trail 1 0000006f 5f0c1a2b {"created":"…","first":1,"segment":1,"writer":"…"}      ⏎
//   000001c2 9ac31e07 {"at":"2026-11-25T10:09:23.123456Z","kind":"session_start",…,"seq":1}⏎
//
// Both numbers are eight hexadecimal digits: the length of the JSON that follows and its CRC-32C. A
// record never holds a line end (trail/text.h), which gives three things: `tail -n +2 FILE | cut -c19-
// | jq` reads a segment, a reader finds the next record behind damage, and an unfinished last record is
// exactly a last line without its end.
//
// The header is padded to 512 bytes: room for a previous segment's hash and a signature, as further
// keys of its JSON, in a later version.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "trail/record.h"

#include <cstdint>
#include <string>
#include <variant>

namespace sallyport::trail {

inline constexpr std::size_t segment_header_bytes = 512;
inline constexpr std::string_view segment_magic = "sallyport-trail ";
inline constexpr unsigned segment_version = 1;
/// "LLLLLLLL CCCCCCCC " before the JSON.
inline constexpr std::size_t frame_prefix_bytes = 18;
inline constexpr std::size_t frame_bytes_max = frame_prefix_bytes + record_bytes_max + 1;

struct SegmentHeader {
  std::string writer;         ///< the name of the writer's directory
  std::uint64_t segment = 0;  ///< from 1, also the file's name
  std::uint64_t first = 0;    ///< sequence number that its first record has
  WallTime created;
};

/// Exactly segment_header_bytes.
std::string encode_header(const SegmentHeader& header);

/// Errors  invalid_message: not a segment, or its checksum does not match.
///         peer_unsupported: written by a later version.
Result<SegmentHeader> decode_header(Bytes front);

/// Appends a whole line: encodes the event behind room for the prefix, then fills the prefix in.
void append_frame(std::string& out, const Event& event, std::uint64_t sequence);

struct Frame {
  std::string_view record;  ///< JSON; borrows from the input
  std::size_t size = 0;     ///< of the whole line
};
struct Incomplete {};  ///< a line that does not end in the input: torn, or still being written
struct Damaged {
  std::size_t skip = 0;  ///< bytes to the next line, or all of the input; never 0
  std::string_view why;
};

/// Looks at the line at the front of `input`, which is not empty. With at least frame_bytes_max bytes
/// of input (or all that is left of the file), Incomplete means that the line has no end.
std::variant<Frame, Incomplete, Damaged> scan_frame(Bytes input);

/// "00000001.seg"
std::string segment_file_name(std::uint64_t number);
/// The number in such a name; 0 for any other name.
std::uint64_t segment_number(std::string_view file_name);

}  // namespace sallyport::trail
