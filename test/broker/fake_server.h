// A PostgreSQL server in memory, enough for the broker: simple and extended queries, its reset statements, the
// mover's questions. Tests change its public members to make it answer otherwise.
//
// `strict`: as exact as a real one where clients say anything: what is not there is an error, a refused Parse fails.
#pragma once

#include "broker/move_questions.h"
#include "broker/role_settings.h"
#include "test/broker/doubles.h"

#include <deque>
#include <map>
#include <optional>
#include <set>

namespace sallyport::test {

class FakeBackend {
 public:
  FakeBackend(std::shared_ptr<Wire> its_wire, std::int32_t its_pid)
      : wire(std::move(its_wire)), pid(its_pid) {
    wire->on_sent = [this] { serve(); };
  }
  ~FakeBackend() { wire->on_sent = nullptr; }
  FakeBackend(const FakeBackend&) = delete;

  std::shared_ptr<Wire> wire;
  std::int32_t pid;
  bool silent = false;  ///< reads and does not answer
  bool manual = false;  ///< does not even read: the test looks at the wire
  bool refuse_reset = false;
  std::string refuse_write;  ///< the SQLSTATE of every INSERT
  char status = 'I';
  std::vector<std::string> state_row{"0", "0", "0", "0", "0", "0", "none", "user"};
  std::vector<std::vector<std::string>> settings;
  std::vector<std::string> role_settings;
  bool refuse_role_settings = false, refuse_state_question = false;
  unsigned role_settings_asked = 0;
  std::set<std::string> statements;
  bool refuse_restore = false;
  std::vector<std::string> queries;  ///< simple ones, and texts of Parse with "P:" in front
  bool terminated = false;
  std::string unparsed;
  bool strict = false;
  bool in_copy = false;
  /// What a simple query is answered, if not as usual; and what is told of every text that runs.
  std::function<std::optional<std::string>(const std::string& sql)> own_answer;
  std::function<void(const std::string& sql)> on_run;
  std::map<std::string, std::string> reported;  ///< parameters that were set here

  /// The value is in force from now on, and the answer says so.
  std::string tell(const std::string& name, const std::string& value) {
    reported[name] = value;
    return parameter(name, value);
  }

  void serve() {
    if (manual) return;
    unparsed += wire->take();
    for (const auto& message : take_frames(unparsed)) on_message(message);
  }

 private:
  void say(const std::string& bytes) {
    if (!silent) wire->push(bytes);
  }
  void on_message(const Message& message) {
    if (skipping_ && message.type != 'S' && message.type != 'X') return;
    if (in_copy) return on_copy(message.type);
    if (strict && !is_well_formed(message)) return fail("08P01");
    switch (message.type) {
      case 'Q': return on_query(message.body.substr(0, message.body.size() - 1));
      case 'P': return on_parse(message.body);
      case 'B': return on_bind(message.body);
      case 'D': return on_describe(message.body);
      case 'E': return on_execute();
      case 'C': return on_close(message.body);
      case 'F': return say(frame('V', std::string(4, '\xff')) + ready(status));
      case 'S': skipping_ = false; return say(ready(status));
      case 'X': terminated = true; return wire->close_write();
      default: return;
    }
  }
  /// As far as this server reads.
  static bool is_well_formed(const Message& message) {
    const auto zeroes = std::count(message.body.begin(), message.body.end(), '\0');
    switch (message.type) {
      case 'Q': return zeroes == 1 && message.body.back() == '\0';
      case 'P':
      case 'B': return zeroes >= 2;
      case 'D':
      case 'C': return message.body.size() >= 2 && zeroes == 1 && message.body.back() == '\0';
      case 'E': return zeroes >= 1;
      default: return true;
    }
  }
  void fail(std::string_view sqlstate, std::string_view text = "no") {
    skipping_ = true;
    say(error(sqlstate, text));
  }
  /// What on_session_state: refuse puts in a statement's place.
  static bool is_refused(const std::string& sql) {
    return sql.find(" is not available in transaction pooling") != std::string::npos;
  }
  void on_copy(char type) {
    if (type != 'c' && type != 'f') return;
    in_copy = false;
    say((type == 'c' ? complete("COPY 1") : error("57014")) + ready(status));
  }
  void on_close(const std::string& body) {
    const auto name = body.substr(1, body.find('\0', 1) - 1);
    if (body[0] == 'S') statements.erase(name);
    if (body[0] == 'S' && name.empty()) unnamed_ = false;
    say(frame('3'));
  }
  void on_describe(const std::string& body) {
    if (strict && body[0] == 'S' && !knows(body.substr(1, body.size() - 2))) return fail("26000");
    say((body[0] == 'S' ? frame('t', std::string(2, '\0')) : "") + frame('n'));
  }
  [[nodiscard]] bool knows(const std::string& name) const {
    return name.empty() ? unnamed_ : statements.contains(name);
  }
  void on_bind(const std::string& body) {
    portal_ = body.substr(0, body.find('\0'));
    if (strict) {
      const auto at = portal_.size() + 1;
      const auto name = body.substr(at, body.find('\0', at) - at);
      if (!knows(name)) return fail("26000");
      portal_text_ = texts_[name];
      return say(frame('2'));
    }
    const bool unnamed = body[portal_.size() + 1] == '\0';
    if (!unnamed || unnamed_) return say(frame('2'));
    skipping_ = true;
    say(error("26000"));
  }
  void on_query(const std::string& sql) {
    unnamed_ = false;
    // Behind the login: not one of the test's.
    if (sql == broker::role_settings_question()) return on_role_settings(false);
    if (sql == std::string{broker::role_question()} + "; " + std::string{broker::role_settings_question()})
      return on_role_settings(true);
    if (sql == broker::role_question())
      return say(row({state_row[broker::move_role_column]}) + complete("SELECT 1") + ready());
    queries.push_back(sql);
    if (on_run) on_run(sql);
    if (sql == "DISCARD ALL" || (strict && sql == "DEALLOCATE ALL")) statements.clear();
    if (strict && is_refused(sql)) return say(error("22P02", sql) + ready(status));
    if (strict && sql == "DEALLOCATE ALL") return say(complete(sql) + ready(status));
    if (const auto own = own_answer ? own_answer(sql) : std::nullopt) return say(*own);
    if (refuse_reset && sql == "DISCARD ALL") return say(error("55000") + ready());
    if (sql.starts_with("SET application_name = ")) {
      return say(tell("application_name", sql.substr(24, sql.size() - 25)) + complete("SET") + ready(status));
    }
    if (sql.starts_with("SELECT pg_catalog.set_config(")) return on_set_config(sql);
    if (sql.starts_with("SELECT (SELECT") && refuse_state_question)
      return say(error("57014") + ready(status));
    if (sql.starts_with("SELECT (SELECT"))
      return say(row(state_row_with_settings()) + complete("SELECT 1") + ready());
    if (!refuse_write.empty() && sql.starts_with("INSERT")) return say(error(refuse_write) + ready(status));
    if (sql == "RESET ALL") return say(complete("RESET") + tell("application_name", "") + ready(status));
    if (sql == "BEGIN") status = 'T';
    if (sql == "COMMIT" || sql == "ROLLBACK") status = 'I';
    if (sql == "DISCARD ALL" || sql == "RESET ROLE" || sql == "BEGIN" || sql == "COMMIT") {
      return say(complete(sql.substr(0, sql.find(' ') == 5 ? 5 : std::string::npos)) + ready(status));
    }
    if (sql == "fail") return say(error("22012") + ready(status));
    say(row({sql + "@" + std::to_string(pid)}) + complete("SELECT 1") + ready(status));
  }
  void on_role_settings(bool with_role) {
    ++role_settings_asked;
    if (refuse_role_settings) return wire->push(error("42P01") + ready());
    std::string rows;
    if (with_role) rows = row({state_row[broker::move_role_column]}) + complete("SELECT 1");
    for (const auto& one : role_settings) rows += row({one});
    wire->push(rows + complete("SELECT") + ready());
  }
  void on_set_config(const std::string& sql) {
    if (refuse_restore) return say(error("22023") + ready(status));
    constexpr std::string_view call = "set_config('";
    std::string told;
    for (auto at = sql.find(call); at != std::string::npos; at = sql.find(call, at + 1)) {
      const auto name = sql.substr(at + call.size(), sql.find('\'', at + call.size()) - at - call.size());
      const auto value_at = sql.find("', '", at) + 4;
      if (name == "application_name" || name == "TimeZone")
        told += tell(name, sql.substr(value_at, sql.find('\'', value_at) - value_at));
    }
    say(told + row({"restored"}) + complete("SELECT 1") + ready(status));
  }
  [[nodiscard]] std::vector<std::string> state_row_with_settings() const {
    auto answer = state_row;
    const auto unreported = std::count_if(settings.begin(), settings.end(), [this](const auto& setting) {
      return !strict || !reported.contains(setting[0]);
    });
    answer.push_back(std::to_string(unreported));
    return answer;
  }
  void on_parse(const std::string& body) {
    const auto name = body.substr(0, body.find('\0'));
    const auto sql = body.substr(name.size() + 1, body.find('\0', name.size() + 1) - name.size() - 1);
    queries.push_back("P:" + name + ":" + sql);
    if (strict && is_refused(sql)) return fail("22P02", sql);
    if (strict && statements.contains(name)) return fail("42P05");
    if (refuse_restore && !name.starts_with("sallyport")) {
      skipping_ = true;
      return say(error("42P01"));
    }
    if (!name.empty()) statements.insert(name);
    if (name.empty()) unnamed_ = true;
    if (strict) texts_[name] = sql;
    say(frame('1'));
  }
  void on_execute() {
    if (portal_ == "sallyport move 0") {
      say(row(state_row));
    } else if (portal_ == "sallyport move 1") {
      for (const auto& setting : settings) say(row(setting));
      if (strict) {
        for (const auto& [name, value] : reported) say(row({name, value}));
      }
    } else if (portal_ == "sallyport move 2") {
      for (const auto& name : statements) {
        if (!name.starts_with("sallyport move")) say(row({name}));
      }
    } else if (strict) {
      if (on_run) on_run(portal_text_);
      say(row({portal_text_}));
    } else {
      say(row({"extended@" + std::to_string(pid)}));
    }
    say(complete("SELECT 1"));
  }

  bool unnamed_ = false;
  bool skipping_ = false;
  std::string portal_, portal_text_;
  std::map<std::string, std::string> texts_;  // of statements; strict
};

}  // namespace sallyport::test
