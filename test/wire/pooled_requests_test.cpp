// What a client sees through borrowed connections is what it would see on one of its own: checked against a model
// server for scripts made by dice, and one claim at a time.
#include "wire/postgres/pooled_requests.h"

#include "wire/postgres/error_fields.h"
#include "wire/postgres/refused_state.h"

#include "test/wire/model_server.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <random>

namespace sallyport::postgres::test::pooled_requests_test {
namespace {

class NothingReported final : public ReportedNames {
 public:
  [[nodiscard]] bool is_reported(std::string_view) const override { return false; }
  [[nodiscard]] std::string reading() const override { return now; }
  std::string now;
};

struct Connection {
  ModelServer server;
  UpstreamStatements statements;
};

std::string zero(const std::string& text) { return text + '\0'; }
std::string parse(const std::string& name, const std::string& sql) {
  return frame_of('P', zero(name) + zero(sql) + std::string(2, '\0'));
}
std::string bind(const std::string& name, const std::string& portal = "") {
  return frame_of('B', zero(portal) + zero(name) + std::string(6, '\0'));
}
std::string describe(const std::string& name) { return frame_of('D', 'S' + zero(name)); }
std::string execute() { return frame_of('E', zero("") + std::string(4, '\0')); }
std::string close(const std::string& name) { return frame_of('C', 'S' + zero(name)); }
std::string sync() { return frame_of('S', ""); }
std::string query(const std::string& sql) { return frame_of('Q', zero(sql)); }
std::string run(const std::string& name) { return bind(name) + execute() + sync(); }

std::string readable(std::string bytes) {
  std::string text;
  for (const auto& [type, body] : take_frames(bytes)) {
    text += type;
    for (const char c : body) text += c == '\0' ? '|' : c;
    text += ' ';
  }
  return text;
}

/// A connection that has no statement ends them all where the client ends one.
ModelFrame with_one_tag(const ModelFrame& frame) {
  if (frame != ModelFrame{'C', "DEALLOCATE ALL" + std::string(1, '\0')}) return frame;
  return {'C', "DEALLOCATE" + std::string(1, '\0')};
}
std::vector<ModelFrame> with_one_tag(std::vector<ModelFrame> frames) {
  for (auto& frame : frames) frame = with_one_tag(frame);
  return frames;
}

/// A client in transaction pooling.
class Borrower {
 public:
  explicit Borrower(StatementRegistry& registry, PooledRequests::Settings settings = {})
      : registry_(registry), settings_(settings) {
    requests_.emplace(tracker_.emplace(), registry_, settings_);
  }

  /// The client's bytes in pieces of `piece`, on this connection unless it still has one; what it sees.
  std::vector<ModelFrame> send(Connection& free, const std::string& bytes, std::size_t piece = 1U << 20) {
    std::vector<ModelFrame> seen;
    for (std::size_t at = 0; at < bytes.size(); at += piece) {
      if (connection_ == nullptr) {
        connection_ = &free;
        requests_->attach(free.statements, reported, false);
      }
      held_ += bytes.substr(at, piece);
      while (pass_on(seen)) {}
      refused.add(requests_->take_refused());
      const bool at_rest = tracker_->at_boundary() && held_.empty() && requests_->at_boundary();
      if (at_rest && (requests_->state().empty() || ignores_state)) let_go();
    }
    return seen;
  }
  [[nodiscard]] bool has_connection() const { return connection_ != nullptr; }
  PooledRequests& requests() { return *requests_; }
  bool ignores_state = false;
  StateReasons refused;  ///< so far
  NothingReported reported;

 private:
  /// True: the server's answers had to be waited for, and have come.
  bool pass_on(std::vector<ModelFrame>& seen) {
    WipedBytes out;
    const auto taken = requests_->take(as_bytes(held_), out);
    EXPECT_TRUE(taken);
    if (!taken) return false;
    const auto sent = taken->rewritten ? std::string{as_text(Bytes{out})} : held_.substr(0, taken->consumed);
    held_.erase(0, taken->consumed);
    EXPECT_FALSE(taken->waits && tracker_->nothing_outstanding());
    for (const auto& frame : connection_->server.feed(sent)) see(frame, seen);
    EXPECT_FALSE(taken->waits && sent.empty()) << readable(held_);
    return taken->full || (taken->waits && !sent.empty());
  }
  void see(const ModelFrame& frame, std::vector<ModelFrame>& seen) {
    Face face = Face::as_it_is;
    if (frame.type == 'Z' || frame.type == 'C') {
      tracker_->on_server_body(frame.type, as_bytes(frame.body));
    } else {
      face = tracker_->on_server_frame(frame.type);
    }
    if (frame.type == 'E') requests_->on_error(frame.body.substr(8, 5));
    if (face == Face::hidden) return;
    seen.push_back(face == Face::parse_complete ? ModelFrame{'1', ""} : with_one_tag(frame));
  }
  // After some time at rest nothing stays but what it has prepared.
  void let_go() {
    requests_->detach();
    connection_ = nullptr;
    if (++rests_ % 2 == 0 || !requests_->state().empty()) return;
    auto prepared = requests_->take_prepared();
    requests_.reset();
    requests_.emplace(tracker_.emplace(), registry_, settings_, std::move(prepared));
  }

  StatementRegistry& registry_;
  PooledRequests::Settings settings_;
  unsigned rests_ = 0;
  std::optional<SessionTracker> tracker_;
  std::optional<PooledRequests> requests_;
  Connection* connection_ = nullptr;
  std::string held_;
};

TEST(PooledRequests, AStatementIsParsedAgainWhereTheConnectionLacksIt) {
  StatementRegistry registry;
  Connection a, b;
  Borrower client{registry};
  ModelServer direct;
  for (auto* connection : {&a, &b, &a, &b}) {
    const auto bytes = direct.statements().empty() ? parse("x", "select 1") + sync() : run("x");
    EXPECT_EQ(client.send(*connection, bytes), direct.feed(bytes));
    EXPECT_FALSE(client.has_connection());
  }
  EXPECT_EQ(a.server.statements(), b.server.statements());
}

TEST(PooledRequests, TwoClientsWithOneNameForTwoTextsGetTheirOwn) {
  StatementRegistry registry;
  Connection only;
  Borrower one{registry}, two{registry};
  one.send(only, parse("s", "select 'one'") + sync());
  two.send(only, parse("s", "select 'two'") + sync());
  EXPECT_EQ(one.send(only, run("s"))[1].body, "select 'one'");
  EXPECT_EQ(two.send(only, run("s"))[1].body, "select 'two'");
}

TEST(PooledRequests, OneTextIsPreparedOnceForAllClients) {
  StatementRegistry registry;
  Connection only;
  for (std::uint64_t number = 1; number <= 20; ++number) {
    Borrower client{registry};
    const auto seen = client.send(only, parse("s" + std::to_string(number), "select 1") + sync());
    EXPECT_EQ(seen.front().type, '1');
    EXPECT_EQ(client.send(only, run("s" + std::to_string(number)))[1].body, "select 1");
  }
  EXPECT_EQ(only.server.statements().size(), 1U);
}

TEST(PooledRequests, TheUnnamedStatementOutlivesTheConnectionThatParsedIt) {
  StatementRegistry registry;
  Connection a, b;
  Borrower one{registry}, two{registry};
  one.send(a, parse("", "select 'one'") + describe("") + sync());
  two.send(a, parse("", "select 'two'") + sync());
  EXPECT_EQ(one.send(a, run(""))[1].body, "select 'one'");
  EXPECT_EQ(one.send(b, run(""))[1].body, "select 'one'");
  EXPECT_EQ(two.send(b, run(""))[1].body, "select 'two'");
  two.send(b, query("select 3"));
  EXPECT_EQ(two.send(a, run(""))[0].body.substr(8, 5), "26000");
}

TEST(PooledRequests, MoreStatementsThanAConnectionMayKeepReplaceTheLeastUsed) {
  StatementRegistry registry;
  Connection only;
  Borrower client{registry, {.statements_max = 10}};
  for (int i = 0; i < 50; ++i) {
    const auto text = std::to_string(i);
    client.send(only, parse("s" + text, "select " + text) + sync());
    EXPECT_LE(only.server.statements().size(), 10U);
  }
  for (int i = 0; i < 50; ++i) {
    const auto text = std::to_string(i);
    EXPECT_EQ(client.send(only, run("s" + text))[1].body, "select " + text);
  }
}

TEST(PooledRequests, SoDoMoreBytesOfThem) {
  StatementRegistry registry;
  Connection only;
  Borrower client{registry, {.statements_max = 1000}};
  Borrower others{registry, {.statements_max = 1000}};
  const std::string padding(limits::session_statements_bytes_max * 9 / 10, ' ');
  for (int i = 0; i < 20; ++i) {
    const auto text = std::to_string(i);
    client.send(only, parse("s", "select " + text + padding) + sync());
    EXPECT_LE(only.statements.bytes(), limits::upstream_statements_bytes_max);
    client.send(only, close("s") + sync());
  }
  EXPECT_EQ(only.server.statements().size(), 17U);
  others.send(only, parse("t", "select 1") + sync());
  EXPECT_EQ(others.send(only, run("t"))[1].body, "select 1");
}

std::vector<std::uint8_t> error_body(const std::string& sqlstate, const std::string& message) {
  ErrorFields fields;
  fields.add('S', "FEHLER");
  fields.add('V', "ERROR");
  fields.add('C', sqlstate);
  fields.add('M', message);
  fields.add('P', "8");
  fields.add('F', "numutils.c");
  fields.add('L', "255");
  fields.add('R', "pg_strtoint32");
  WipedBytes frame;
  encode_error_response(frame, fields);
  return {frame.begin() + 5, frame.end()};
}

TEST(PooledRequests, AFrameWithoutABodyIsReadWhereverItStands) {
  for (const char type : {'P', 'B', 'C', 'D', 'E', 'F', 'H', 'Q', 'S', 'c', 'd', 'f'}) {
    for (const auto& front : {query("select 1"), sync(), std::string{}}) {
      StatementRegistry registry;
      Connection only;
      Borrower client{registry};
      const NothingReported reported;
      const auto bytes = front + frame_of(type, "");
      // Exactly as long as it is, so that a look beyond its end is found.
      const std::vector<std::uint8_t> exact{bytes.begin(), bytes.end()};
      client.requests().attach(only.statements, reported, false);
      WipedBytes out;
      const auto taken = client.requests().take(Bytes{exact}, out);
      EXPECT_TRUE(!taken || taken->consumed <= exact.size()) << type;
    }
  }
}

TEST(PooledRequests, WhatIsRewrittenStopsAtALimit) {
  StatementRegistry registry;
  Connection only;
  Borrower client{registry, {.statements_max = 10}};
  const NothingReported reported;
  const std::string padding(90'000, ' ');
  for (int i = 0; i < 11; ++i)
    client.send(only, parse("s" + std::to_string(i), "select " + std::to_string(i) + padding) + sync());
  std::string binds;
  for (int i = 0; i < 1000; ++i) {
    const auto name = "s" + std::to_string(i % 11);
    binds += bind(name);
  }
  client.requests().attach(only.statements, reported, false);
  WipedBytes out;
  const auto taken = client.requests().take(as_bytes(binds), out);
  ASSERT_TRUE(taken);
  EXPECT_TRUE(taken->full);
  EXPECT_LT(taken->consumed, binds.size());
  EXPECT_LT(out.size(), limits::relay_pending_bytes_max + 2 * 100'000);
}

TEST(RefusedState, TheServersWordsAboutItAreReplacedInTheSameLength) {
  const std::string told = "listen" + std::string{refusal_mark};
  for (const auto* quotes : {"\"", "»"}) {
    auto body = error_body("22P02",
                           std::string{"ungültige Eingabesyntax für Typ integer: "} + quotes + told + quotes);
    const auto size = body.size();
    tell_refusal(body);
    EXPECT_EQ(body.size(), size);
    const auto fields = decode_error_fields(body);
    ASSERT_TRUE(fields);
    EXPECT_EQ(fields->sqlstate(), "0A000");
    EXPECT_EQ(fields->message(), told);
    EXPECT_EQ(fields->get('S'), "FEHLER");
    EXPECT_TRUE(fields->get('H').starts_with("Use session pooling")) << fields->get('H');
    EXPECT_EQ(fields->get('P'), "") << "of SQL that the client has not sent";
  }
}

TEST(RefusedState, OtherErrorsStayAsTheyAre) {
  const std::string told = "listen" + std::string{refusal_mark};
  for (auto body : {error_body("22P02", "invalid input syntax for type integer: \"x\""),
                    error_body("42601", told), std::vector<std::uint8_t>{'C', '2'}}) {
    const auto before = body;
    tell_refusal(body);
    EXPECT_EQ(body, before);
  }
}

TEST(StatementRegistry, ATextIsForgottenWithTheLastWhoHasIt) {
  StatementRegistry registry;
  const auto body = [](const std::string& text) { return as_bytes(text); };
  auto first = registry.intern(body("select 1"));
  auto again = registry.intern(body("select 1"));
  EXPECT_EQ(first, again);
  auto other = registry.intern(body("select 2"));
  EXPECT_EQ(registry.size(), 2U);
  registry.retire(*first);
  EXPECT_EQ(registry.size(), 1U);
  auto anew = registry.intern(body("select 1"));
  EXPECT_NE(anew->name, first->name);
  first.reset();
  again.reset();
  EXPECT_EQ(registry.intern(body("select 1")), anew) << "the retired one took nobody else's place with it";
  anew.reset();
  EXPECT_EQ(registry.size(), 1U);
  registry.retire_all();
  other.reset();
  EXPECT_EQ(registry.size(), 0U);
}

TEST(StatementRegistry, AStatementMayOutliveIt) {
  StatementPtr left;
  {
    StatementRegistry registry;
    left = registry.intern(as_bytes(std::string_view{"select 1"}));
  }
  EXPECT_EQ(as_text(left->body), "select 1");
}

TEST(PooledRequests, AChangedResultTypeIsCuredByPreparingAgain) {
  StatementRegistry registry;
  Connection only;
  Borrower client{registry};
  client.send(only, parse("s", "select * from t") + sync());
  const auto before = only.server.statements().begin()->first;
  const NothingReported reported;
  client.requests().attach(only.statements, reported, false);
  client.send(only, run("s"));
  only.server.spoil("from t");
  EXPECT_EQ(client.send(only, run("s"))[0].body.substr(8, 5), "0A000");
  only.server.spoil("");
  client.send(only, close("s") + sync());
  client.send(only, parse("s", "select * from t") + sync());
  EXPECT_EQ(client.send(only, run("s"))[1].body, "select * from t");
  EXPECT_EQ(only.server.statements().size(), 2U);
  EXPECT_TRUE(only.server.statements().contains(before));
}

TEST(PooledRequests, AfterAnAlterNobodySharesWhatWasPreparedBefore) {
  StatementRegistry registry;
  Connection only;
  Borrower one{registry}, two{registry}, three{registry};
  one.send(only, parse("s", "insert into t values ($1)") + sync());
  one.requests().on_done("ALTER TABLE");
  two.send(only, parse("s", "insert into t values ($1)") + sync());
  EXPECT_EQ(only.server.statements().size(), 2U) << "parsed anew";
  one.requests().on_done({});
  three.send(only, parse("s", "insert into t values ($1)") + sync());
  EXPECT_EQ(only.server.statements().size(), 3U) << "what was parsed before the commit is of before, too";
  EXPECT_EQ(one.send(only, run("s"))[1].body, "insert into t values ($1)") << "who has it keeps it";
}

TEST(PooledRequests, ACommitOfWhatWasPreparedToBeCommittedEndsTheSharing) {
  StatementRegistry registry;
  Connection only;
  Borrower one{registry}, two{registry};
  one.send(only, parse("s", "select v from shadow") + sync());
  const NothingReported reported;
  one.requests().attach(only.statements, reported, false);
  one.requests().on_done("COMMIT PREPARED");
  one.requests().detach();
  two.send(only, parse("s", "select v from shadow") + sync());
  EXPECT_EQ(only.server.statements().size(), 2U);
}

TEST(PooledRequests, AnEarlierTransactionsEndForgetsNothingOfWhatIsUnderWay) {
  StatementRegistry registry;
  SessionTracker tracker;
  Connection only;
  const NothingReported reported;
  PooledRequests requests{tracker, registry, {}};
  requests.attach(only.statements, reported, false);
  const auto shared = registry.intern(as_bytes("select 1"));
  only.statements.add(shared);
  WipedBytes out;
  ASSERT_TRUE(requests.take(as_bytes(query("SELECT 1") + query("SET LOCAL array_nulls = off")), out));
  const auto idle = [&] {
    tracker.on_server_body('Z', as_bytes("I"));
    requests.on_done({});
  };
  idle();
  EXPECT_TRUE(only.statements.is_of_another_reading(*shared));
  idle();
  EXPECT_FALSE(only.statements.is_of_another_reading(*shared));
}

TEST(PooledRequests, WhatIsPreparedAnewBehindAnotherSearchPathIsParsedAnewForItsClientAlone) {
  for (const auto* change :
       {"SET search_path TO b", "set local schema 'b'", "RESET ALL", "SET SESSION ROLE other",
        "SELECT set_config('search_path', 'b', true)", "/* x */ SET LOCAL \"search_path\" = b"}) {
    StatementRegistry registry;
    Connection only;
    Borrower one{registry}, two{registry};
    one.send(only, parse("s", "select 1") + sync());
    const auto shared = only.statements.oldest();
    EXPECT_FALSE(only.statements.is_of_another_reading(*shared));
    one.send(only, query(change));
    EXPECT_TRUE(only.statements.is_of_another_reading(*shared)) << change;
    EXPECT_EQ(one.send(only, run("s"))[1].body, "select 1") << "who has it keeps it";
    EXPECT_TRUE(only.statements.is_of_another_reading(*shared)) << change;
    one.send(only, parse("t", "select 1") + sync());
    EXPECT_EQ(only.server.statements().size(), 2U) << change;
    EXPECT_EQ(one.send(only, run("t"))[1].body, "select 1");
    EXPECT_TRUE(only.statements.has(*shared)) << "whoever has it keeps it";
    Connection other;
    two.send(other, parse("s", "select 1") + sync());
    EXPECT_EQ(other.statements.oldest(), shared) << "nobody else is given what was prepared behind it";
  }
  StatementRegistry registry;
  Connection only;
  Borrower one{registry};
  one.send(only, parse("s", "select 1") + sync());
  one.send(only, query("SET LOCAL work_mem = '9MB'"));
  EXPECT_FALSE(only.statements.is_of_another_reading(*only.statements.oldest()));
}

TEST(PooledRequests, WhatIsPreparedUnderAnotherReadingIsParsedAnewAndSharedByThoseOfThatReading) {
  StatementRegistry registry;
  Connection a, b;
  Borrower one{registry}, two{registry}, three{registry};
  two.reported.now = three.reported.now = "German, DMY";
  const auto sql = parse("s", "select '01/02/2024'::date") + sync();
  one.send(a, sql);
  two.send(a, sql);
  EXPECT_EQ(a.server.statements().size(), 2U);
  three.send(a, sql);
  EXPECT_EQ(a.server.statements().size(), 2U);
  // Where it is not yet, it would be parsed as its client reads now: nobody is to share that.
  one.reported.now = "German, DMY";
  one.send(b, run("s"));
  one.reported.now = {};
  Borrower four{registry};
  four.send(b, sql);
  EXPECT_EQ(b.server.statements().size(), 2U);
  EXPECT_EQ(one.send(b, run("s"))[1].body, "select '01/02/2024'::date");
  Borrower five{registry};
  five.reported.now = std::string(reading_bytes_max + 1, 'p');
  five.send(a, sql);
  five.send(a, close("s") + sql);
  EXPECT_EQ(a.server.statements().size(), 4U) << "a long one is nobody else's, and not kept beside the text";
}

TEST(PooledRequests, WhatIsPreparedBehindACreateIsParsedAnew) {
  const std::string text = "delete from shadow";
  for (const auto* sql : {"CREATE TABLE front.shadow (a int)", "SELECT 1 AS a INTO shadow",
                          "DO $$ BEGIN EXECUTE 'create table shadow (a int)'; END $$",
                          "CREATE FUNCTION f(text) RETURNS int AS '' LANGUAGE sql"}) {
    for (const bool by_protocol : {false, true}) {
      StatementRegistry registry;
      Connection only;
      Borrower one{registry}, two{registry}, three{registry}, four{registry}, five{registry};
      one.send(only, parse("s", text) + sync());
      two.send(only, query("BEGIN"));
      two.send(only, by_protocol ? parse("c", sql) + run("c") : query(sql));
      two.requests().on_done("SELECT 1");
      const auto made = only.server.statements().size();
      three.send(only, parse("s", text) + sync());
      EXPECT_EQ(only.server.statements().size(), made + 1) << sql;
      two.send(only, parse("own", text) + sync());
      EXPECT_EQ(only.server.statements().size(), made + 2)
          << "what sees it before the commit is its client's";
      four.send(only, parse("s", text) + sync());
      EXPECT_EQ(only.server.statements().size(), made + 2);
      two.requests().on_done({});
      two.send(only, query("COMMIT"));
      five.send(only, parse("s", text) + sync());
      EXPECT_EQ(only.server.statements().size(), made + 3) << "what did not is of before";
    }
  }
}

TEST(PooledRequests, WhatIsPreparedBesideATemporaryTableIsItsClientsAndOthersGoOnSharing) {
  const std::string text = "delete from shadow";
  StatementRegistry registry;
  Connection only;
  Borrower one{registry}, two{registry}, three{registry};
  one.send(only, parse("s", text) + sync());
  two.send(only, query("BEGIN"));
  two.send(only, query("CREATE TEMP TABLE shadow (a int) ON COMMIT DROP"));
  two.send(only, parse("s", text) + sync());
  EXPECT_EQ(only.server.statements().size(), 2U);
  two.requests().on_done({});
  two.send(only, query("COMMIT"));
  three.send(only, parse("s", text) + sync());
  EXPECT_EQ(only.server.statements().size(), 2U);
}

/// Whether the server has been given the statement that fails in its place.
bool is_lost(const std::vector<ModelFrame>& seen) {
  return std::ranges::any_of(seen, [](const ModelFrame& frame) { return frame.type == 'E'; });
}

TEST(PooledRequests, WhatASequenceGaveOnAnotherConnectionIsNotReadHere) {
  const std::string select = "select lastval()", insert = "insert into t values (1)";
  for (const bool by_protocol : {false, true}) {
    const auto ask = [by_protocol](const std::string& sql) {
      return by_protocol ? parse("", sql) + bind("") + execute() + sync() : query(sql);
    };
    StatementRegistry registry;
    Connection a;
    Borrower one{registry, {.guards_values = true}};
    one.send(a, ask(insert));
    EXPECT_FALSE(one.has_connection());
    EXPECT_TRUE(is_lost(one.send(a, ask(select)))) << "it may be another connection";
    EXPECT_TRUE(one.has_connection());
    EXPECT_TRUE(is_lost(one.send(a, ask(select)))) << "still nothing has been drawn here";
    one.send(a, ask(insert));
    EXPECT_FALSE(is_lost(one.send(a, ask(select))));
    Borrower two{registry, {.guards_values = true}};
    two.send(a, ask("BEGIN"));
    two.send(a, ask(insert));
    EXPECT_FALSE(is_lost(two.send(a, ask(select)))) << "in one transaction";
    Borrower careless{registry};
    EXPECT_FALSE(is_lost(careless.send(a, ask(select))));
  }
}

TEST(PooledRequests, AStatementPreparedAheadReadsWhatWasDrawnBehindThat) {
  StatementRegistry registry;
  Connection a;
  Borrower one{registry, {.guards_values = true}};
  EXPECT_FALSE(is_lost(one.send(a, parse("v", "select lastval()") + sync())));
  EXPECT_TRUE(is_lost(one.send(a, run("v"))));
  one.send(a, parse("i", "insert into t values (1)") + sync());
  one.send(a, run("i"));
  EXPECT_FALSE(is_lost(one.send(a, run("v"))));
}

TEST(PooledRequests, NorByALongQueryOrTheProtocolsCallOfAFunction) {
  const auto call = [](std::uint32_t function) {
    std::string body(4, '\0');
    for (int i = 0; i < 4; ++i) body[i] = static_cast<char>(function >> (24 - 8 * i));
    return frame_of('F', body + std::string(6, '\0'));
  };
  for (const auto& bytes : {query("select lastval()" + std::string(2'000, ' ')), call(1575), call(2559)}) {
    for (const std::size_t piece : {std::size_t{1} << 20, std::size_t{7}}) {
      StatementRegistry registry;
      Connection a;
      Borrower one{registry, {.guards_values = true}};
      EXPECT_TRUE(is_lost(one.send(a, bytes, piece))) << readable(bytes).substr(0, 20);
    }
  }
}

TEST(PooledRequests, WhatADiscardAllBehindACommentEndsIsNotWhatStandsBehindIt) {
  for (const auto* discard : {"/* */DISCARD ALL", ";discard all", "-- x\n DISCARD ALL", "DISCARD ALL"}) {
    StatementRegistry registry;
    Connection only;
    Borrower one{registry};
    one.send(only, parse("d", discard) + parse("w", "SET work_mem = '77MB'") + bind("d") + execute() +
                       bind("w") + execute() + sync());
    const bool ran =
        std::ranges::any_of(only.server.executed(), [](const auto& sql) { return sql.starts_with("SET"); });
    EXPECT_TRUE(!ran || one.has_connection()) << discard;
  }
}

TEST(PooledRequests, BehindASetLocalAllShareAgain) {
  StatementRegistry registry;
  Connection only;
  Borrower one{registry}, two{registry};
  one.send(only, parse("s", "select 1") + sync());
  one.send(only, query("SET LOCAL search_path TO b"));
  const NothingReported reported;
  one.requests().attach(only.statements, reported, false);
  one.requests().on_done("SET");
  EXPECT_TRUE(only.statements.is_of_another_reading(*only.statements.oldest()));
  one.requests().on_done({});
  one.requests().detach();
  EXPECT_FALSE(only.statements.is_of_another_reading(*only.statements.oldest()));
  two.send(only, parse("s", "select 1") + sync());
  EXPECT_EQ(only.server.statements().size(), 1U);
}

TEST(PooledRequests, AStatementThatSetsTheSearchPathDoesSoWheneverItIsBound) {
  StatementRegistry registry;
  Connection only;
  Borrower one{registry};
  for (const auto* name : {"set", ""}) {
    one.send(only,
             parse("s", "select 1") + parse(name, "select set_config('search_path', $1, true)") + sync());
    one.requests().on_done({});
    one.send(only, close("s") + parse("s", "select 1") + sync());
    const auto made = only.server.statements().size();
    one.send(only, run(name));
    one.send(only, close("s") + parse("s", "select 1") + sync());
    EXPECT_EQ(only.server.statements().size(), made + 1) << "behind its path";
    one.requests().on_done({});
  }
}

TEST(PooledRequests, DeallocateEndsTheClientsStatementAndNobodyElses) {
  StatementRegistry registry;
  Connection a, b;
  Borrower one{registry}, two{registry};
  one.send(a, parse("s", "select 1") + sync());
  two.send(a, parse("s", "select 1") + sync());
  for (auto* connection : {&b, &a}) {
    EXPECT_EQ(one.send(*connection, query("DEALLOCATE PREPARE \"s\";")).back().body, "I");
    EXPECT_EQ(one.send(a, run("s"))[0].body.substr(8, 5), "26000");
    one.send(a, parse("s", "select 1") + sync());
    EXPECT_EQ(two.send(a, run("s"))[1].body, "select 1");
  }
}

TEST(PooledRequests, NamesThatOthersShareAreNobodysToUse) {
  StatementRegistry registry;
  Connection only;
  Borrower one{registry}, two{registry};
  one.send(only, parse("s", "select 'secret'") + sync());
  const auto shared = only.server.statements().begin()->first;
  EXPECT_EQ(two.send(only, run(shared))[0].body.substr(8, 5), "26000");
  two.send(only, close(shared) + sync());
  EXPECT_TRUE(only.server.statements().contains(shared));
}

TEST(PooledRequests, WhatIsRefusedFailsOnTheServerAndSaysWhy) {
  StatementRegistry registry;
  Connection only;
  Borrower client{registry, {.refuses_state = true}};
  for (const auto& bytes :
       {query("LISTEN a"), parse("", "LISTEN a") + sync(), parse("n", "LISTEN a") + sync()}) {
    for (const std::size_t piece : {std::size_t{1}, std::size_t{1000}}) {
      WipedBytes out;
      const auto seen = client.send(only, bytes, piece);
      EXPECT_FALSE(client.has_connection());
      EXPECT_EQ(std::exchange(client.refused, {}).first(), StateReason::listen);
      // The model runs anything.
      EXPECT_EQ(seen.back().type, 'Z');
      if (bytes[0] == 'Q') {
        EXPECT_EQ(seen[0].body, "SELECT 'listen" + std::string{refusal_mark} + "'::pg_catalog.int4");
      }
    }
  }
}

TEST(PooledRequests, AFailedParseLeavesNoNameBehind) {
  StatementRegistry registry;
  Connection a, b;
  Borrower client{registry};
  ModelServer direct;
  const auto check = [&](Connection& connection, const std::string& bytes) {
    EXPECT_EQ(client.send(connection, bytes), direct.feed(bytes));
  };
  check(a, parse("s", "syntax") + bind("s") + execute() + sync());
  check(b, parse("s", "select 1") + bind("s") + execute() + sync());
  check(a, bind("nothing") + close("s") + parse("t", "select 2") + sync());
  check(a, run("s"));
  check(b, run("t"));
  check(b, parse("s", "select 3") + sync());
  check(a, run("s"));
}

TEST(PooledRequests, WhatStandsBehindADeallocateAllMeansWhatItMeansAfterIt) {
  StatementRegistry registry;
  Connection a, b;
  Borrower client{registry};
  ModelServer direct;
  const auto check = [&](Connection& connection, const std::string& bytes) {
    EXPECT_EQ(client.send(connection, bytes), with_one_tag(direct.feed(bytes))) << readable(bytes);
  };
  const auto end_all = bind("") + execute();
  check(a, parse("kept", "select 1") + parse("ender", "discard all") + sync());
  check(a, parse("", " DEALLOCATE ALL") + sync());
  check(b, parse("", "DEALLOCATE ALL") + end_all + parse("kept", "select 2") + run("kept"));
  check(a, run("kept"));
  check(b, parse("other", "select 2") + run("other"));
  check(a, bind("ender") + execute() + run("kept"));
  check(a, parse("ender", "discard all") + sync() + bind("ender") + execute() + run("kept"));
  check(b, parse("kept", "select 2") + parse("other", "select 2") + run("other"));
  check(a, query("DEALLOCATE ALL") + sync() + run("kept"));
}

TEST(PooledRequests, WhatAPipelineLeavesBehindADiscardAllStays) {
  const auto extended = [](const std::string& sql) { return parse("", sql) + bind("") + execute(); };
  const std::pair<std::string, bool> pipelines[] = {
      {extended("DISCARD ALL") + extended("LISTEN b") + sync(), true},
      {extended("DISCARD ALL") + sync() + extended("LISTEN b") + sync(), true},
      {query("DISCARD ALL") + query("LISTEN b"), true},
      {extended("DISCARD ALL") + extended("select 1") + sync(), false},
      {query("LISTEN b") + query("DISCARD ALL"), false},
      {extended("LISTEN b") + sync() + extended("DISCARD ALL") + sync(), false},
  };
  for (const auto& [bytes, pins] : pipelines) {
    for (const std::size_t piece : {std::size_t{1} << 20, std::size_t{7}}) {
      StatementRegistry registry;
      Connection a;
      Borrower client{registry};
      client.send(a, query("LISTEN a"));
      ASSERT_TRUE(client.has_connection());
      client.send(a, bytes, piece);
      EXPECT_EQ(client.has_connection(), pins) << readable(bytes) << piece;
    }
  }
}

TEST(PooledRequests, NamesOfStatementsAreOfTheMemoryThatASessionHas) {
  StatementRegistry registry;
  Connection a;
  Borrower client{registry};
  // The texts are short, and one for all of them.
  const auto numbered = [](std::size_t i, std::size_t bytes) {
    auto name = std::to_string(i);
    return name + std::string(bytes - name.size(), 'n');
  };
  const auto each = 9'000 + bytes_beside_name;
  std::size_t kept = 0;
  while (!client.has_connection() && kept < 200)
    client.send(a, parse(numbered(++kept, 9'000), "select 1") + sync());
  EXPECT_GT(kept * (each + 16), limits::session_statements_bytes_max);
  EXPECT_LE((kept - 1) * each, limits::session_statements_bytes_max);
  EXPECT_EQ(client.requests().state().first(), StateReason::statement_too_large);
  EXPECT_EQ(registry.size(), 1u);
}

TEST(PooledRequests, ANameAsLongAsAServerTakesItIsKeptAndALongerOneIsTheServersAlone) {
  for (const std::size_t bytes : {name_bytes_max, name_bytes_max + 1}) {
    StatementRegistry registry;
    Connection a, b;
    Borrower client{registry};
    ModelServer direct;
    const std::string name(bytes, 'n');
    for (const auto& sent : {parse(name, "select 1") + sync(), run(name)}) {
      EXPECT_EQ(client.send(a, sent), direct.feed(sent)) << bytes;
    }
    EXPECT_EQ(client.has_connection(), bytes > name_bytes_max);
    if (bytes > name_bytes_max) continue;
    EXPECT_EQ(client.send(b, run(name)), direct.feed(run(name))) << "also on another connection";
  }
}

TEST(PooledRequests, WhatIsNoRequestIsRefusedAsItsAnswerWouldComeToAnother) {
  StatementRegistry registry;
  SessionTracker tracker;
  NothingReported reported;
  UpstreamStatements statements;
  PooledRequests requests{tracker, registry, {}};
  requests.attach(statements, reported, false);
  WipedBytes out;
  for (const auto& bytes :
       {frame_of('~', ""), frame_of('p', zero("secret")), frame_of('H', "x"), frame_of('R', "")}) {
    const auto taken = requests.take(as_bytes(bytes), out);
    ASSERT_FALSE(taken);
    EXPECT_EQ(taken.error().code, ErrorCode::invalid_message);
  }
  EXPECT_TRUE(requests.take(as_bytes(frame_of('H', "")), out));
}

TEST(PooledRequests, WhatIsRefusedIsRefusedBehindTheAnswersToWhatWasAskedBefore) {
  const auto long_bind = frame_of('B', zero("") + std::string(20'000, 'n'));
  const std::string pipelines[] = {query("select 1"), parse("", "select 1") + bind("") + execute(),
                                   parse("a", "select 1")};
  for (const auto& before : pipelines) {
    for (const auto& bad : {long_bind, frame_of('~', ""), std::string{"Q\0\0\0\1", 5}}) {
      StatementRegistry registry;
      SessionTracker tracker;
      NothingReported reported;
      Connection server;
      PooledRequests requests{tracker, registry, {}};
      requests.attach(server.statements, reported, false);
      WipedBytes out;
      const auto taken = requests.take(as_bytes(before + bad), out);
      ASSERT_TRUE(taken) << readable(before);
      EXPECT_EQ(taken->consumed, before.size());
      EXPECT_TRUE(taken->waits && taken->rewritten);
      std::string sent{as_text(Bytes{out})};
      EXPECT_EQ(sent.substr(sent.size() - 5), frame_of('H', ""))
          << "or the server would not answer without a Sync";
      for (const auto& frame : server.server.feed(sent)) {
        EXPECT_TRUE(requests.take(as_bytes(bad), out)) << "more answers are to come";
        if (frame.type == 'Z' || frame.type == 'C') {
          tracker.on_server_body(frame.type, as_bytes(frame.body));
        } else {
          tracker.on_server_frame(frame.type);
        }
      }
      EXPECT_FALSE(requests.take(as_bytes(bad), out)) << readable(before) << readable(bad).substr(0, 20);
    }
  }
}

// Whatever clients do, in whatever pieces: each sees what it would see alone, but for names in errors.
TEST(PooledRequests, ClientsByDiceSeeWhatTheyWouldSeeAlone) {
  for (unsigned seed = 0; seed < 300; ++seed) {
    std::mt19937 dice{seed};
    const auto below = [&](std::size_t n) { return dice() % n; };
    StatementRegistry registry;
    std::vector<Connection> connections(3);
    std::vector<std::unique_ptr<Borrower>> clients;
    std::vector<ModelServer> direct(4);
    std::vector<Connection*> has(4, nullptr);
    std::vector<std::string> said(4);
    for (std::uint64_t i = 1; i <= 4; ++i)
      clients.push_back(
          std::make_unique<Borrower>(registry, PooledRequests::Settings{.statements_max = 3 + seed % 10}));
    for (int step = 0; step < 60; ++step) {
      const auto who = below(4);
      auto* free = has[who];
      for (auto tries = 0; free == nullptr && tries < 10; ++tries) {
        auto* candidate = &connections[below(3)];
        if (std::find(has.begin(), has.end(), candidate) == has.end()) free = candidate;
      }
      if (free == nullptr) continue;
      std::string bytes;
      const auto count = 1 + below(6);
      for (std::size_t i = 0; i < count; ++i) {
        const auto name = below(5) == 0 ? std::string{} : std::string(1, static_cast<char>('a' + below(3)));
        const auto text = "select " + std::to_string(below(4)) + (below(12) == 0 ? " syntax" : "");
        switch (below(9)) {
          case 0:
          case 1:
            // What is left of an unnamed one behind an error in front of it is not followed.
            if (name.empty()) bytes += sync();
            bytes += parse(name, below(10) == 0 ? "fail" : text);
            break;
          case 2:
          case 3: bytes += bind(name) + execute(); break;
          case 4: bytes += describe(name); break;
          case 5: bytes += close(name); break;
          case 6: bytes += sync(); break;
          case 7: bytes += sync() + query(below(3) == 0 ? "BEGIN" : below(2) == 0 ? "COMMIT" : text); break;
          case 8:
            bytes += sync() + query(below(2) == 0
                                        ? "fail"
                                        : "DEALLOCATE " + std::string(1, static_cast<char>('a' + below(3))));
            break;
        }
      }
      bytes += sync();
      const auto piece = below(3) == 0 ? 1 + below(20) : bytes.size();
      const auto seen = clients[who]->send(*free, bytes, piece);
      said[who] += readable(bytes) + "\n";
      ASSERT_EQ(seen, direct[who].feed(bytes))
          << "seed " << seed << " step " << step << " of " << who << ": " << said[who];
      for (const auto* name : {"a", "b", "c"}) {
        ASSERT_EQ(clients[who]->requests().knows(name), direct[who].statements().contains(name))
            << name << " seed " << seed << " step " << step << " of " << who << " piece " << piece << ": "
            << said[who];
      }
      const auto& there = free->server.statements();
      const auto ours = std::count_if(there.begin(), there.end(), [](const auto& one) {
        return one.first.starts_with(statement_prefix);
      });
      ASSERT_EQ(free->statements.size(), static_cast<std::size_t>(ours))
          << "seed " << seed << " step " << step << " of " << who << ": " << said[who];
      has[who] = clients[who]->has_connection() ? free : nullptr;
      ASSERT_EQ(clients[who]->has_connection(), direct[who].status() != 'I')
          << "seed " << seed << " step " << step;
    }
  }
}

}  // namespace
}  // namespace sallyport::postgres::test::pooled_requests_test
