#include "trail/index.h"

#include "trail/segment.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

namespace sallyport::trail {
namespace {

/// Raised when the tables change; an index of another version is rebuilt.
constexpr std::int64_t schema_version = 2;

/// Records taken up in one transaction, so that readers beside us wait no longer than that.
constexpr std::size_t batch_records_max = 20'000;

constexpr const char* create_schema = R"(
  CREATE TABLE IF NOT EXISTS record (
    at INTEGER NOT NULL, writer TEXT NOT NULL, segment INTEGER NOT NULL, offset INTEGER NOT NULL, seq INTEGER NOT NULL,
    kind TEXT NOT NULL, session TEXT NOT NULL, target TEXT NOT NULL, role TEXT NOT NULL, identity TEXT NOT NULL,
    result TEXT NOT NULL, PRIMARY KEY (at, writer, seq, segment, offset)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS record_session ON record (session);
  CREATE TABLE IF NOT EXISTS position (writer TEXT PRIMARY KEY, segment INTEGER NOT NULL, offset INTEGER NOT NULL,
    next INTEGER NOT NULL);
  CREATE TABLE IF NOT EXISTS segment (writer TEXT NOT NULL, segment INTEGER NOT NULL, bytes INTEGER NOT NULL,
    PRIMARY KEY (writer, segment));
  CREATE TABLE IF NOT EXISTS finding (kind INTEGER NOT NULL, file TEXT NOT NULL, offset INTEGER NOT NULL, what TEXT NOT NULL,
    PRIMARY KEY (kind, file, offset));
)";

std::int64_t micros_of(WallTime time) {
  return std::chrono::duration_cast<std::chrono::microseconds>(time.time_since_epoch()).count();
}

bool is_ours(const std::string& directory) {
  struct stat status {};
  return stat(directory.c_str(), &status) == 0 && status.st_uid == geteuid();
}

void remove_files(const std::string& path) {
  for (const auto* suffix : {"", "-journal", "-wal", "-shm"}) unlink((path + suffix).c_str());
}

}  // namespace

Result<Index> Index::open(const std::string& trail_directory) {
  const auto writers = writers_in(trail_directory);
  if (!writers) return writers.error();
  // Where writers were once, their absence is a finding. Elsewhere nothing is left behind by a look.
  if (writers->empty() && access((trail_directory + "/index.db").c_str(), F_OK) != 0)
    return Error{ErrorCode::not_found, Hop::trail, trail_directory, "holds no audit trail", "", ""};
  // In another user's directory nothing is opened that this user could have prepared for us.
  if (is_ours(trail_directory)) {
    const auto path = trail_directory + "/index.db";
    auto index = open_at(trail_directory, path);
    if (!index && index.error().code == ErrorCode::invalid_message) {
      remove_files(path);
      index = open_at(trail_directory, path);
    }
    if (index) return index;
  }
  return open_at(trail_directory, ":memory:");
}

Result<Index> Index::open_at(const std::string& trail_directory, const std::string& path) {
  auto database = Database::open(path);
  if (!database) return database.error();
  Index index{trail_directory, path, std::move(*database)};
  if (auto ready = index.prepare_schema(); !ready) return ready.error();
  if (auto updated = index.update(); !updated) return updated.error();
  return index;
}

Result<void> Index::prepare_schema() {
  // It can be rebuilt, so it need not survive a power cut.
  if (auto set = database_.execute("PRAGMA synchronous = OFF; PRAGMA temp_store = MEMORY"); !set) return set;
  auto version = database_.prepare("PRAGMA user_version");
  if (!version) return version.error();
  if (const auto row = version->step(); !row) return row.error();
  if (version->integer(0) == schema_version) return {};
  if (version->integer(0) != 0)
    return Error{ErrorCode::invalid_message, Hop::trail, "index", "has another version", "", ""};
  version->reset();
  for (const std::string& sql :
       {std::string{"BEGIN IMMEDIATE"}, std::string{create_schema},
        "PRAGMA user_version = " + std::to_string(schema_version), std::string{"COMMIT"}}) {
    if (auto done = database_.execute(sql.c_str()); !done) return done;
  }
  return {};
}

Result<void> Index::update() {
  for (;;) {
    if (auto begun = database_.execute("BEGIN IMMEDIATE"); !begun) return begun;
    const auto more = update_some();
    const auto ended = database_.execute(more ? "COMMIT" : "ROLLBACK");
    if (!more) return more.error();
    if (!ended) return ended.error();
    if (!*more) return {};
  }
}

Result<std::vector<std::pair<std::string, Position>>> Index::positions() {
  auto statement = database_.prepare("SELECT writer, segment, offset, next FROM position ORDER BY writer");
  if (!statement) return statement.error();
  std::vector<std::pair<std::string, Position>> found;
  for (;;) {
    const auto row = statement->step();
    if (!row) return row.error();
    if (!*row) return found;
    found.emplace_back(statement->text(0),
                       Position{statement->count(1), statement->count(2), statement->count(3)});
  }
}

/// One transaction's worth. True: there is more. Positions are read inside the transaction, so that two
/// readers at once never take up the same record twice.
Result<bool> Index::update_some() {
  const auto known = positions();
  if (!known) return known.error();
  const auto writers = writers_in(directory_);
  if (!writers) return writers.error();
  std::vector<Finding> findings;
  std::size_t room = batch_records_max;
  bool more = false;
  for (const auto& writer : *writers) {
    const auto at =
        std::find_if(known->begin(), known->end(), [&](const auto& entry) { return entry.first == writer; });
    WriterLog log{directory_, writer, at == known->end() ? Position{} : at->second};
    const auto left = take_up(log, room, findings);
    if (!left) return left.error();
    more = more || *left;
    if (auto stored = store_position(log); !stored) return stored.error();
  }
  if (auto checked = check_segments(findings); !checked) return checked.error();
  if (auto stored = store(findings); !stored) return stored.error();
  return more;
}

Result<bool> Index::take_up(WriterLog& log, std::size_t& room, std::vector<Finding>& findings) {
  auto insert = database_.prepare("INSERT OR REPLACE INTO record VALUES (?,?,?,?,?,?,?,?,?,?,?)");
  if (!insert) return insert.error();
  for (; room > 0; --room) {
    const auto next = log.next(findings);
    if (!next) return next.error();
    if (!*next) return false;
    const auto& found = **next;
    const auto& event = found.record.event;
    insert->bind(1, micros_of(event.at)).bind(2, found.writer).bind(3, found.segment).bind(4, found.offset);
    insert->bind(5, found.record.sequence)
        .bind(6, found.record.kind)
        .bind(7, event.session)
        .bind(8, event.target);
    insert->bind(9, event.role).bind(10, identity_of(event)).bind(11, event.result);
    if (auto inserted = insert->run(); !inserted) return inserted.error();
  }
  return true;
}

Result<void> Index::store_position(const WriterLog& log) {
  const auto& position = log.position();
  if (position.segment == 0) return {};
  auto put = database_.prepare("INSERT OR REPLACE INTO position VALUES (?,?,?,?)");
  if (!put) return put.error();
  put->bind(1, log.writer())
      .bind(2, position.segment)
      .bind(3, position.offset)
      .bind(4, position.next_sequence);
  if (auto stored = put->run(); !stored) return stored;
  auto note = database_.prepare("INSERT OR REPLACE INTO segment VALUES (?,?,?)");
  if (!note) return note.error();
  // Segments passed in one go are noted with the size that they have: nobody writes to them any more.
  const auto numbers = segments_in(directory_ + "/" + log.writer());
  if (!numbers) return {};
  for (const auto number : *numbers) {
    if (number > position.segment || (number == position.segment && position.offset == 0)) break;
    struct stat status {};
    const auto path = directory_ + "/" + log.writer() + "/" + segment_file_name(number);
    if (stat(path.c_str(), &status) != 0) continue;
    auto have = database_.prepare("SELECT 1 FROM segment WHERE writer = ? AND segment = ?");
    if (!have) return have.error();
    const auto row = have->bind(1, log.writer()).bind(2, number).step();
    if (!row) return row.error();
    if (*row && number != position.segment) continue;
    const auto bytes =
        number == position.segment ? position.offset : static_cast<std::uint64_t>(status.st_size);
    if (auto stored = note->bind(1, log.writer()).bind(2, number).bind(3, bytes).run(); !stored)
      return stored;
  }
  return {};
}

/// What was indexed once must still be there.
Result<void> Index::check_segments(std::vector<Finding>& findings) {
  auto all = database_.prepare("SELECT writer, segment, bytes FROM segment");
  if (!all) return all.error();
  for (;;) {
    const auto row = all->step();
    if (!row) return row.error();
    if (!*row) return {};
    const auto path = directory_ + "/" + all->text(0) + "/" + segment_file_name(all->count(1));
    struct stat status {};
    if (stat(path.c_str(), &status) != 0) {
      if (errno == ENOENT)
        findings.push_back(
            {FindingKind::missing_segment, path, 0, "had been read before, and is not there any more"});
    } else if (static_cast<std::uint64_t>(status.st_size) < all->count(2)) {
      findings.push_back({FindingKind::segment_shortened, path, static_cast<std::uint64_t>(status.st_size),
                          "was longer when it was read before: " + std::to_string(all->count(2)) + " bytes"});
    }
  }
}

Result<void> Index::store(const std::vector<Finding>& findings) {
  auto put = database_.prepare("INSERT OR IGNORE INTO finding VALUES (?,?,?,?)");
  if (!put) return put.error();
  for (const auto& finding : findings) {
    put->bind(1, static_cast<std::int64_t>(finding.kind))
        .bind(2, finding.file)
        .bind(3, finding.offset)
        .bind(4, finding.what);
    if (auto stored = put->run(); !stored) return stored;
  }
  return {};
}

Result<std::vector<Finding>> Index::findings() {
  auto all = database_.prepare("SELECT kind, file, offset, what FROM finding ORDER BY file, offset, kind");
  if (!all) return all.error();
  auto found = read_findings_;
  for (;;) {
    const auto row = all->step();
    if (!row) return row.error();
    if (!*row) return found;
    found.push_back({static_cast<FindingKind>(all->integer(0)), all->text(1), all->count(2), all->text(3)});
  }
}

/// Everything but the findings: damage that was seen once stays told.
Result<void> Index::rebuild() {
  if (auto emptied = database_.execute(
          "BEGIN IMMEDIATE; DELETE FROM record; DELETE FROM position; DELETE FROM segment; COMMIT");
      !emptied) {
    return emptied;
  }
  return update();
}

}  // namespace sallyport::trail
