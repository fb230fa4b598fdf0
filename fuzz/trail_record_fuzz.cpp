// Segments and records are read years after they were written, from disks and from other people: any
// bytes must give records, findings or errors, and what decodes must encode to the same bytes again.
#include "trail/segment.h"
#include "trail/text.h"

#include <cstdlib>

namespace {

using namespace sallyport;

void require(bool holds) {
  if (!holds) std::abort();
}

/// Decoding what we encode gives the same record, and encoding is a fixed point from then on.
void check_record(std::string_view text) {
  const auto record = trail::decode_record(text);
  if (!record) return;
  std::string once;
  trail::encode_record(once, record->event, record->sequence);
  require(once.size() <= trail::record_bytes_max);
  for (const char c : once) require(c >= 0x20 && c < 0x7F);
  const auto again = trail::decode_record(once);
  require(again.has_value());
  std::string twice;
  trail::encode_record(twice, again->event, again->sequence);
  require(once == twice);
}

void check_lines(Bytes input) {
  while (!input.empty()) {
    const auto found = trail::scan_frame(input);
    std::size_t used = 0;
    if (const auto* frame = std::get_if<trail::Frame>(&found)) {
      used = frame->size;
      check_record(frame->record);
    } else if (const auto* damaged = std::get_if<trail::Damaged>(&found)) {
      used = damaged->skip;
    } else {
      require(input.size() < trail::frame_bytes_max);
      return;
    }
    require(used > 0 && used <= input.size());
    input = input.subspan(used);
  }
}

/// Hostile strings in an event, as a client would send them.
void check_event(std::string_view text) {
  trail::Event event;
  event.reason = text;
  event.claimed[std::string{text.substr(0, text.size() / 2)}] = text;
  event.claimed[std::string{text.substr(text.size() / 2)}] = text;
  event.verified["identity"] = text;
  std::string line;
  trail::append_frame(line, event, 1);
  const auto found = trail::scan_frame(as_bytes(line));
  const auto* frame = std::get_if<trail::Frame>(&found);
  require(frame != nullptr && frame->size == line.size());
  require(trail::decode_record(frame->record).has_value());
  check_record(frame->record);
  for (const char c : trail::printable(text)) require(static_cast<unsigned char>(c) >= 0x20 && c != 0x7F);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes input{data, size};
  (void)trail::decode_header(input);
  (void)trail::parse_record_time(as_text(input));
  check_record(as_text(input));
  check_lines(input);
  if (size > trail::segment_header_bytes) check_lines(input.subspan(trail::segment_header_bytes));
  check_event(as_text(input).substr(0, 160));
  return 0;
}
