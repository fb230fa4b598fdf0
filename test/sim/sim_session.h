// One backend of the simulated PostgreSQL server, after its login: both query protocols, COPY, settings, the
// catalogues that the mover asks, DISCARD ALL. Its SQL is a few verbs: "ANSWER m17.3. rows bytes milliseconds".
//
// Like a real backend it does one thing at a time, blocks when its client does not read, and reads no further
// message before it has answered.
#pragma once

#include "broker/move_questions.h"
#include "broker/role_settings.h"
#include "test/sim/memory_stream.h"
#include "test/sim/oracle.h"
#include "wire/postgres/messages.h"

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace sallyport::sim {

using Settings = std::map<std::string, std::string>;

/// What backends share: who else is there.
class BackendHost {
 public:
  virtual bool user_alive(const std::string& user) = 0;
  /// Sessions follow one another in a backend without a reset, if they leave nothing behind.
  [[nodiscard]] virtual bool lends_backends() const = 0;
  virtual void notify(const std::string& channel, const std::string& payload) = 0;
  /// A statement of this marker runs in this backend. `boundary`: nothing was open when it arrived.
  virtual void on_statement(class Backend& backend, const Marker& marker, bool boundary) = 0;

 protected:
  ~BackendHost() = default;
};

class Backend final : private net::StreamEvents {
 public:
  enum class Death { none, left, killed, credential };

  Backend(SimLoop& loop, Oracle& oracle, BackendHost& host, std::int32_t its_pid, std::string its_user,
          Settings startup)
      : pid(its_pid),
        user(std::move(its_user)),
        loop_(loop),
        oracle_(oracle),
        host_(host),
        startup_(std::move(startup)) {
    startup_.erase("role");
    for (const auto& [name, value] : defaults()) startup_.emplace(name, value);
    settings_ = startup_;
  }
  ~Backend() { *alive_ = false; }

  static const Settings& defaults() {
    static const Settings known{{"application_name", ""},  {"TimeZone", "UTC"},
                                {"DateStyle", "ISO"},      {"work_mem", "4MB"},
                                {"search_path", "public"}, {"server_version", "17.2"}};
    return known;
  }
  static bool is_reported(const std::string& name) {
    return name == "application_name" || name == "TimeZone" || name == "DateStyle" ||
           name == "server_version";
  }

  void attach(std::unique_ptr<MemoryStream> stream) {
    stream_ = std::move(stream);
    stream_->set_events(this);
  }
  [[nodiscard]] postgres::Parameters reported() const {
    postgres::Parameters parameters;
    for (const auto& [name, value] : settings_) {
      if (is_reported(name)) parameters.emplace_back(name, value);
    }
    return parameters;
  }

  [[nodiscard]] bool connected() const { return stream_ != nullptr; }
  [[nodiscard]] bool is_busy() const { return busy_; }
  [[nodiscard]] bool asks_for_mover() const { return mover_question_; }

  /// SIGINT, as a cancel request sends it: whatever runs now fails.
  void interrupt() {
    if (!busy_) return;
    if (mover_question_) oracle_.violation("a cancel hit a question of ours");
    if (owner != 0) oracle_.count("cancel hit");
    busy_ = false;
    ++work_;
    fail("57014", "canceling statement due to user request");
    after_work();
  }

  void die(Death how, bool with_message) {
    if (stream_ == nullptr) return;
    death = how;
    if (with_message) {
      error("FATAL", "57P01", "terminating connection due to administrator command");
      flush();
    }
    end();
  }

  void deliver_notification(const std::string& channel, const std::string& payload) {
    if (!channels_.contains(channel) || stream_ == nullptr) return;
    notifications_.push_back({channel, payload});
    if (!busy_ && status_ == 'I' && statements_.empty() && !copying_in_ && !in_implicit_) {
      send_notifications();
      flush();
    }
  }

  const std::int32_t pid;
  const std::string user;
  Death death = Death::none;
  unsigned owner = 0;  ///< whose session state is in here; 0: reset
  std::set<unsigned> served;
  bool fail_next_reset = false;
  Duration slowness{};  ///< of every statement

 private:
  // ---- bytes ----
  void on_readable() override { pump(); }
  void on_writable() override {
    flush();
    pump();
  }

  void end() {
    stream_.reset();
    ++work_;
    busy_ = false;
    if (death == Death::none) death = Death::left;
  }

  void flush() {
    while (stream_ != nullptr && !out_.empty()) {
      const auto result = stream_->write(Bytes{out_});
      if (result.status == net::IoStatus::would_block) return;
      if (result.status != net::IoStatus::ok) return end();
      out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(result.bytes));
    }
  }

  void pump() {
    if (std::exchange(pumping_, true)) return;
    while (stream_ != nullptr && !busy_) {
      flush();
      if (stream_ == nullptr || !out_.empty()) break;
      const auto message = postgres::decode_message(in_.unread(), 1U << 24);
      if (!message) {
        oracle_.violation("the server got bytes that are no message");
        end();
        break;
      }
      if (!*message) {
        if (!read_more()) break;
        continue;
      }
      const auto type = (*message)->type;
      const std::vector<std::uint8_t> body{(*message)->body.begin(), (*message)->body.end()};
      in_.consume((*message)->frame_bytes());
      on_message(type, Bytes{body});
    }
    pumping_ = false;
  }

  bool read_more() {
    std::uint8_t chunk[4096];
    const auto result = stream_->read(chunk);
    if (result.status == net::IoStatus::would_block) return false;
    if (result.status != net::IoStatus::ok) {
      end();
      return false;
    }
    in_.append({chunk, result.bytes});
    return true;
  }

  // ---- messages ----
  void on_message(char type, Bytes body) {
    if (copying_in_) return on_copy_message(type, body);
    if (skipping_ && type != 'S' && type != 'X') return;
    boundary_ = status_ == 'I' && !in_implicit_;
    switch (type) {
      case 'Q': return on_query(body);
      case 'P': return on_parse(body);
      case 'B': return on_bind(body);
      case 'E': return on_execute(body);
      case 'D': return frame('n', {});
      case 'C': return on_close(body);
      case 'S':
        skipping_ = false;
        in_implicit_ = false;
        return ready();
      case 'H': return;
      case 'd':
      case 'c':
      case 'f': return;  // ignored outside COPY
      case 'X': return end();
      default: oracle_.violation(std::string{"the server got a message of type "} + type);
    }
  }

  void on_query(Bytes body) {
    const auto query = postgres::decode_query(body);
    if (!query) return oracle_.violation("the server got a bad Query");
    simple_ = true;
    std::stringstream all{std::string{query->sql}};
    const bool ours = query->sql.starts_with("SELECT ") || query->sql.starts_with("SET ");
    if (ours) {
      statements_.emplace_back(query->sql);
    } else {
      for (std::string one; std::getline(all, one, ';');) statements_.push_back(one);
    }
    next_statement();
  }

  void next_statement() {
    if (statements_.empty()) return ready();
    const auto sql = statements_.front();
    statements_.pop_front();
    run(sql, {});
  }

  void on_parse(Bytes body) {
    const auto parse = postgres::decode_parse(body);
    if (!parse) return oracle_.violation("the server got a bad Parse");
    simple_ = false;
    in_implicit_ = true;
    const std::string name{parse->statement};
    if (!name.empty() && prepared_.contains(name)) return fail("42P05", "prepared statement exists: " + name);
    if (status_ == 'E') return fail("25P02", "transaction is aborted");
    prepared_[name] = parse->sql;
    if (!name.starts_with("sallyport")) own(word(std::string{parse->sql}, 1));
    frame('1', {});
  }

  void on_bind(Bytes body) {
    const auto names = postgres::decode_bind_names(body);
    if (!names) return oracle_.violation("the server got a bad Bind");
    simple_ = false;
    in_implicit_ = true;
    const auto found = prepared_.find(names->statement);
    if (found == prepared_.end()) {
      return fail("26000", "prepared statement does not exist: " + std::string{names->statement});
    }
    if (status_ == 'E') return fail("25P02", "transaction is aborted");
    ByteReader reader{body};
    reader.c_string();
    reader.c_string();
    for (auto formats = reader.u16(); formats > 0; --formats) reader.u16();
    std::string parameter;
    if (reader.u16() > 0) parameter = as_text(reader.take(reader.u32()));
    portals_[std::string{names->portal}] = {found->second, parameter};
    frame('2', {});
  }

  void on_execute(Bytes body) {
    const auto execute = postgres::decode_execute(body);
    if (!execute) return oracle_.violation("the server got a bad Execute");
    simple_ = false;
    in_implicit_ = true;
    const auto found = portals_.find(execute->portal);
    if (found == portals_.end()) return fail("34000", "portal does not exist");
    const auto portal = found->second;
    run(portal.sql, portal.parameter);
  }

  void on_close(Bytes body) {
    const auto close = postgres::decode_close(body);
    if (!close) return oracle_.violation("the server got a bad Close");
    if (close->what == postgres::Named::statement) prepared_.erase(std::string{close->name});
    frame('3', {});
  }

  void on_copy_message(char type, Bytes body) {
    if (type == 'd') {
      if (std::string{as_text(body)}.find(copy_marker_) == std::string::npos) {
        oracle_.violation("foreign data in the COPY of " + copy_marker_);
      }
      ++copied_;
    } else if (type == 'c') {
      copying_in_ = false;
      complete("COPY " + copy_marker_ + " " + std::to_string(copied_));
      after_work();
    } else if (type == 'f') {
      copying_in_ = false;
      fail("57014", "COPY failed by its client " + copy_marker_);
      after_work();
    } else if (type == 'X') {
      end();
    } else if (type != 'H' && type != 'S') {
      copying_in_ = false;
      oracle_.violation("a message of another kind during COPY " + copy_marker_);
    }
  }

  // ---- statements ----
  static std::string word(const std::string& sql, unsigned index) {
    std::stringstream stream{sql};
    std::string found;
    for (unsigned i = 0; i <= index; ++i) {
      if (!(stream >> found)) return "";
    }
    return found;
  }

  void own(const std::string& marker_text) {
    const auto marker = Marker::parse(marker_text);
    if (marker.client == 0) return oracle_.violation("a statement without marker: " + marker_text);
    const bool lent = host_.lends_backends() && std::exchange(untouched_, false) && is_clean();
    if (owner != 0 && owner != marker.client && lent) oracle_.count("backend lent to another");
    if (owner != 0 && owner != marker.client && !lent) {
      oracle_.violation(client_name(marker.client) + " met the session of " + client_name(owner) +
                        ", not reset");
    }
    owner = marker.client;
    served.insert(marker.client);
    host_.on_statement(*this, marker, boundary_);
  }

  /// Nothing in it that the next session must not find; what the server reports is set again.
  [[nodiscard]] bool is_clean() const {
    for (const auto& [name, value] : settings_) {
      if (!is_reported(name) && startup_.at(name) != value) return false;
    }
    return objects_.empty() && channels_.empty() && role_ == initial_role_ && status_ == 'I';
  }

  void run(const std::string& sql, const std::string& parameter) {
    if (is_ours(sql)) return run_ours(sql);
    own(parameter.empty() ? word(sql, 1) : parameter);
    if (stream_ == nullptr) return;
    if (!host_.user_alive(user)) return die(Death::credential, true);
    const auto verb = word(sql, 0);
    if (status_ == 'E' && verb != "COMMIT" && verb != "ROLLBACK") {
      fail("25P02", "transaction is aborted");
      return after_work();
    }
    auto pause = slowness;
    if (verb == "ANSWER") pause += std::chrono::milliseconds{std::stol(word(sql, 4))};
    later(pause, [this, sql, parameter] { perform(sql, parameter); });
  }

  /// Work that takes time, and can be cancelled.
  void later(Duration pause, std::function<void()> then) {
    if (pause == Duration::zero()) return then();
    busy_ = true;
    loop_.after(pause, [this, alive = alive_, work = ++work_, then = std::move(then)] {
      if (!*alive || work != work_) return;
      busy_ = false;
      then();
      if (!pumping_) pump();
    });
  }

  void after_work() {
    mover_question_ = false;
    if (stream_ == nullptr || copying_in_) return;
    if (simple_) next_statement();
    if (!pumping_) pump();
  }

  void perform(const std::string& sql, const std::string& parameter) {
    const auto verb = word(sql, 0);
    const auto marker = word(sql, 1);
    if (verb == "ANSWER") {
      const auto rows = std::stoul(word(sql, 2));
      const auto bytes = std::stoul(word(sql, 3));
      if (simple_) frame('T', std::string(2, '\0'));
      for (unsigned long i = 0; i < rows; ++i) row({marker + std::string(bytes, 'x')});
      complete("SELECT " + marker);
    } else if (verb == "ECHO") {
      row({marker + " " + parameter});
      complete("SELECT " + parameter);
    } else if (verb == "FAIL") {
      fail("22012", "division by zero " + marker);
    } else if (verb == "SHOW") {
      const auto name = word(sql, 2);
      row({marker + " " + (name == "role" ? role_ : settings_[name])});
      complete("SHOW " + marker);
    } else if (verb == "SETTING") {
      set(word(sql, 2), word(sql, 3));
      complete("SET " + marker);
    } else if (verb == "NOTE") {
      postgres::ErrorFields fields;
      fields.add('S', "NOTICE");
      fields.add('M', marker);
      postgres::encode_notice_response(out_, fields);
      complete("NOTE " + marker);
    } else if (verb == "COPYOUT") {
      frame('H', std::string(3, '\0'));
      for (auto i = std::stoul(word(sql, 2)); i > 0; --i) frame('d', marker + std::string(100, 'y'));
      frame('c', {});
      complete("COPY " + marker);
    } else if (verb == "COPYIN") {
      copying_in_ = true;
      copied_ = 0;
      copy_marker_ = marker;
      frame('G', std::string(3, '\0'));
    } else {
      perform_state(verb, marker, sql);
    }
    after_work();
  }

  void perform_state(const std::string& verb, const std::string& marker, const std::string& sql) {
    if (verb == "BEGIN") {
      status_ = 'T';
    } else if (verb == "COMMIT" || verb == "ROLLBACK") {
      status_ = 'I';
    } else if (verb == "LISTEN") {
      channels_.insert(word(sql, 2));
    } else if (verb == "NOTIFY") {
      host_.notify(word(sql, 2), marker);
    } else if (verb == "DEALLOCATE") {
      prepared_.erase(word(sql, 2));
    } else {
      ++objects_[verb];  // TEMPORARY, CURSOR, LOCK, SQLPREPARE
    }
    complete(verb + " " + marker);
  }

  // ---- what Sallyport itself says ----
  static bool is_ours(const std::string& sql) {
    return sql == "DISCARD ALL" || sql == "RESET ROLE" || sql.starts_with("SET application_name = ") ||
           sql.starts_with("SELECT ");
  }

  void run_ours(const std::string& sql) {
    const bool question = sql.starts_with("SELECT (") || sql.starts_with("SELECT name");
    mover_question_ =
        question || sql == broker::role_question() || sql.starts_with("SELECT pg_catalog.set_config(");
    later(slowness, [this, sql, question] {
      if (question) {
        answer_mover(sql);
      } else if (sql == "DISCARD ALL") {
        discard_all();
      } else if (sql == "RESET ROLE") {
        // To what start-up gave; DISCARD ALL has lost it.
        role_ = initial_role_;
        complete("RESET");
      } else if (sql == broker::role_question()) {
        row({role_});
        complete("SELECT 1");
      } else if (sql == broker::role_settings_question()) {
        complete("SELECT 0");  // the user has no settings of its own
      } else if (sql.starts_with("SET ")) {
        const auto from = sql.find('\'');
        set("application_name", sql.substr(from + 1, sql.rfind('\'') - from - 1));
        complete("SET");
      } else {
        set_config(sql);
      }
      after_work();
    });
  }

  void discard_all() {
    if (std::exchange(fail_next_reset, false)) return fail("XX000", "the reset failed");
    const auto before = settings_;
    settings_ = startup_;
    role_ = "none";
    for (const auto& [name, value] : settings_) {
      if (is_reported(name) && before.at(name) != value) parameter_status(name, value);
    }
    changed_.clear();
    prepared_.clear();
    portals_.clear();
    channels_.clear();
    objects_.clear();
    notifications_.clear();
    owner = 0;
    complete("DISCARD ALL");
  }

  void set_config(const std::string& sql) {
    constexpr std::string_view call = "pg_catalog.set_config('";
    for (auto at = sql.find(call); at != std::string::npos; at = sql.find(call, at + 1)) {
      const auto name_at = at + call.size();
      const auto name_end = sql.find('\'', name_at);
      const auto value_at = sql.find('\'', name_end + 1) + 1;
      set(sql.substr(name_at, name_end - name_at), sql.substr(value_at, sql.find('\'', value_at) - value_at));
    }
    row({"restored"});
    complete("SELECT 1");
  }

  void answer_mover(const std::string& sql) {
    if (sql.starts_with("SELECT (")) {
      const auto count = [this](const char* what) {
        const auto found = objects_.find(what);
        return std::to_string(found == objects_.end() ? 0 : found->second);
      };
      row({std::to_string(channels_.size()), count("LOCK"), count("CURSOR"), count("TEMPORARY"),
           count("TEMPORARY"), count("SQLPREPARE"), role_, user});
      oracle_.count("mover asked");
    } else if (sql.starts_with("SELECT name, setting")) {
      for (const auto& name : changed_) row({name, settings_[name]});
    } else {
      for (const auto& [name, text] : prepared_) {
        if (!name.empty() && !name.starts_with("sallyport")) row({name});
      }
    }
    complete("SELECT 1");
  }

  void set(const std::string& name, const std::string& value) {
    changed_.insert(name);
    if (settings_[name] == value) return;
    settings_[name] = value;
    if (is_reported(name)) parameter_status(name, value);
  }

  // ---- replies ----
  void frame(char type, const std::string& body) {
    postgres::FrameWriter writer{out_, type};
    writer.text(body);
    writer.finish();
  }
  void row(const std::vector<std::string>& columns) {
    postgres::FrameWriter writer{out_, 'D'};
    writer.i16(static_cast<std::int16_t>(columns.size()));
    for (const auto& column : columns) {
      writer.i32(static_cast<std::int32_t>(column.size()));
      writer.text(column);
    }
    writer.finish();
  }
  void complete(const std::string& tag) { postgres::encode(out_, postgres::CommandComplete{tag}); }
  void parameter_status(const std::string& name, const std::string& value) {
    postgres::encode(out_, postgres::ParameterStatus{name, value});
  }
  void error(const char* severity, const char* sqlstate, const std::string& message) {
    postgres::ErrorFields fields;
    fields.add('S', severity);
    fields.add('V', severity);
    fields.add('C', sqlstate);
    fields.add('M', message);
    postgres::encode_error_response(out_, fields);
  }
  void fail(const char* sqlstate, const std::string& message) {
    error("ERROR", sqlstate, message);
    if (status_ == 'T') status_ = 'E';
    statements_.clear();
    if (!simple_) skipping_ = true;
  }
  void send_notifications() {
    for (; !notifications_.empty(); notifications_.pop_front()) {
      const auto& [channel, payload] = notifications_.front();
      postgres::encode(out_, postgres::NotificationResponse{pid, channel, payload});
    }
  }
  void ready() {
    if (status_ == 'I') portals_.clear();
    untouched_ = status_ == 'I';
    if (status_ == 'I') send_notifications();
    postgres::encode(out_, postgres::ReadyForQuery{static_cast<postgres::TransactionStatus>(status_)});
    flush();
  }

  struct Portal {
    std::string sql, parameter;
  };

  SimLoop& loop_;
  Oracle& oracle_;
  BackendHost& host_;
  std::unique_ptr<MemoryStream> stream_;
  InputBuffer in_;
  WipedBytes out_;
  Settings startup_, settings_;
  std::set<std::string> changed_;
  const std::string initial_role_ = startup_.contains("role") ? startup_.at("role") : "none";
  std::string role_ = initial_role_;
  std::map<std::string, std::string, std::less<>> prepared_;
  std::map<std::string, Portal, std::less<>> portals_;
  std::set<std::string> channels_;
  std::map<std::string, unsigned> objects_;
  std::deque<std::pair<std::string, std::string>> notifications_;
  std::deque<std::string> statements_;
  std::string copy_marker_;
  unsigned copied_ = 0;
  char status_ = 'I';
  bool untouched_ = true;  // since the last transaction ended
  bool simple_ = true, skipping_ = false, in_implicit_ = false, copying_in_ = false, boundary_ = true;
  bool busy_ = false, pumping_ = false, mover_question_ = false;
  std::uint64_t work_ = 0;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::sim
