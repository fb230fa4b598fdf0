#include "trail/segment.h"

#include "crypto/crc32c.h"

#include <nlohmann/json.hpp>

#include <charconv>

namespace sallyport::trail {
namespace {

void write_hex8(char* at, std::uint32_t value) {
  constexpr std::string_view digits = "0123456789abcdef";
  for (int i = 7; i >= 0; --i, value >>= 4) at[i] = digits[value & 0xFU];
}

std::optional<std::uint32_t> read_hex8(std::string_view text) {
  std::uint32_t value = 0;
  for (const char c : text.substr(0, 8)) {
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<std::uint32_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | static_cast<std::uint32_t>(c - 'a' + 10);
    } else {
      return std::nullopt;
    }
  }
  return value;
}

struct Prefix {
  std::uint32_t length = 0;
  std::uint32_t checksum = 0;
};

std::optional<Prefix> read_prefix(std::string_view text) {
  const auto length = read_hex8(text);
  const auto checksum = read_hex8(text.substr(9));
  if (!length || !checksum || text[8] != ' ' || text[17] != ' ') return std::nullopt;
  return Prefix{*length, *checksum};
}

void fill_prefix(char* at, std::string_view json) {
  write_hex8(at, static_cast<std::uint32_t>(json.size()));
  at[8] = ' ';
  write_hex8(at + 9, crypto::crc32c(as_bytes(json)));
  at[17] = ' ';
}

Error bad_header(std::string what, ErrorCode code = ErrorCode::invalid_message) {
  return {code, Hop::trail, "segment header", std::move(what), "", ""};
}

Result<SegmentHeader> header_of_json(std::string_view json) {
  const auto parsed = nlohmann::json::parse(json.begin(), json.end(), nullptr, false);
  if (!parsed.is_object()) return bad_header("holds no JSON object");
  const auto text = [&](const char* name) {
    const auto found = parsed.find(name);
    return found != parsed.end() && found->is_string() ? found->get<std::string>() : std::string{};
  };
  const auto number = [&](const char* name) {
    const auto found = parsed.find(name);
    return found != parsed.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
  };
  const auto created = parse_record_time(text("created"));
  if (!created) return created.error();
  SegmentHeader header{text("writer"), number("segment"), number("first"), *created};
  if (header.writer.empty() || header.segment == 0 || header.first == 0) {
    return bad_header("lacks writer, segment or first");
  }
  return header;
}

}  // namespace

std::string encode_header(const SegmentHeader& header) {
  const auto json = nlohmann::json{
      {"created", format_utc(header.created)},
      {"first", header.first},
      {"segment", header.segment},
      {"writer",
       header.writer}}.dump(-1, ' ', true);
  std::string line{segment_magic};
  line += std::to_string(segment_version) + ' ';
  const auto prefix_at = line.size();
  line.append(frame_prefix_bytes, ' ');
  fill_prefix(line.data() + prefix_at, json);
  line += json;
  line.resize(segment_header_bytes - 1, ' ');
  line += '\n';
  return line;
}

Result<SegmentHeader> decode_header(Bytes front) {
  auto text = as_text(front);
  if (!text.starts_with(segment_magic)) return bad_header("does not begin with \"sallyport-trail\"");
  text.remove_prefix(segment_magic.size());
  unsigned version = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), version);
  if (error != std::errc{} || version == 0 || end == text.data() + text.size() || *end != ' ')
    return bad_header("has no version");
  if (version > segment_version) {
    return bad_header("has version " + std::to_string(version) + ", and this program reads up to " +
                          std::to_string(segment_version),
                      ErrorCode::peer_unsupported);
  }
  if (front.size() < segment_header_bytes) return bad_header("is short");
  text = as_text(front.first(segment_header_bytes))
             .substr(static_cast<std::size_t>(end + 1 - as_text(front).data()));
  const auto prefix = read_prefix(text);
  if (!prefix || prefix->length > text.size() - frame_prefix_bytes - 1)
    return bad_header("has no length and checksum");
  const auto json = text.substr(frame_prefix_bytes, prefix->length);
  if (crypto::crc32c(as_bytes(json)) != prefix->checksum) return bad_header("does not match its checksum");
  return header_of_json(json);
}

void append_frame(std::string& out, const Event& event, std::uint64_t sequence) {
  const auto start = out.size();
  out.append(frame_prefix_bytes, ' ');
  encode_record(out, event, sequence);
  fill_prefix(out.data() + start, std::string_view{out}.substr(start + frame_prefix_bytes));
  out += '\n';
}

std::variant<Frame, Incomplete, Damaged> scan_frame(Bytes input) {
  const auto text = as_text(input);
  const auto no_record = [&](std::string_view why) -> std::variant<Frame, Incomplete, Damaged> {
    const auto line_end = text.find('\n');
    if (line_end != std::string_view::npos) return Damaged{line_end + 1, why};
    if (text.size() < frame_bytes_max) return Incomplete{};
    return Damaged{text.size(), why};
  };
  if (text.size() < frame_prefix_bytes) return no_record("a line too short for a record");
  const auto prefix = read_prefix(text);
  if (!prefix) return no_record("a line without length and checksum");
  if (prefix->length > record_bytes_max) return no_record("a record longer than allowed");
  const std::size_t size = frame_prefix_bytes + prefix->length + 1;
  if (text.size() < size) return no_record("a record shorter than it says");
  if (text[size - 1] != '\n') return no_record("a record longer than it says");
  const auto record = text.substr(frame_prefix_bytes, prefix->length);
  if (crypto::crc32c(as_bytes(record)) != prefix->checksum)
    return no_record("a record that does not match its checksum");
  return Frame{record, size};
}

std::string segment_file_name(std::uint64_t number) {
  auto digits = std::to_string(number);
  if (digits.size() < 8) digits.insert(0, 8 - digits.size(), '0');
  return digits + ".seg";
}

std::uint64_t segment_number(std::string_view file_name) {
  constexpr std::string_view suffix = ".seg";
  if (file_name.size() < 8 + suffix.size() || !file_name.ends_with(suffix)) return 0;
  file_name.remove_suffix(suffix.size());
  std::uint64_t number = 0;
  const auto* end = file_name.data() + file_name.size();
  const auto [stop, error] = std::from_chars(file_name.data(), end, number);
  return error == std::errc{} && stop == end &&
                 segment_file_name(number).size() == file_name.size() + suffix.size()
             ? number
             : 0;
}

}  // namespace sallyport::trail
