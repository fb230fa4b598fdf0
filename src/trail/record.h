// The canonical record: one Event and its sequence number as JSON, the same bytes for the same event.
//
// Why JSON and not CBOR: an audit trail is read years later, by people who do not have this program.
// A segment can be read with tail, cut, grep and jq. What it costs is measured in bench/trail_bench.cpp
// (well under the 3 µs that a session start may take), because the encoder writes known keys in a fixed
// order and never builds a tree.
//
// Canonical: keys in byte order, no spaces, no empty strings, no absent numbers, integers in decimal,
// times in UTC with microseconds, durations in seconds rounded to microseconds without trailing zeros,
// strings as trail/text.h says. Field names are those of trail::Event; docs/audit.md lists them.
#pragma once

#include "base/result.h"
#include "trail/event.h"

#include <cstdint>
#include <string>
#include <string_view>

namespace sallyport::trail {

/// One string of an event. Paths are cut at it too: 512 bytes tell which program it was.
inline constexpr std::size_t record_string_bytes_max = 512;
/// One value of `verified` or `claimed`.
inline constexpr std::size_t record_map_value_bytes_max = 512;
inline constexpr std::size_t record_map_key_bytes_max = 64;
/// Entries of `verified` and of `claimed`; the last one says how many were left out.
inline constexpr std::size_t record_map_entries_max = 16;
/// A whole record. The encoder cannot reach it (record.cpp checks the sum); the decoder refuses more.
inline constexpr std::size_t record_bytes_max = 256U << 10;
/// Bytes of a record, with its line's prefix, for each bytes_in_memory() of its event.
inline constexpr std::size_t record_bytes_per_byte_max = 6;
/// Nesting that the decoder follows in fields of later versions.
inline constexpr std::size_t record_depth_max = 8;

struct Record {
  std::uint64_t sequence = 0;  ///< of its writer, from 1, without gaps
  std::string kind;            ///< as written: a later version's kind is kept as text
  Event event;                 ///< event.kind is meaningless unless kind_known
  bool kind_known = true;
};

/// Appends the record without a line end.
void encode_record(std::string& out, const Event& event, std::uint64_t sequence);

/// Reads a record back. Fields of later versions are skipped; the caller keeps the text.
///
/// Errors  invalid_message: no JSON object, a field of the wrong type or given twice, no `at`, `kind`
///         or `seq`.  limit_exceeded: record_bytes_max, record_depth_max.
Result<Record> decode_record(std::string_view text);

/// "2026-11-25T10:09:23.123456Z" and nothing else; for `at`.
Result<WallTime> parse_record_time(std::string_view text);

}  // namespace sallyport::trail
