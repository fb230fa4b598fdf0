#include "cli/audit_options.h"

#include "cli/exec_run.h"
#include "cli/options.h"
#include "trail/text.h"

#include <CLI/CLI.hpp>

#include <pwd.h>

#include <array>
#include <cstdio>
#include <string_view>

namespace sallyport::cli {

namespace {

constexpr const char* query_examples = R"(
Times: 90s 15m 1h 2d 1w ago, or 2026-11-25, 2026-11-25T10:09:23Z (UTC without a zone).

Examples:
  sallyport audit query --since 1h
  sallyport audit query --since 2026-11-24 --until 2026-11-25 --target production --format json
  sallyport audit query --result denied --identity uid:1001
  sallyport audit query --session 4f1c09b2aa7d3e10         start and end of one session

Exit codes: 0 the trail is whole, 1 it is damaged (said on standard error), 2 error.)";

constexpr const char* tail_examples = R"(
Examples:
  sallyport audit tail                  the last 20 records
  sallyport audit tail -n 100 -f        and what comes, until Ctrl-C
  sallyport audit tail -f --format json | jq .reason

Exit codes: 0 the trail is whole, 1 it is damaged (said on standard error), 2 error.)";

constexpr int records_max = 100'000'000;

/// All that a record's `result` can be (docs/audit.md, "Fields").
constexpr std::array<std::string_view, 11> results{"ok",
                                                   "denied",
                                                   "failed",
                                                   "fetched",
                                                   "gone",
                                                   "credential_changed_outside",
                                                   "role_changed_outside",
                                                   "endpoint_changed",
                                                   "unwrap_failed",
                                                   "cancel_refused",
                                                   "dropped"};

/// What CLI11 shows of a word that is none of `known`; empty: it is one.
template <class Words, class Name>
std::string if_unknown(const char* what, const std::string& word, const Words& known, Name name) {
  std::string names;
  for (const auto& one : known) {
    if (name(one) == word) return {};
    names += " " + std::string{name(one)};
  }
  return std::string{"no such "} + what + ": " + trail::printable(word) + ". Known are" + names;
}

std::string identity_as_recorded(std::string text) {
  if (text.starts_with("uid ") || text.starts_with("uid=")) text[3] = ':';
  return text;
}

/// Denials know an account by its number alone: no rule has named it. Empty: the text is no account's name here.
std::string account_of(const std::string& identity) {
  const passwd* entry = getpwnam(identity.c_str());  // NOLINT(concurrency-mt-unsafe): before any thread
  return entry == nullptr ? std::string{} : "uid:" + std::to_string(entry->pw_uid);
}

void add_filters(CLI::App& app, AuditOptions& options) {
  app.add_option("--since", options.since, "Records at or after this time");
  app.add_option("--until", options.until, "Records before this time");
  app.add_option("--target", options.query.target, "Of this target");
  app.add_option("--role", options.query.role, "Of this role");
  app.add_option("--identity", options.query.identity,
                 "Of this account: uid:1000, its name, or both as printed");
  app.add_option("--kind", options.query.kind,
                 "session_start, session_denied, session_end, credential, security, …")
      ->check([](const std::string& kind) {
        return if_unknown("kind", kind, trail::event_kinds,
                          [](trail::EventKind one) { return trail::name_of(one); });
      });
  app.add_option("--result", options.query.result,
                 "ok, denied, failed; of credentials fetched, gone; of security credential_changed_outside, "
                 "role_changed_outside, endpoint_changed, unwrap_failed, cancel_refused, dropped")
      ->check([](const std::string& result) {
        return if_unknown("result", result, results, [](std::string_view one) { return one; });
      });
  app.add_option("--session", options.query.session, "Of the session with this id");
}

void declare(CLI::App& app, AuditOptions& options) {
  app.require_subcommand(1);
  app.fallthrough();
  app.add_option("--dir", options.directory,
                 "The trail's directory (default: audit.dir of the configuration, else "
                 "$XDG_STATE_HOME/sallyport/audit)");
  auto* tail = app.add_subcommand("tail", "The newest records");
  tail->add_option("-n,--lines", options.tail_count, "How many (default 20)")
      ->check(CLI::Range(0, records_max));
  tail->add_flag("-f,--follow", options.follow, "Go on with what comes");
  add_filters(*tail, options);
  tail->footer(tail_examples);
  auto* query = app.add_subcommand("query", "Records that match");
  add_filters(*query, options);
  query->add_option("--limit", options.query.newest, "Only the newest N of them")
      ->check(CLI::Range(1, records_max));
  query->footer(query_examples);
  app.footer(
      "\nsallyport audit tail --help and sallyport audit query --help have examples. docs/audit.md lists the "
      "fields.");
}

/// Commands that a later version has; says so.
bool names_later_command(const std::vector<std::string>& arguments) {
  for (const auto* later : {"report", "verify", "ingest", "export"}) {
    if (!arguments.empty() && arguments.front() == later) {
      std::fprintf(stderr,
                   "sallyport: audit %s is not in this version\n  fix: audit tail and audit query are; "
                   "docs/audit.md has the "
                   "format for other tools\n",
                   later);
      return true;
    }
  }
  return false;
}

}  // namespace

std::optional<int> read_audit_options(Context& context, const std::vector<std::string>& arguments,
                                      AuditOptions& options) {
  if (names_later_command(arguments)) return exit_error;
  CLI::App app{"Reads the audit trail", "sallyport audit"};
  add_global_options(app, context);
  declare(app, options);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  if (context.format != "text" && context.format != "json") {
    print_error({ErrorCode::bad_config, Hop::none, "--format", "is text or json", "", ""});
    return exit_error;
  }
  options.query.identity = identity_as_recorded(options.query.identity);
  if (!options.query.identity.empty()) options.query.account = account_of(options.query.identity);
  const bool tail = app.got_subcommand("tail");
  if (tail) options.query.newest = options.tail_count;
  options.stored = !tail || options.tail_count != 0;
  return std::nullopt;
}

}  // namespace sallyport::cli
