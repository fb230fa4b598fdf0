#include "cli/audit_table.h"

#include "cli/counted.h"
#include "trail/text.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sallyport::cli {
namespace {

constexpr std::array<std::string_view, 10> titles{"TIME",          "KIND",   "WHO",      "TARGET/ROLE",
                                                  "UPSTREAM USER", "RESULT", "DURATION", "TO SERVER",
                                                  "TO CLIENT",     "REASON"};
constexpr std::size_t result_column = 5;
/// Numbers stand at the right of their columns.
constexpr bool is_number(std::size_t column) { return column >= 6 && column <= 8; }
/// A hostile name must not push everybody else's columns away; users of Vault's have 50 characters, and no database's has
/// more than 63.
constexpr std::size_t width_max = 63;

std::string or_dash(const std::string& text) { return text.empty() ? "-" : trail::printable(text); }

std::string duration_text(const std::optional<double>& seconds) {
  if (!seconds) return "-";
  if (*seconds < 1) return fmt::format("{:.0f} ms", *seconds * 1e3);
  if (*seconds < 120) return fmt::format("{:.1f} s", *seconds);
  if (*seconds > 9e9) return fmt::format("{:.0f} s", *seconds);
  return format_duration(std::chrono::seconds{static_cast<std::int64_t>(*seconds)});
}

std::string bytes_text(const std::optional<std::uint64_t>& bytes) {
  if (!bytes) return "-";
  if (*bytes < 1000) return fmt::format("{} B", *bytes);
  auto value = static_cast<double>(*bytes);
  std::string_view unit;
  for (const std::string_view next : {"kB", "MB", "GB", "TB", "PB", "EB"}) {
    value /= 1000;
    unit = next;
    if (value < 999.95) break;
  }
  return fmt::format("{:.1f} {}", value, unit);
}

std::string reason_text(const trail::Event& event) {
  auto text = or_dash(event.reason);
  if (event.count) text += " (" + counted(*event.count, "time") + ")";
  return text;
}

std::string who_text(const trail::Event& event) {
  auto text = or_dash(trail::identity_of(event));
  if (const auto pid = event.verified.find("pid"); pid != event.verified.end())
    text += ", pid " + trail::printable(pid->second);
  return text;
}

std::string target_text(const trail::Event& event) {
  if (event.target.empty() && event.role.empty()) return "-";
  return or_dash(event.target) + (event.role.empty() ? "" : "/" + trail::printable(event.role));
}

std::string_view color_of(std::string_view result) {
  if (result == "ok" || result == "fetched" || result == "gone") return "\x1b[32m";
  if (result == "denied") return "\x1b[33m";
  return result == "-" ? "" : "\x1b[31m";
}

}  // namespace

std::string audit_json(const trail::LogRecord& record) {
  auto json = nlohmann::json::parse(record.text, nullptr, false);
  if (!json.is_object()) return "{}";  // cannot be: decode_record read it
  json["writer"] = record.writer;
  return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

AuditTable::Row AuditTable::row_of(const trail::LogRecord& record) {
  const auto& event = record.record.event;
  auto time = format_utc(event.at);
  time.replace(time.size() - 4, 3, "");  // milliseconds are enough for a person
  return {time,
          trail::printable(record.record.kind),
          who_text(event),
          target_text(event),
          or_dash(event.upstream_user),
          or_dash(event.result),
          duration_text(event.duration_s),
          bytes_text(event.bytes_to_server),
          bytes_text(event.bytes_to_client),
          reason_text(event)};
}

std::string AuditTable::line_of(const Row& row, bool is_header) const {
  std::string line;
  for (std::size_t i = 0; i < columns; ++i) {
    const auto width = trail::columns_of(row[i]);
    const std::string padding(widths_[i] > width ? widths_[i] - width : 0, ' ');
    if (i != 0) line += "  ";
    if (is_number(i)) line += padding;
    const auto color = !color_              ? std::string_view{}
                       : is_header          ? "\x1b[1m"
                       : i == result_column ? color_of(row[i])
                                            : "";
    line += color;
    line += row[i];
    if (!color.empty()) line += "\x1b[0m";
    if (!is_number(i) && i + 1 < columns) line += padding;
  }
  return line + '\n';
}

void AuditTable::add(const trail::LogRecord& record) {
  waiting_.push_back(row_of(record));
  if (started_ || waiting_.size() >= rows_waiting_max) flush();
}

void AuditTable::flush() {
  if (!started_) {
    for (std::size_t i = 0; i < columns; ++i) widths_[i] = titles[i].size();
  }
  if (!started_ && waiting_.empty()) {
    // Nothing to measure (`tail -f` on a quiet trail): widths that usual values have.
    widths_ = {24, 14, 20, 20, 50, 6, 8, 9, 9, 6};
  }
  for (const auto& row : waiting_) {
    for (std::size_t i = 0; i + 1 < columns; ++i)
      widths_[i] = std::max(widths_[i], std::min(trail::columns_of(row[i]), width_max));
  }
  if (!started_ && header_) {
    Row names;
    std::copy(titles.begin(), titles.end(), names.begin());
    print_(line_of(names, true));
  }
  started_ = true;
  for (const auto& row : waiting_) print_(line_of(row, false));
  waiting_.clear();
}

}  // namespace sallyport::cli
