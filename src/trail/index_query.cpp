// Queries: the index says where, the log says what.
#include "trail/index.h"
#include "trail/segment.h"

#include <fcntl.h>

#include <algorithm>

namespace sallyport::trail {
namespace {

std::int64_t micros_of(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

/// "uid:1000(app)" as words between spaces: an account is found by its number, its name or both.
std::string identity_words(const std::string& identity) {
  std::string words = " " + identity + " ";
  std::replace_if(
      words.begin(), words.end(), [](char c) { return c == '(' || c == ')'; }, ' ');
  return words;
}
constexpr const char* identity_has =
    "(0 < instr(' ' || replace(replace(identity, '(', ' '), ')', ' ') || ' ', ?) OR identity = ?)";

bool fits_identity(const Query& query, const std::string& identity) {
  if (query.identity.empty() || (!query.account.empty() && query.account == identity)) return true;
  return identity_words(identity).find(identity_words(query.identity)) != std::string::npos;
}

}  // namespace

bool matches(const Query& query, const Record& record) {
  const auto& event = record.event;
  const auto fits = [](const std::string& wanted, const std::string& value) {
    return wanted.empty() || wanted == value;
  };
  if (query.since && event.at < *query.since) return false;
  if (query.until && event.at >= *query.until) return false;
  return fits(query.kind, record.kind) && fits(query.target, event.target) && fits(query.role, event.role) &&
         fits(query.result, event.result) && fits(query.session, event.session) &&
         fits_identity(query, identity_of(event));
}

Result<std::vector<Index::Place>> Index::places_of(const Query& query) {
  std::string sql = "SELECT writer, segment, offset, seq FROM record WHERE 1";
  std::vector<std::variant<std::string, std::int64_t>> values;
  const auto also = [&](const char* condition, std::variant<std::string, std::int64_t> value) {
    sql += std::string{" AND "} + condition;
    values.push_back(std::move(value));
  };
  if (query.since) also("at >= ?", micros_of(*query.since));
  if (query.until) also("at < ?", micros_of(*query.until));
  for (const auto& [condition, value] : {std::pair{"kind = ?", &query.kind},
                                         {"target = ?", &query.target},
                                         {"role = ?", &query.role},
                                         {"result = ?", &query.result},
                                         {"session = ?", &query.session}}) {
    if (!value->empty()) also(condition, *value);
  }
  if (!query.identity.empty()) {
    also(identity_has, identity_words(query.identity));
    values.emplace_back(query.account.empty() ? query.identity : query.account);
  }
  sql += " ORDER BY at DESC, writer DESC, seq DESC";
  if (query.newest != 0) sql += " LIMIT " + std::to_string(query.newest);
  auto select = database_.prepare(sql);
  if (!select) return select.error();
  for (std::size_t i = 0; i < values.size(); ++i) {
    std::visit([&](const auto& value) { select->bind(static_cast<int>(i) + 1, value); }, values[i]);
  }
  std::vector<Place> places;
  for (;;) {
    const auto row = select->step();
    if (!row) return row.error();
    if (!*row) break;
    places.push_back({select->text(0), select->count(1), select->count(2), select->count(3)});
  }
  std::reverse(places.begin(), places.end());
  return places;
}

/// The line at its place in the log; nothing when another one stands there, or none.
std::optional<std::string> Index::read(const Place& place) {
  const auto path = directory_ + "/" + place.writer + "/" + segment_file_name(place.segment);
  if (path != open_path_) {
    open_file_ = FileDescriptor{::open(path.c_str(), O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK)};
    open_path_ = path;
  }
  if (!open_file_.is_open()) return std::nullopt;
  const auto sequence = "\"seq\":" + std::to_string(place.sequence);
  constexpr std::size_t usual_bytes = 2048;
  for (const auto size : {usual_bytes, frame_bytes_max}) {
    const auto line = read_at(open_file_.get(), path, place.offset, size);
    if (!line || line->empty()) return std::nullopt;
    const auto found = scan_frame(as_bytes(*line));
    const auto* frame = std::get_if<Frame>(&found);
    if (frame == nullptr) continue;
    // Enough to tell that the index is of another log; decoding checks the number itself.
    if (frame->record.find(sequence) == std::string_view::npos) return std::nullopt;
    return std::string{frame->record};
  }
  return std::nullopt;
}

std::optional<LogRecord> Index::record_at(const Place& place) {
  auto text = read(place);
  if (!text) return std::nullopt;
  auto record = decode_record(*text);
  if (!record || record->sequence != place.sequence) return std::nullopt;
  return LogRecord{std::move(*record), std::move(*text), place.writer, place.segment, place.offset};
}

Result<void> Index::query(const Query& query, const std::function<void(const LogRecord&)>& take) {
  read_findings_.clear();
  open_path_.clear();
  auto places = places_of(query);
  if (!places) return places.error();
  const bool agrees = std::all_of(places->begin(), places->end(),
                                  [&](const Place& place) { return read(place).has_value(); });
  if (!agrees) {
    if (auto rebuilt = rebuild(); !rebuilt) return rebuilt;
    open_path_.clear();
    places = places_of(query);
    if (!places) return places.error();
  }
  for (const auto& place : *places) {
    if (const auto record = record_at(place)) {
      take(*record);
    } else {
      const auto path = directory_ + "/" + place.writer + "/" + segment_file_name(place.segment);
      read_findings_.push_back(
          {FindingKind::damaged_record, path, place.offset,
           "record " + std::to_string(place.sequence) + " was here when it was read before"});
    }
  }
  return {};
}

}  // namespace sallyport::trail
