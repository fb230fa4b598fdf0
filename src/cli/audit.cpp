// sallyport audit tail|query: reads the trail. It takes no lock, changes nothing but the index beside the
// log, and says on standard error what is wrong with the trail.
#include "cli/audit_options.h"
#include "cli/audit_table.h"
#include "cli/audit_time.h"
#include "cli/command.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "trail/index.h"
#include "trail/text.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

namespace sallyport::cli {
namespace {

/// Often enough for eyes, and a few stat(2) calls each time.
constexpr auto follow_interval = std::chrono::milliseconds{250};

/// Standard output or -o FILE; remembers that it could not be written.
class Output {
 public:
  Result<void> open(const std::string& path) {
    if (path.empty()) return {};
    // 0600: what it holds is as private as the trail.
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    file_ = fd < 0 ? nullptr : fdopen(fd, "w");
    if (file_ != nullptr) return {};
    return Error{ErrorCode::bad_config,   Hop::none, path, "cannot be written: " + trail::errno_text(errno),
                 "Give -o another file.", ""};
  }
  ~Output() {
    if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  }
  Output() = default;
  Output(const Output&) = delete;
  Output& operator=(const Output&) = delete;

  void write(std::string_view text) {
    if (std::fwrite(text.data(), 1, text.size(), file_) != text.size()) failed_ = true;
  }
  /// False when the reader has gone away (`| head`) or the disk is full.
  bool flush() {
    if (std::fflush(file_) != 0) failed_ = true;
    return !failed_;
  }

 private:
  std::FILE* file_ = stdout;
  bool failed_ = false;
};

class Audit {
 public:
  Audit(Context& context, AuditOptions options)
      : context_(context),
        options_(std::move(options)),
        json_(context.format == "json"),
        table_(context.color && context.output_file.empty(), !context.quiet,
               [this](std::string_view line) { output_.write(line); }) {}

  int run();

 private:
  Result<void> find_directory();
  Result<void> print_stored(trail::Index& index);
  int follow(const std::vector<std::pair<std::string, trail::Position>>& from);
  Result<std::vector<trail::LogRecord>> take_new(std::vector<trail::WriterLog>& logs,
                                                 std::vector<trail::Finding>& findings);
  void print(const trail::LogRecord& record);
  void tell(const std::vector<trail::Finding>& findings);
  int fail(const Error& error) {
    print_error(error);
    return exit_error;
  }

  Context& context_;
  AuditOptions options_;
  bool json_;
  Output output_;
  AuditTable table_;
  std::map<std::string, std::uint64_t> printed_;  // the highest sequence number printed, by writer
  std::set<std::string> told_;
  std::size_t count_ = 0;
};

Result<void> Audit::find_directory() {
  if (!options_.directory.empty()) return {};
  if (const auto file = configuration_file(context_, *context_.environment)) {
    auto places = config::find_places(*file);
    if (!places) return places.error();
    options_.directory = places->audit_directory;
    return {};
  }
  auto settings = load_settings(context_, *context_.environment);
  if (!settings) return settings.error();
  options_.directory = settings->audit.directory;
  return {};
}

void Audit::print(const trail::LogRecord& record) {
  ++count_;
  auto& highest = printed_[record.writer];
  highest = std::max(highest, record.record.sequence);
  if (json_) {
    output_.write(audit_json(record) + '\n');
  } else {
    table_.add(record);
  }
}

void Audit::tell(const std::vector<trail::Finding>& findings) {
  for (const auto& finding : findings) {
    const auto line = trail::printable(trail::describe(finding));
    if (told_.insert(line).second)
      std::fprintf(stderr, "sallyport: the audit trail is damaged: %s\n", line.c_str());
  }
}

Result<void> Audit::print_stored(trail::Index& index) {
  if (options_.stored) {
    auto printed = index.query(options_.query, [this](const trail::LogRecord& record) { print(record); });
    if (!printed) return printed;
  }
  if (!json_ && (count_ != 0 || options_.follow)) table_.flush();
  const auto findings = index.findings();
  if (!findings) return findings.error();
  tell(*findings);
  return {};
}

/// What all writers have written since, by time.
Result<std::vector<trail::LogRecord>> Audit::take_new(std::vector<trail::WriterLog>& logs,
                                                      std::vector<trail::Finding>& findings) {
  const auto writers = trail::writers_in(options_.directory);
  if (!writers) return writers.error();
  for (const auto& writer : *writers) {
    const bool known = std::any_of(logs.begin(), logs.end(),
                                   [&](const trail::WriterLog& log) { return log.writer() == writer; });
    if (!known) logs.emplace_back(options_.directory, writer);
  }
  std::vector<trail::LogRecord> found;
  for (auto& log : logs) {
    for (;;) {
      auto next = log.next(findings);
      if (!next) return next.error();
      if (!*next) break;
      const auto printed = printed_.find(log.writer());
      const bool again = printed != printed_.end() && (*next)->record.sequence <= printed->second;
      if (!again && trail::matches(options_.query, (*next)->record)) found.push_back(std::move(**next));
    }
  }
  std::stable_sort(found.begin(), found.end(), [](const trail::LogRecord& a, const trail::LogRecord& b) {
    return a.record.event.at < b.record.event.at;
  });
  return found;
}

int Audit::follow(const std::vector<std::pair<std::string, trail::Position>>& from) {
  std::vector<trail::WriterLog> logs;
  for (const auto& [writer, position] : from) logs.emplace_back(options_.directory, writer, position);
  for (;;) {
    std::vector<trail::Finding> findings;
    const auto found = take_new(logs, findings);
    if (!found) return fail(found.error());
    for (const auto& record : *found) print(record);
    tell(findings);
    if (!output_.flush()) return told_.empty() ? exit_ok : exit_findings;
    std::this_thread::sleep_for(follow_interval);
  }
}

int Audit::run() {
  const auto now = context_.clock.now().wall;
  for (const auto& [text, into] :
       {std::pair{&options_.since, &options_.query.since}, {&options_.until, &options_.query.until}}) {
    if (text->empty()) continue;
    const auto time = parse_time(*text, now);
    if (!time) return fail(time.error());
    *into = *time;
  }
  if (auto found = find_directory(); !found) return fail(found.error());
  auto index = trail::Index::open(options_.directory);
  if (!index) {
    if (index.error().code != ErrorCode::not_found) return fail(index.error());
    return fail({ErrorCode::not_found, Hop::trail, options_.directory, "there is no audit trail here yet",
                 "It is made by the first `exec`, `connect` or `serve`; --dir or -c names another place.",
                 ""});
  }
  if (auto opened = output_.open(context_.output_file); !opened) return fail(opened.error());
  // Before the query: what comes in between is printed once, by the query (see take_new).
  const auto positions = index->positions();
  if (!positions) return fail(positions.error());
  if (auto printed = print_stored(*index); !printed) return fail(printed.error());
  if (!output_.flush())
    return fail({ErrorCode::retry_later, Hop::none, "output", "cannot be written", "", ""});
  if (options_.follow) return follow(*positions);
  if (count_ == 0 && options_.stored && !context_.quiet)
    std::fprintf(stderr, "sallyport: no record in %s matches\n", options_.directory.c_str());
  return told_.empty() ? exit_ok : exit_findings;
}

}  // namespace

int run_audit(Context& context, const std::vector<std::string>& arguments) {
  AuditOptions options;
  if (const auto code = read_audit_options(context, arguments, options)) return *code;
  return Audit{context, std::move(options)}.run();
}

}  // namespace sallyport::cli
