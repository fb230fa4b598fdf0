// A simulated client: starts up, sends statements with markers, and believes no reply that does not bear its
// own, in order. It may pipeline, read slowly, cancel, keep state in its session, and leave in any manner.
#pragma once

#include "test/sim/memory_stream.h"
#include "test/sim/oracle.h"
#include "test/sim/sim_session.h"
#include "wire/postgres/messages.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

namespace sallyport::sim {

using Settings = std::map<std::string, std::string>;

enum class Leaving { terminate, terminate_and_close, fin, reset, torn };

struct ClientPlan {
  unsigned number = 0;
  std::uint32_t uid = 1000;
  std::string database = "app";
  Settings profile;
  std::string run_as = "none";  ///< what SHOW role must say
  unsigned statements = 10;
  unsigned depth = 1;  ///< statements sent ahead of their replies
  Duration think_max = 200ms;
  std::uint64_t slow_statement_percent = 5;
  Duration slow_statement_max = 2s;
  bool keeps_state = false;  ///< LISTEN, temporary tables, …: cannot be moved
  bool transactions = true;
  bool slow_reader = false;
  bool cancels = false;
  bool asks_for_tls = false, early = false, protocol_3_2 = false;
  Leaving leaving = Leaving::terminate;
  std::optional<Duration> leaves_early;  ///< closes after so long, wherever it stands
  LinkSettings link;
  bool borrows = false;  ///< the broker pools by transaction
};

class SimClient final : private net::StreamEvents {
 public:
  using Accept = std::function<void(std::unique_ptr<net::Stream>)>;
  static constexpr auto patience = 120s;

  SimClient(SimLoop& loop, Dice dice, Oracle& oracle, ClientPlan its_plan, Accept accept)
      : plan(std::move(its_plan)), loop_(loop), dice_(dice), oracle_(oracle), accept_(std::move(accept)) {}
  ~SimClient() { *alive_ = false; }

  void start() {
    stream_ = open(plan.uid);
    stream_->set_events(this);
    progress_at_ = loop_.now().mono;
    watch();
    if (plan.leaves_early) {
      loop_.after(*plan.leaves_early, [this, alive = alive_] {
        if (!*alive || is_over()) return;
        left_hard_ = true;
        if (dice_.chance(50)) stream_->shutdown_write();
        over(End::as_planned);
      });
    }
    if (plan.asks_for_tls) {
      postgres::encode(out_, postgres::SslRequest{});
      waits_for_answer_ = true;
      return flush();
    }
    send_startup();
  }

  const ClientPlan plan;
  std::function<void(const SimClient&)> on_fatal;  ///< it is told that its session ends

  // ---- for the verdict ----
  enum class End { none, as_planned, refused, cut };  ///< cut: the connection ended under it
  [[nodiscard]] bool is_over() const { return end_ != End::none; }
  [[nodiscard]] End end() const { return end_; }
  [[nodiscard]] bool left_hard() const { return left_hard_; }
  [[nodiscard]] const std::string& fatal() const { return fatal_; }
  [[nodiscard]] const std::string& fatal_message() const { return fatal_message_; }
  /// The end came when nothing was half done: no transaction, no reply begun.
  [[nodiscard]] bool was_at_boundary() const { return status_ == 'I' && !mid_statement_; }
  /// The oldest statement that was not answered; 0: none.
  [[nodiscard]] unsigned unanswered() const { return items_.empty() ? 0 : items_.front().statement; }
  [[nodiscard]] bool sent_at_rest(unsigned statement) const { return at_rest_.contains(statement); }
  [[nodiscard]] bool let_in() const { return let_in_; }
  [[nodiscard]] std::string describe() const {
    return client_name(plan.number) + " (fatal " + fatal_ + " \"" + fatal_message_ + "\", status " + status_ +
           ", unanswered " + std::to_string(unanswered()) + (let_in_ ? "" : ", not let in") +
           (leaving_ ? ", leaving" : "") + ")";
  }

 private:
  struct Item {  // one message that has to come next
    char type = 0;
    std::string text;  // has to stand in it
    unsigned statement = 0;
    std::function<void()> then;
    std::string shows;  // a setting whose value has to stand in it, as it is when the reply comes
  };

  std::unique_ptr<MemoryStream> open(std::uint32_t uid) {
    auto pair = MemoryStream::connect(
        loop_, dice_.split(), plan.link,
        "uid:" + std::to_string(uid) + " pid:" + std::to_string(5000 + plan.number), "sallyport");
    accept_(std::move(pair.second));
    return std::move(pair.first);
  }

  // ---- bytes ----
  void on_readable() override {
    if (!plan.slow_reader) return read_all();
    if (std::exchange(reading_later_, true)) return;
    loop_.after(dice_.ms(1, 20), [this, alive = alive_] {
      if (!*alive) return;
      reading_later_ = false;
      read_all();
    });
  }
  void on_writable() override { flush(); }

  void read_all() {
    bool more = true;
    while (more && stream_ != nullptr) {
      std::uint8_t chunk[2048];
      const auto result = stream_->read({chunk, plan.slow_reader ? 300 : sizeof chunk});
      if (result.status == net::IoStatus::would_block) return;
      if (result.status != net::IoStatus::ok) return on_end();
      more = result.more;
      progress_at_ = loop_.now().mono;
      in_.append({chunk, result.bytes});
      take_messages();
      if (plan.slow_reader && more) return on_readable();
    }
  }

  void take_messages() {
    if (waits_for_answer_ && !in_.empty()) {
      // A server that goes says so in place of an answer.
      const auto answer = in_.unread()[0];
      if (answer != 'N' && answer != 'E')
        oracle_.violation("SSLRequest was answered by something else than N");
      waits_for_answer_ = false;
      if (answer == 'N') {
        in_.consume(1);
        send_startup();
      }
    }
    while (stream_ != nullptr) {
      const auto message = postgres::decode_message(in_.unread(), 1U << 24);
      if (!message) {
        oracle_.violation(client_name(plan.number) + " got bytes that are no message");
        return over(End::cut);
      }
      if (!*message) return;
      const std::vector<std::uint8_t> body{(*message)->body.begin(), (*message)->body.end()};
      const auto type = (*message)->type;
      in_.consume((*message)->frame_bytes());
      on_message(type, Bytes{body});
    }
  }

  void flush() {
    while (stream_ != nullptr && !out_.empty()) {
      const auto result = stream_->write(Bytes{out_});
      if (result.status == net::IoStatus::would_block) return;
      if (result.status != net::IoStatus::ok) {
        out_.clear();  // what there is to read says why
        return;
      }
      out_.erase(out_.begin(), out_.begin() + static_cast<std::ptrdiff_t>(result.bytes));
    }
    if (stream_ != nullptr && leaving_ && plan.leaving == Leaving::terminate_and_close) over(End::as_planned);
  }

  void on_end() {
    // After its FIN it cannot answer a CopyInResponse or send the Sync that is still missing.
    if (leaving_ && (items_.empty() || needs_more_)) return over(End::as_planned);
    over(let_in_ || fatal_.empty() ? End::cut : End::refused);
  }

  void over(End end) {
    if (end_ != End::none) return;
    end_ = end;
    // Not within the stream's own event: others may still be told of it in this turn.
    loop_.at_turn_end([kept = std::shared_ptr<MemoryStream>(std::move(stream_))] {});
  }

  void watch() {
    loop_.after(10s, [this, alive = alive_] {
      if (!*alive || is_over()) return;
      if (loop_.now().mono - progress_at_ > patience) {
        oracle_.violation(describe() + " hangs");
        return over(End::cut);
      }
      watch();
    });
  }

  // ---- messages ----
  void on_message(char type, Bytes body) {
    switch (type) {
      case 'S': {
        const auto status = postgres::decode_parameter_status(body);
        if (!status) return oracle_.violation("a bad ParameterStatus");
        reported_[std::string{status->name}] = status->value;
        return;
      }
      case 'N': return on_notice(body);
      case 'A': {
        const auto note = postgres::decode_notification_response(body);
        if (!note || !channels_.contains(std::string{note->channel})) {
          oracle_.violation(client_name(plan.number) + " got a notification it did not ask for");
        }
        oracle_.count("notification");
        return;
      }
      case 'E': return on_error(body);
      default: break;
    }
    if (!let_in_) return on_greeting(type, body);
    on_reply(type, body);
  }

  void on_notice(Bytes body) {
    const auto fields = postgres::decode_error_fields(body);
    if (!fields || items_.empty() || items_.front().text != "NOTE " + std::string{fields->message()}) {
      oracle_.violation(client_name(plan.number) + " got a notice that is not its own");
    }
  }

  void on_greeting(char type, Bytes body) {
    if (type == 'R' || type == 'v') {
      if (type == 'R' && !oracle_.trail.has_started(client_name(plan.number))) {
        oracle_.violation(client_name(plan.number) + " was let in before its start record was accepted");
      }
      return;
    }
    if (type == 'K') {
      const auto key = postgres::decode_backend_key_data(body);
      if (!key) return oracle_.violation("a bad BackendKeyData");
      pid_ = key->pid;
      key_.assign(key->key.begin(), key->key.end());
      return;
    }
    if (type != 'Z') return oracle_.violation(std::string{"a greeting with a message of type "} + type);
    let_in_ = true;
    oracle_.count("client let in");
    settings_ = {{"application_name", client_name(plan.number)},
                 {"TimeZone", "UTC"},
                 {"DateStyle", "ISO"},
                 {"work_mem", "4MB"},
                 {"search_path", "public"}};
    for (const auto& [name, value] : plan.profile) settings_[name] = value;
    check_reported();
    if (items_.empty()) think();
  }

  void check_reported() {
    for (const auto* name : {"TimeZone", "DateStyle", "application_name"}) {
      if (reported_[name] != settings_[name]) {
        oracle_.violation(client_name(plan.number) + " was told " + name + "=" + reported_[name] +
                          ", expected " + settings_[name]);
      }
    }
  }

  void on_reply(char type, Bytes body) {
    const std::string text{as_text(body)};
    if (items_.empty() || items_.front().type != type) {
      const std::string expected = items_.empty() ? "nothing" : std::string{items_.front().type};
      oracle_.violation(client_name(plan.number) + " got a message of type " + type + ", expected " +
                        expected + ": " + text.substr(0, 60));
      return over(End::cut);
    }
    auto item = std::move(items_.front());
    items_.pop_front();
    if (!item.shows.empty()) item.text += " " + (item.shows == "role" ? plan.run_as : settings_[item.shows]);
    if (text.find(item.text) == std::string::npos) {
      oracle_.violation(client_name(plan.number) + " expected \"" + item.text + "\" and got \"" +
                        text.substr(0, 60) + "\"");
    }
    mid_statement_ = type != 'Z';
    if (item.then) item.then();
    if (type == 'Z') on_ready(text[0]);
    run_actions();
  }

  void on_ready(char status) {
    if (status != status_) {
      oracle_.violation(client_name(plan.number) + " is told transaction status " + status + ", expected " +
                        status_);
      status_ = status;
    }
    if (items_.empty() && !leaving_) think();
  }

  void run_actions() {
    while (!items_.empty() && items_.front().type == '!') {
      auto action = std::move(items_.front().then);
      items_.pop_front();
      action();
    }
  }

  void on_error(Bytes body) {
    const auto fields = postgres::decode_error_fields(body);
    if (!fields) return oracle_.violation("a bad ErrorResponse");
    const std::string state{fields->sqlstate()}, message{fields->message()};
    if (fields->get('S') == "FATAL") {
      fatal_ = state;
      fatal_message_ = message;
      if (on_fatal) on_fatal(*this);
      return;
    }
    if (items_.empty())
      return oracle_.violation(client_name(plan.number) + " got an error out of the blue: " + message);
    const auto& item = items_.front();
    const bool own = item.type == 'E' && message.find(item.text) != std::string::npos;
    const bool cancelled = state == "57014" && item.statement <= cancelled_up_to_;
    const bool aborted = state == "25P02" && status_ == 'E';
    if (!own && !cancelled && !aborted) {
      oracle_.violation(client_name(plan.number) + " got an error it did not cause: " + state + " " +
                        message);
    }
    if (cancelled && !own) oracle_.count("client saw its cancel");
    if (status_ == 'T') status_ = 'E';
    mid_statement_ = true;
    std::function<void()> sync;
    while (!items_.empty() && items_.front().type != 'Z') {
      if (items_.front().type == '!') sync = std::move(items_.front().then);
      items_.pop_front();
    }
    if (sync) sync();
  }

  // ---- what it says ----
  void send_startup() {
    postgres::StartupMessage startup;
    startup.protocol = plan.protocol_3_2 ? postgres::protocol_3_2 : postgres::protocol_3_0;
    startup.parameters = {{"user", client_name(plan.number)},
                          {"database", plan.database},
                          {"application_name", client_name(plan.number)}};
    for (const auto& [name, value] : plan.profile) startup.parameters.emplace_back(name, value);
    postgres::encode(out_, startup);
    if (plan.early) say_something();
    flush();
  }

  void think() {
    loop_.after(dice_.us(0, plan.think_max / 1us), [this, alive = alive_] {
      if (*alive && stream_ != nullptr && !leaving_) act();
    });
  }

  void act() {
    if (statement_ >= plan.statements && (status_ == 'I' || dice_.chance(20))) return leave();
    for (auto count = dice_.between(1, plan.depth); count > 0; --count) say_something();
    if (plan.cancels && dice_.chance(30)) cancel_soon();
    flush();
  }

  void leave() {
    leaving_ = true;
    switch (plan.leaving) {
      case Leaving::terminate:
      case Leaving::terminate_and_close: postgres::encode(out_, postgres::Terminate{}); return flush();
      case Leaving::fin:
        if (dice_.chance(50)) say_something();
        needs_more_ = std::any_of(items_.begin(), items_.end(),
                                  [](const Item& item) { return item.type == '!' || item.type == 'G'; });
        flush();
        if (!out_.empty() || stream_ == nullptr) return over(End::as_planned);
        return stream_->shutdown_write();
      case Leaving::reset:
        left_hard_ = true;
        if (dice_.chance(50)) say_something();
        flush();
        if (stream_ != nullptr && dice_.chance(50)) stream_->shutdown_write();
        return over(End::as_planned);
      case Leaving::torn:
        left_hard_ = true;
        say_something();
        out_.resize(dice_.below(out_.size()) + 1);
        flush();
        return over(End::as_planned);
    }
  }

  // ---- statements ----
  std::string next_marker() {
    ++statement_;
    if (items_.empty() && status_ == 'I') at_rest_.insert(statement_);
    return Marker{plan.number, statement_}.text();
  }
  void expect(char type, std::string text = {}, std::function<void()> then = {}) {
    items_.push_back({type, std::move(text), statement_, std::move(then), {}});
  }

  void query(const std::string& sql) { postgres::encode(out_, postgres::Query{sql}); }

  void say_something() {
    const bool at_rest = items_.empty() && let_in_;
    if (plan.transactions && dice_.chance(20)) return planned_ == 'I' ? begin() : finish_transaction();
    if (at_rest && status_ == 'I' && planned_ == 'I' && dice_.chance(15)) return change_setting();
    if (at_rest && status_ == 'I' && plan.keeps_state && dice_.chance(30)) return keep_state();
    if (at_rest && dice_.chance(10)) return show();
    switch (dice_.below(10)) {
      case 0: return fail();
      case 1: return copy_out();
      case 2: return copy_in();
      case 3: return extended(false);
      case 4: return extended(true);
      case 5: return prepare();
      case 6: return execute_prepared();
      case 7: return note();
      default: return answer();
    }
  }

  std::string answer_sql(const std::string& marker, unsigned rows) {
    const auto bytes = dice_.chance(10) ? dice_.below(6000) : dice_.below(60);
    std::uint64_t pause = 0;
    if (dice_.chance(plan.slow_statement_percent)) pause = dice_.below(plan.slow_statement_max / 1ms);
    return "ANSWER " + marker + " " + std::to_string(rows) + " " + std::to_string(bytes) + " " +
           std::to_string(pause);
  }

  void answer() {
    std::string sql;
    for (auto parts = dice_.chance(10) ? 3 : 1; parts > 0; --parts) {
      const auto marker = next_marker();
      const auto rows = static_cast<unsigned>(dice_.below(5));
      sql += (sql.empty() ? "" : ";") + answer_sql(marker, rows);
      expect('T');
      for (unsigned i = 0; i < rows; ++i) expect('D', marker);
      expect('C', "SELECT " + marker);
    }
    query(sql);
    expect('Z');
  }

  void fail() {
    const auto marker = next_marker();
    query("FAIL " + marker);
    expect('E', marker);
    expect('Z');
  }

  void note() {
    const auto marker = next_marker();
    query("NOTE " + marker);
    expect('C', "NOTE " + marker);
    expect('Z');
  }

  void begin() {
    const auto marker = next_marker();
    query("BEGIN " + marker);
    expect('C', "BEGIN " + marker, [this] { status_ = status_ == 'E' ? 'E' : 'T'; });
    expect('Z');
    planned_ = 'T';
  }

  void finish_transaction() {
    const auto marker = next_marker();
    const std::string verb = dice_.chance(80) ? "COMMIT" : "ROLLBACK";
    query(verb + " " + marker);
    expect('C', verb + " " + marker, [this] { status_ = 'I'; });
    expect('Z');
    planned_ = 'I';
  }

  void change_setting() {
    const auto marker = next_marker();
    static constexpr const char* names[] = {"TimeZone", "work_mem", "search_path", "application_name",
                                            "DateStyle"};
    const std::string name = names[dice_.below(5)],
                      value = "v" + std::to_string(plan.number) + "_" + std::to_string(statement_);
    // What the broker reads it by: the simulated server has no SQL.
    const bool reported = Backend::is_reported(name);
    query("SETTING " + marker + " " + name + " " + value +
          (plan.borrows && !reported ? " set_config(1)" : ""));
    expect('C', "SET " + marker, [this, name, value] { settings_[name] = value; });
    expect('Z', {}, [this] { check_reported(); });
  }

  void show() {
    const auto marker = next_marker();
    static constexpr const char* names[] = {"TimeZone", "work_mem", "search_path", "application_name",
                                            "role"};
    const std::string name = names[dice_.below(5)];
    query("SHOW " + marker + " " + name);
    expect('D', marker);
    items_.back().shows = name;
    expect('C', "SHOW " + marker);
    expect('Z');
  }

  void keep_state() {
    const auto marker = next_marker();
    static constexpr const char* verbs[] = {"LISTEN", "TEMPORARY", "CURSOR", "LOCK", "SQLPREPARE", "NOTIFY"};
    const std::string verb = verbs[dice_.below(6)];
    const std::string channel =
        "channel" + std::to_string(verb == "LISTEN" ? plan.number % 3 : dice_.below(3));
    const bool kept = plan.borrows && verb != "NOTIFY" && verb != "LISTEN";
    query(verb + " " + marker + " " + channel + (kept ? " pg_advisory_lock(1)" : ""));
    if (verb == "LISTEN") channels_.insert(channel);
    expect('C', verb + " " + marker);
    expect('Z');
  }

  void copy_out() {
    const auto marker = next_marker();
    const auto rows = dice_.chance(10) ? dice_.below(400) : dice_.below(10);
    query("COPYOUT " + marker + " " + std::to_string(rows));
    expect('H');
    for (std::uint64_t i = 0; i < rows; ++i) expect('d', marker);
    expect('c');
    expect('C', "COPY " + marker);
    expect('Z');
  }

  void copy_in() {
    // Behind a COPY nothing may be sent ahead; in front of it anything.
    if (plan.depth > 1 || !let_in_) return answer();
    const auto marker = next_marker();
    query("COPYIN " + marker);
    const auto rows = dice_.chance(10) ? dice_.below(300) : dice_.below(10);
    const bool give_up = dice_.chance(15);
    expect('G', {}, [this, marker, rows, give_up] {
      for (std::uint64_t i = 0; i < rows; ++i) frame('d', marker + std::string(90, 'z'));
      if (give_up) {
        frame('f', std::string{"enough"} + '\0');
      } else {
        frame('c', {});
      }
      flush();
    });
    if (give_up) {
      expect('E', marker);
    } else {
      expect('C', "COPY " + marker + " " + std::to_string(rows));
    }
    expect('Z');
  }

  void frame(char type, const std::string& body) {
    postgres::FrameWriter writer{out_, type};
    writer.text(body);
    writer.finish();
  }

  void bind_and_execute(const std::string& statement, const std::string& parameter) {
    postgres::FrameWriter bind{out_, 'B'};
    bind.c_string("");
    bind.c_string(statement);
    bind.i16(0);
    bind.i16(parameter.empty() ? 0 : 1);
    if (!parameter.empty()) {
      bind.i32(static_cast<std::int32_t>(parameter.size()));
      bind.text(parameter);
    }
    bind.i16(0);
    bind.finish();
    postgres::encode(out_, postgres::Execute{"", 0});
  }

  /// `flush_first`: asks for the replies with Flush, and syncs only when it has them.
  void extended(bool flush_first) {
    if (!let_in_) return answer();
    const auto marker = next_marker();
    const auto rows = static_cast<unsigned>(dice_.below(4));
    postgres::encode(out_, postgres::Parse{"", answer_sql(marker, rows), {}});
    bind_and_execute("", "");
    expect('1');
    expect('2');
    for (unsigned i = 0; i < rows; ++i) expect('D', marker);
    expect('C', marker);
    if (flush_first && plan.depth == 1) {
      postgres::encode(out_, postgres::Flush{});
      expect('!', {}, [this] {
        loop_.after(dice_.ms(0, 50), [this, alive = alive_] {
          if (!*alive) return;
          postgres::encode(out_, postgres::Sync{});
          flush();
        });
      });
    } else {
      postgres::encode(out_, postgres::Sync{});
    }
    expect('Z');
  }

  void prepare() {
    const auto marker = next_marker();
    const auto name = "p" + std::to_string(statement_);
    postgres::encode(out_, postgres::Parse{name, "ECHO " + marker, {}});
    postgres::encode(out_, postgres::Sync{});
    expect('1', {}, [this, name, marker] { prepared_[name] = marker; });
    expect('Z');
  }

  void execute_prepared() {
    if (prepared_.empty()) return answer();
    const auto marker = next_marker();
    const auto chosen =
        std::next(prepared_.begin(), static_cast<std::ptrdiff_t>(dice_.below(prepared_.size())));
    const auto [name, text] = *chosen;
    if (dice_.chance(20)) {
      prepared_.erase(chosen);
      if (plan.borrows || dice_.chance(50) || status_ != 'I' || planned_ != 'I') {
        postgres::encode(out_, postgres::Close{postgres::Named::statement, name});
        postgres::encode(out_, postgres::Sync{});
        expect('3');
      } else {
        query("DEALLOCATE " + marker + " " + name);
        expect('C', marker);
      }
      return expect('Z');
    }
    bind_and_execute(name, marker);
    postgres::encode(out_, postgres::Sync{});
    expect('2');
    expect('D', text + " " + marker);
    expect('C', marker);
    expect('Z');
  }

  // ---- cancel ----
  void cancel_soon() {
    loop_.after(dice_.ms(0, 100), [this, alive = alive_] {
      if (!*alive || stream_ == nullptr || key_.empty()) return;
      if (dice_.chance(20)) return cancel(plan.uid, true);  // a wrong key
      if (dice_.chance(20))
        return cancel(plan.uid == 1000 ? 1001 : 1000, false);  // somebody else knows the key
      // What is asked for from now until the cancel is done may be hit, as with a direct connection.
      ++cancels_open_;
      cancelled_up_to_ = ~0U;
      oracle_.count("cancel sent");
      cancel(plan.uid, false);
    });
  }

  struct CancelConnection final : net::StreamEvents {
    std::unique_ptr<MemoryStream> stream;
    std::function<void()> closed;
    void on_readable() override {
      std::uint8_t byte = 0;
      const auto result = stream->read({&byte, 1});
      if (result.status != net::IoStatus::would_block && closed) std::exchange(closed, {})();
    }
    void on_writable() override {}
  };

  void cancel(std::uint32_t uid, bool wrong_key) {
    auto connection = std::make_unique<CancelConnection>();
    connection->stream = open(uid);
    connection->stream->set_events(connection.get());
    postgres::CancelRequest request{pid_, key_};
    if (wrong_key) request.key[0] ^= 1;
    WipedBytes bytes;
    postgres::encode(bytes, request);
    for (Bytes rest{bytes}; !rest.empty();) {
      const auto result = connection->stream->write(rest);
      if (result.status != net::IoStatus::ok) break;
      rest = rest.subspan(result.bytes);
    }
    if (uid == plan.uid && !wrong_key) {
      connection->closed = [this] {
        if (--cancels_open_ == 0) cancelled_up_to_ = statement_;
      };
    }
    cancels_.push_back(std::move(connection));
  }

  SimLoop& loop_;
  Dice dice_;
  Oracle& oracle_;
  Accept accept_;
  std::unique_ptr<MemoryStream> stream_;
  InputBuffer in_;
  WipedBytes out_;
  std::deque<Item> items_;
  std::vector<std::unique_ptr<CancelConnection>> cancels_;
  Settings settings_, reported_;
  std::map<std::string, std::string> prepared_;
  std::set<std::string> channels_;
  std::set<unsigned> at_rest_;
  std::int32_t pid_ = 0;
  std::vector<std::uint8_t> key_;
  unsigned statement_ = 0, cancels_open_ = 0, cancelled_up_to_ = 0;
  char status_ = 'I', planned_ = 'I';
  bool waits_for_answer_ = false, let_in_ = false, leaving_ = false, left_hard_ = false, needs_more_ = false;
  bool mid_statement_ = false, reading_later_ = false;
  End end_ = End::none;
  std::string fatal_, fatal_message_;
  MonotonicTime progress_at_{};
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::sim
