#include "trail/record.h"

#include "trail/text.h"

#include <charconv>
#include <cmath>
#include <limits>

namespace sallyport::trail {
namespace {

using TextMap = std::map<std::string, std::string>;

// Worst case: every byte of every string becomes \uXXXX. 20 strings, two maps, and the rest.
static_assert(record_bytes_per_byte_max *
                      (20 * record_string_bytes_max +
                       2 * record_map_entries_max * (record_map_key_bytes_max + record_map_value_bytes_max)) +
                  2048 <
              record_bytes_max);

constexpr std::string_view more_key = "~more";

void append_number(std::string& out, auto value) {
  char digits[24];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value);
  out.append(digits, end);
}

void append_padded(std::string& out, unsigned value, unsigned width) {
  char digits[10];
  for (unsigned i = width; i-- > 0; value /= 10) digits[i] = static_cast<char>('0' + value % 10);
  out.append(digits, width);
}

void append_time(std::string& out, WallTime at) {
  using namespace std::chrono;
  const auto micros = floor<microseconds>(at);
  const auto day = floor<days>(micros);
  const year_month_day date{day};
  const hh_mm_ss clock{micros - day};
  append_padded(out, static_cast<unsigned>(static_cast<int>(date.year())), 4);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.month()), 2);
  out += '-';
  append_padded(out, static_cast<unsigned>(date.day()), 2);
  out += 'T';
  append_padded(out, static_cast<unsigned>(clock.hours().count()), 2);
  out += ':';
  append_padded(out, static_cast<unsigned>(clock.minutes().count()), 2);
  out += ':';
  append_padded(out, static_cast<unsigned>(clock.seconds().count()), 2);
  out += '.';
  append_padded(out, static_cast<unsigned>(clock.subseconds().count()), 6);
  out += 'Z';
}

/// Appends fields in the order it is called, which is the order of their names.
class Fields {
 public:
  explicit Fields(std::string& out) : out_(out) { out_ += '{'; }

  void text(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    key(name);
    append_json_string(out_, value, record_string_bytes_max);
  }

  template <class Number>
  void number(std::string_view name, const std::optional<Number>& value) {
    if (!value) return;
    key(name);
    append_number(out_, *value);
  }

  void time(std::string_view name, WallTime value) {
    key(name);
    out_ += '"';
    append_time(out_, value);
    out_ += '"';
  }

  void seconds(std::string_view name, const std::optional<double>& value);
  void map(std::string_view name, const TextMap& values);
  void close() { out_ += '}'; }

 private:
  void key(std::string_view name) {
    if (!first_) out_ += ',';
    first_ = false;
    out_ += '"';
    out_ += name;
    out_ += "\":";
  }

  std::string& out_;
  bool first_ = true;
};

void Fields::seconds(std::string_view name, const std::optional<double>& value) {
  constexpr double seconds_max = 9e12;  // where microseconds still fit an int64
  if (!value || !std::isfinite(*value) || *value < 0 || *value > seconds_max) return;
  key(name);
  const auto micros = static_cast<std::uint64_t>(std::llround(*value * 1e6));
  append_number(out_, micros / 1'000'000);
  auto fraction = static_cast<unsigned>(micros % 1'000'000);
  if (fraction == 0) return;
  unsigned width = 6;
  for (; fraction % 10 == 0; fraction /= 10) --width;
  out_ += '.';
  append_padded(out_, fraction, width);
}

bool is_simple_key(std::string_view key) {
  if (key.size() > record_map_key_bytes_max) return false;
  return std::all_of(key.begin(), key.end(), [](char c) { return c >= 0x20 && c < 0x7F; });
}

/// Keys repaired before they are sorted and counted: two wrong keys may become the same one.
TextMap bounded_map(const TextMap& values) {
  TextMap bounded;
  for (const auto& [key, value] : values) {
    if (!value.empty()) bounded.emplace(bounded_utf8(key, record_map_key_bytes_max), value);
  }
  if (bounded.size() <= record_map_entries_max) return bounded;
  const auto left_out = bounded.size() - (record_map_entries_max - 1);
  bounded.erase(std::next(bounded.begin(), record_map_entries_max - 1), bounded.end());
  bounded.insert_or_assign(std::string{more_key}, std::to_string(left_out));
  return bounded;
}

void Fields::map(std::string_view name, const TextMap& values) {
  const bool simple =
      values.size() <= record_map_entries_max &&
      std::all_of(values.begin(), values.end(), [](const auto& v) { return is_simple_key(v.first); });
  const TextMap repaired = simple ? TextMap{} : bounded_map(values);
  bool any = false;
  for (const auto& [entry, value] : simple ? values : repaired) {
    if (value.empty()) continue;
    if (any) {
      out_ += ',';
    } else {
      key(name);
      out_ += '{';
    }
    any = true;
    append_json_string(out_, entry, record_map_key_bytes_max);
    out_ += ':';
    append_json_string(out_, value, record_map_value_bytes_max);
  }
  if (any) out_ += '}';
}

}  // namespace

void encode_record(std::string& out, const Event& event, std::uint64_t sequence) {
  Fields fields{out};
  fields.time("at", event.at);
  fields.number("bytes_to_client", event.bytes_to_client);
  fields.number("bytes_to_server", event.bytes_to_server);
  fields.map("claimed", event.claimed);
  fields.number("count", event.count);
  fields.text("database", event.database);
  fields.seconds("duration_s", event.duration_s);
  fields.number("generation", event.generation);
  fields.text("kind", name_of(event.kind));
  fields.text("lease_accessor", event.lease_accessor);
  fields.text("local_address", event.local_address);
  fields.text("reason", event.reason);
  fields.text("result", event.result);
  fields.text("role", event.role);
  fields.text("route", event.route);
  fields.number("seq", std::optional{sequence});
  fields.text("server_certificate_sha256", event.server_certificate_sha256);
  fields.text("session", event.session);
  fields.text("target", event.target);
  fields.text("tls_cipher", event.tls_cipher);
  fields.text("tls_protocol", event.tls_protocol);
  fields.number("transactions", event.transactions);
  fields.text("upstream_address", event.upstream_address);
  fields.text("upstream_host", event.upstream_host);
  fields.number("upstream_pid", event.upstream_pid);
  fields.text("upstream_user", event.upstream_user);
  fields.map("verified", event.verified);
  fields.close();
}

Result<WallTime> parse_record_time(std::string_view text) {
  using namespace std::chrono;
  const Error wrong{
      ErrorCode::invalid_message, Hop::trail, "at", "is no time such as 2026-11-25T10:09:23.123456Z", "", ""};
  constexpr std::string_view shape = "dddd-dd-ddTdd:dd:dd.ddddddZ";
  if (text.size() != shape.size()) return wrong;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (shape[i] == 'd' ? !digit : text[i] != shape[i]) return wrong;
  }
  const auto number = [&](std::size_t at, std::size_t width) {
    int value = 0;
    std::from_chars(text.data() + at, text.data() + at + width, value);
    return value;
  };
  const year_month_day date{year{number(0, 4)}, month{static_cast<unsigned>(number(5, 2))},
                            day{static_cast<unsigned>(number(8, 2))}};
  // The range that nanoseconds in 64 bits have: 1677 to 2262.
  if (!date.ok() || number(0, 4) < 1678 || number(0, 4) > 2261) return wrong;
  if (number(11, 2) > 23 || number(14, 2) > 59 || number(17, 2) > 59) return wrong;
  return WallTime{sys_days{date}} + hours{number(11, 2)} + minutes{number(14, 2)} +
         std::chrono::seconds{number(17, 2)} + microseconds{number(20, 6)};
}

}  // namespace sallyport::trail
