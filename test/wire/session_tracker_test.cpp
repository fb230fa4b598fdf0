// What the tracker makes of the passing frames, by example and against the model.
#include "test/wire/session_tracker_model.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace sallyport::session_tracker_test {
namespace {

using postgres::SessionTracker;

/// Client messages by their type, "<x>" for a server's: `play(t, "PBES<1><2><C><ZI>")`.
void play(SessionTracker& tracker, std::string_view script) {
  for (std::size_t i = 0; i < script.size(); ++i) {
    if (script[i] != '<') {
      tracker.on_client_frame(script[i]);
      continue;
    }
    const auto end = script.find('>', i);
    const auto text = script.substr(i + 1, end - i - 1);
    if (text.size() > 1 && (text[0] == 'Z' || text[0] == 'C')) {
      const auto body = std::string{text.substr(1)} + (text[0] == 'C' ? std::string(1, '\0') : "");
      tracker.on_server_body(text[0], as_bytes(body));
    } else {
      tracker.on_server_frame(text[0]);
    }
    i = end;
  }
}
void say(SessionTracker& tracker, char type, std::string_view body) {
  ASSERT_TRUE(tracker.wants_client_body(type, static_cast<std::uint32_t>(body.size())));
  tracker.on_client_body(type, as_bytes(body));
}
void say_query(SessionTracker& tracker, std::string_view sql, std::size_t piece_bytes = 7) {
  tracker.on_client_frame('Q');
  if (!tracker.wants_client_pieces('Q')) return;
  const auto body = std::string{sql} + '\0';
  for (std::size_t at = 0; at < body.size(); at += piece_bytes) {
    tracker.on_client_piece(as_bytes(body).subspan(at, std::min(piece_bytes, body.size() - at)));
  }
}
void say_parse(SessionTracker& tracker, std::string_view name, std::string_view sql) {
  say(tracker, 'P', std::string{name} + '\0' + std::string{sql} + std::string(3, '\0'));
}
bool at_boundary_after(std::string_view script) {
  SessionTracker tracker;
  play(tracker, script);
  return tracker.at_boundary();
}
bool awaits_client_after(std::string_view script) {
  SessionTracker tracker;
  play(tracker, script);
  return tracker.awaits_client();
}

TEST(SessionTracker, BeginsAtABoundary) { EXPECT_TRUE(at_boundary_after("")); }

TEST(SessionTracker, ASimpleQueryIsOverWithItsReadyForQuery) {
  EXPECT_FALSE(at_boundary_after("Q"));
  EXPECT_FALSE(at_boundary_after("Q<T><D><CSELECT 1>"));
  EXPECT_TRUE(at_boundary_after("Q<T><D><CSELECT 1><ZI>"));
  EXPECT_TRUE(at_boundary_after("Q<E><ZI>"));
}

TEST(SessionTracker, AnOpenTransactionIsNoBoundary) {
  EXPECT_FALSE(at_boundary_after("Q<CBEGIN><ZT>"));
  EXPECT_FALSE(at_boundary_after("Q<E><ZE>"));
  EXPECT_TRUE(at_boundary_after("Q<CBEGIN><ZT>Q<CCOMMIT><ZI>"));
}

TEST(SessionTracker, EveryPipelinedQueryHasItsOwnReadyForQuery) {
  EXPECT_FALSE(at_boundary_after("QQQ<C><ZI><C><ZI>"));
  EXPECT_TRUE(at_boundary_after("QQQ<C><ZI><C><ZI><C><ZI>"));
}

TEST(SessionTracker, AnExtendedQueryWaitsForItsSync) {
  EXPECT_FALSE(at_boundary_after("PBDE<1><2><T><D><CSELECT 1>"));
  EXPECT_FALSE(at_boundary_after("PBDES<1><2><T><D><CSELECT 1>"));
  EXPECT_TRUE(at_boundary_after("PBDES<1><2><T><D><CSELECT 1><ZI>"));
  EXPECT_TRUE(at_boundary_after("PBDE<1><2><T><D><CSELECT 1>S<ZI>"));
}

TEST(SessionTracker, AFlushAloneOwesNothing) {
  EXPECT_TRUE(at_boundary_after("H"));
  EXPECT_FALSE(at_boundary_after("PH<1>"));
}

TEST(SessionTracker, AnErrorSkipsToTheNextSyncAndNoFurther) {
  EXPECT_FALSE(at_boundary_after("PBESPBES<E><ZI>"));
  EXPECT_TRUE(at_boundary_after("PBESPBES<E><ZI><1><2><C><ZI>"));
  EXPECT_FALSE(at_boundary_after("PBE<E>")) << "the server waits for Sync";
  EXPECT_FALSE(at_boundary_after("PBE<E>PBE")) << "what comes before it is thrown away";
  EXPECT_TRUE(at_boundary_after("PBE<E>PBES<ZI>"));
}

TEST(SessionTracker, AQueryBehindAnErrorIsSkippedToo) { EXPECT_TRUE(at_boundary_after("PBE<E>QS<ZI>")); }

// The run is answered, so the error is the Query's, and a ReadyForQuery comes at once.
TEST(SessionTracker, AnErrorOfAQueryBehindAnsweredRequestsIsTheQuerys) {
  EXPECT_TRUE(at_boundary_after("PBEQ<1><2><C><E><ZI>"));
  EXPECT_FALSE(at_boundary_after("PBEQS<1><2><C><E><ZI>")) << "the Sync's answer is still to come";
  EXPECT_TRUE(at_boundary_after("PBEQS<1><2><C><E><ZI><ZI>"));
}

TEST(SessionTracker, AnErrorOfARunInFrontOfAQuerySkipsTheQuery) {
  EXPECT_FALSE(at_boundary_after("PBEQ<1><2><E>"));
  EXPECT_TRUE(at_boundary_after("PBEQS<1><2><E><ZI>"));
}

TEST(SessionTracker, ACommitThatFailsAtSyncOwesOneReadyForQuery) {
  EXPECT_TRUE(at_boundary_after("PBES<1><2><C><E><ZI>"));
}

TEST(SessionTracker, FunctionCalls) {
  EXPECT_FALSE(at_boundary_after("F"));
  EXPECT_TRUE(at_boundary_after("F<V><ZI>"));
  EXPECT_TRUE(at_boundary_after("F<E><ZI>"));
}

TEST(SessionTracker, CopyInByASimpleQuery) {
  EXPECT_FALSE(at_boundary_after("Q<G>"));
  EXPECT_FALSE(at_boundary_after("Q<G>ddc"));
  EXPECT_TRUE(at_boundary_after("Q<G>ddc<CCOPY 2><ZI>"));
  EXPECT_TRUE(at_boundary_after("Q<G>df<E><ZI>"));
}

TEST(SessionTracker, CopyInByAnExtendedQuery) {
  EXPECT_FALSE(at_boundary_after("PBE<1><2><G>dc<CCOPY 1>"));
  EXPECT_TRUE(at_boundary_after("PBE<1><2><G>dcS<CCOPY 1><ZI>"));
}

TEST(SessionTracker, TheServerIgnoresSyncsWhileItCopies) {
  EXPECT_FALSE(at_boundary_after("PBES<1><2><G>")) << "libpq sends Sync at once";
  EXPECT_FALSE(at_boundary_after("PBES<1><2><G>dcS<CCOPY 1>"));
  EXPECT_TRUE(at_boundary_after("PBES<1><2><G>dcS<CCOPY 1><ZI>"));
}

TEST(SessionTracker, ACopyThatFailsInTheMiddle) {
  EXPECT_TRUE(at_boundary_after("Q<G>ddd<E><ZI>c")) << "a late CopyDone is ignored";
  EXPECT_TRUE(at_boundary_after("Q<G>dddc<E><ZI>"));
  EXPECT_TRUE(at_boundary_after("PBE<1><2><G>dddcS<E><ZI>"));
}

TEST(SessionTracker, DataSentBeforeTheServerSaysThatItCopies) {
  EXPECT_TRUE(at_boundary_after("Qddc<G><CCOPY 2><ZI>")) << "as pgx does";
  EXPECT_TRUE(at_boundary_after("Qddc<E><ZI>")) << "no COPY after all: data and CopyDone are ignored";
  EXPECT_FALSE(at_boundary_after("QddcQ<G><CCOPY 2><ZI>"));
  EXPECT_TRUE(at_boundary_after("QddcQ<G><CCOPY 2><ZI><C><ZI>"));
  EXPECT_TRUE(at_boundary_after("PBEddcS<1><2><G><CCOPY 2><ZI>"));
}

TEST(SessionTracker, ARequestInsideACopyLeavesItUncertain) {
  EXPECT_FALSE(at_boundary_after("Q<G>dQ<E><ZI>"));
}

TEST(SessionTracker, AReadyForQueryNobodyAskedForLeavesItUncertain) {
  EXPECT_FALSE(at_boundary_after("<ZI>"));
  EXPECT_FALSE(at_boundary_after("Q<C><ZI><ZI>"));
}

TEST(SessionTracker, KnowsWhatOnlyTheClientCanEnd) {
  EXPECT_FALSE(awaits_client_after(""));
  EXPECT_FALSE(awaits_client_after("Q"));
  EXPECT_FALSE(awaits_client_after("PBES"));
  EXPECT_TRUE(awaits_client_after("PBE"));
  EXPECT_TRUE(awaits_client_after("PBE<1><2><C>"));
  EXPECT_TRUE(awaits_client_after("QPBE"));
  EXPECT_TRUE(awaits_client_after("Q<G>"));
  EXPECT_FALSE(awaits_client_after("Q<G>c"));
  EXPECT_FALSE(awaits_client_after("Qdc"));
}

TEST(SessionTracker, CountsTransactions) {
  SessionTracker tracker;
  play(tracker, "Q<ZI>Q<ZT>Q<ZT>Q<ZI>");
  EXPECT_EQ(tracker.transactions(), 2u);
}

TEST(SessionTracker, KeepsStatementsOnceTheServerAcceptedThem) {
  SessionTracker tracker;
  say_parse(tracker, "a", "select 1");
  EXPECT_TRUE(tracker.statements().empty());
  play(tracker, "<1>");
  EXPECT_EQ(tracker.statements().count("a"), 1u);
  say_parse(tracker, "b", "selekt");
  play(tracker, "S<E><ZI>");
  EXPECT_EQ(tracker.statements().count("b"), 0u);
}

TEST(SessionTracker, ForgetsClosedStatementsAndKeepsThoseOfClosedPortals) {
  SessionTracker tracker;
  say_parse(tracker, "a", "select 1");
  say_parse(tracker, "b", "select 2");
  play(tracker, "S<1><1><ZI>");
  say(tracker, 'C', std::string("Pa\0", 3));
  say(tracker, 'C', std::string("Sb\0", 3));
  play(tracker, "S<3><3><ZI>");
  EXPECT_EQ(tracker.statements().count("a"), 1u);
  EXPECT_EQ(tracker.statements().count("b"), 0u);
}

TEST(SessionTracker, ASimpleQueryEndsTheUnnamedStatement) {
  SessionTracker tracker;
  say_parse(tracker, "", "select 1");
  play(tracker, "S<1><ZI>");
  EXPECT_EQ(tracker.statements().count(""), 1u);
  play(tracker, "Q<C><ZI>");
  EXPECT_EQ(tracker.statements().count(""), 0u);
}

TEST(SessionTracker, DiscardAllAndDeallocateAllForgetStatements) {
  for (const auto* tag : {"<CDISCARD ALL>", "<CDEALLOCATE ALL>"}) {
    SessionTracker tracker;
    say_parse(tracker, "a", "select 1");
    play(tracker, "S<1><ZI>Q");
    play(tracker, tag);
    play(tracker, "<ZI>");
    EXPECT_TRUE(tracker.statements().empty()) << tag;
    EXPECT_TRUE(tracker.at_boundary()) << tag;
  }
}

TEST(SessionTracker, NoticesStateThatNoCatalogueShows) {
  const std::pair<const char*, const char*> cases[] = {
      {"select set_config('app.user', '7', false)", "custom_setting"},
      {"SET app.user = '7'", "custom_setting"},
      {"set session app.user to 7", "custom_setting"},
      {"SELECT currval('s')", "sequence_value"},
      {"select lastval()", "sequence_value"},
      {"select setseed(0.5)", "random_seed"},
      {"select public.dblink_connect('a', 'b')", "dblink"},
      {"select dblink('a', 'b')", ""},
      {"set search_path = a", ""},
      {"select 1", ""},
      {"update a.b set x = 1.5", ""},
      {"SET\tapp.user\n= '7'", "custom_setting"},
      {"set SESSION \"app.user\" = 7", "custom_setting"},
      {"update a set x = 1; set app.user = 7", "custom_setting"},
      {"insert into t (updated_at) values (now()); set app.user = 7", "custom_setting"},
      {"do $$begin execute $x$set app.user = 7$x$; end$$", "custom_setting"},
      {"select pg_catalog.set_config('a.b', 'c', false)", "custom_setting"},
      {"set a.b = 1; select setseed(0.5)", "random_seed"},
      {"select currval('a'), dblink_connect('a', 'b')", "dblink"},
      {"set local app.user = 7", ""},
      {"update t set a.b = 1", ""},
      {"insert into t values (1) on conflict (a) do update set b = excluded.b", ""},
      {"select * from t offset 5.0", ""},
      {"select pg_replication_origin_session_setup('o')", "replication_origin"},
      {"SELECT pg_create_logical_replication_slot('s', 'pgoutput', true)", "replication_slot"},
      {"select * from pg_replication_slots", ""},
      {"insert into t values ('all is set. So it was set up.')", ""},
      {"set search_path = a, b.c", ""},
  };
  for (const auto& [sql, state] : cases) {
    for (const std::size_t piece : {1U, 2U, 7U, 1000U}) {
      SessionTracker simple;
      say_query(simple, sql, piece);
      EXPECT_EQ(simple.hidden_state(), state) << sql << " in pieces of " << piece;
    }
    SessionTracker extended;
    say_parse(extended, "", sql);
    EXPECT_EQ(extended.hidden_state(), state) << sql;
  }
}

TEST(SessionTracker, NoticesItInTextsOfAnyLength) {
  const std::string values(500'000, '7');
  const auto script = "insert into t values ('" + values +
                      "'); set app.tenant = '7'; insert into t values ('" + values + "')";
  SessionTracker simple;
  say_query(simple, script, 65'536);
  EXPECT_EQ(simple.hidden_state(), "custom_setting");
  SessionTracker extended;
  say_parse(extended, "", script.substr(values.size()));
  EXPECT_EQ(extended.hidden_state(), "custom_setting");
  SessionTracker plain;
  say_query(plain, "insert into t values ('" + values + "')", 65'536);
  EXPECT_EQ(plain.hidden_state(), "") << "many rows keep no session from being moved";
}

TEST(SessionTracker, WhatFollowsTheTextIsNotLookedAt) {
  SessionTracker tracker;
  say(tracker, 'P', std::string{"set a.b\0select 1\0 set a.b = 1", 30});
  EXPECT_EQ(tracker.hidden_state(), "");
}

TEST(SessionTracker, WhatDiscardAllDoesNotUndoIsNoticedAfterWhatItDoes) {
  SessionTracker tracker;
  say_query(tracker, "set a.b = 1");
  play(tracker, "<CSET><ZI>");
  say_query(tracker, "select setseed(0.5)");
  play(tracker, "<CSELECT 1><ZI>Q<CDISCARD ALL><ZI>");
  EXPECT_EQ(tracker.hidden_state(), "random_seed");
}

TEST(SessionTracker, ALibraryLoadedWhileATextPassesStays) {
  SessionTracker tracker;
  play(tracker, "Q");
  tracker.on_client_frame('Q');
  play(tracker, "<CLOAD><ZI>");
  tracker.on_client_piece(as_bytes("set a.b = 1 "));
  EXPECT_EQ(tracker.hidden_state(), "loaded_library");
}

TEST(SessionTracker, DiscardAllEndsCustomSettingsUnlessMoreIsOnItsWay) {
  SessionTracker tracker;
  say_query(tracker, "set a.b = 1");
  play(tracker, "<CSET><ZI>Q<CDISCARD ALL><ZI>");
  EXPECT_EQ(tracker.hidden_state(), "");
  SessionTracker pipelined;
  say_query(pipelined, "discard all");
  say_query(pipelined, "set a.b = 1");
  play(pipelined, "<CDISCARD ALL><ZI><CSET><ZI>");
  EXPECT_EQ(pipelined.hidden_state(), "custom_setting");
}

TEST(SessionTracker, ALoadedLibraryStays) {
  SessionTracker tracker;
  play(tracker, "Q<CLOAD><ZI>");
  EXPECT_EQ(tracker.hidden_state(), "loaded_library");
}

TEST(SessionTracker, StatementsAreKeptOnlyUpToTheirLimit) {
  SessionTracker tracker;
  EXPECT_FALSE(tracker.wants_client_body('P', limits::session_statements_bytes_max + 1));
  const std::string big(300'000, 'x');
  for (int i = 0; i < 4; ++i) {
    say_parse(tracker, "s" + std::to_string(i), big);
    play(tracker, "S<1><ZI>");
  }
  EXPECT_EQ(tracker.hidden_state(), "too_many_statements");
  EXPECT_TRUE(tracker.at_boundary());
}

TEST(SessionTracker, StatementsNotYetAnsweredCountTowardsTheLimit) {
  SessionTracker tracker;
  const std::string big(300'000, 'x');
  for (int i = 0; i < 4; ++i) say_parse(tracker, "s" + std::to_string(i), big);
  EXPECT_EQ(tracker.hidden_state(), "too_many_statements");
  play(tracker, "S<1><1><1><1><ZI>");
  EXPECT_TRUE(tracker.at_boundary());
}

TEST(SessionTracker, AStatementTooLargeToKeepIsStillFollowed) {
  SessionTracker tracker;
  play(tracker, "PBES<1><2><C><ZI>");
  EXPECT_EQ(tracker.hidden_state(), "statement_too_large");
  EXPECT_TRUE(tracker.at_boundary());
}

// What has been seen is not forgotten over what comes later, nor does it hide that.
TEST(SessionTracker, WhatDiscardAllLeavesIsSeenWhateverElseThereIs) {
  const std::string big(300'000, 'x');
  const auto too_large = [](SessionTracker& tracker) { play(tracker, "PBES<1><2><C><ZI>"); };
  const auto too_many = [&](SessionTracker& tracker) {
    for (int i = 0; i < 4; ++i) say_parse(tracker, "s" + std::to_string(i), big);
    play(tracker, "S<1><1><1><1><ZI>");
  };
  const auto load = [](SessionTracker& tracker) { play(tracker, "Q<CLOAD><ZI>"); };
  const auto dblink = [](SessionTracker& tracker) {
    say_query(tracker, "select dblink_connect('a', 'b')");
    play(tracker, "<CSELECT 1><ZI>");
  };
  const std::function<void(SessionTracker&)> lasting[] = {load, dblink}, others[] = {too_large, too_many};
  for (const auto& last : lasting) {
    for (const auto& other : others) {
      SessionTracker before, behind;
      last(before);
      other(before);
      other(behind);
      EXPECT_FALSE(behind.leaves_lasting_state());
      last(behind);
      for (auto* tracker : {&before, &behind}) {
        EXPECT_TRUE(tracker->leaves_lasting_state());
        play(*tracker, "Q<CDISCARD ALL><ZI>");
        EXPECT_TRUE(tracker->leaves_lasting_state());
      }
    }
  }
  SessionTracker forgotten;
  too_large(forgotten);
  play(forgotten, "Q<CDISCARD ALL><ZI>");
  EXPECT_EQ(forgotten.hidden_state(), "");
}

TEST(SessionTracker, TheTextOfAParseThatIsTooLargeIsLookedAt) {
  for (const std::size_t piece_bytes : {1U, 5U, 1000U}) {
    SessionTracker tracker;
    tracker.on_client_frame('P');
    ASSERT_TRUE(tracker.wants_client_pieces('P'));
    const auto body = "set a.b " + std::string(1, '\0') + "select dblink_connect('a')" + std::string(3, '\0');
    for (std::size_t at = 0; at < body.size(); at += piece_bytes)
      tracker.on_client_piece(as_bytes(body).subspan(at, std::min(piece_bytes, body.size() - at)));
    EXPECT_EQ(tracker.hidden_state(), "dblink");
  }
}

TEST(SessionTracker, AFunctionCallThatLeavesStateIsSeen) {
  const std::pair<std::string, bool> calls[] = {
      {std::string("\0\0\x06\x3f", 4), true},    // setseed
      {std::string("\0\0\x17\x76", 4), true},    // …origin_session_setup
      {std::string("\0\0\x0e\xca", 4), true},    // …logical_replication_slot
      {std::string("\0\0\x03\xba", 4), false}};  // loread
  for (const auto& [function, leaves] : calls) {
    SessionTracker tracker;
    say(tracker, 'F', function + std::string(8, '\0'));
    EXPECT_EQ(tracker.outstanding(), 1u);
    EXPECT_EQ(tracker.leaves_lasting_state(), leaves);
    EXPECT_EQ(tracker.hidden_state(), leaves ? "function_call" : "");
    play(tracker, "<V><ZI>");
    EXPECT_TRUE(tracker.at_boundary());
  }
}

// ---- what a client can make it remember ------------------------------------------------------------

TEST(SessionTracker, WhatTheServerPassesOverInSilenceTakesNoMemory) {
  for (const auto* flood : {"c", "f", "dc", "dcf", "cH", "d"}) {
    for (const auto* before : {"PH<1>", "PBE<1><2><C>", "Q", "PBE"}) {
      SessionTracker tracker;
      play(tracker, before);
      for (int i = 0; i < 100'000; ++i) play(tracker, flood);
      EXPECT_LE(tracker.outstanding(), 3u) << before << " and " << flood;
      EXPECT_FALSE(tracker.is_full());
    }
  }
}

TEST(SessionTracker, EachCopyOfAQueryTakesItsOwnEndOfARun) {
  EXPECT_TRUE(at_boundary_after("Qdcdc<G><CCOPY 1><G><CCOPY 1><ZI>"));
  EXPECT_TRUE(at_boundary_after("Qdcdc<G><CCOPY 1><G>S<CCOPY 1><ZI><ZI>"))
      << "this Sync is behind the last COPY";
  EXPECT_FALSE(at_boundary_after("Qdcd<G><CCOPY 1><G>S<E><ZI>")) << "and this one in it, or not";
}

TEST(SessionTracker, IsFullWhileTooManyRequestsAreNotAnswered) {
  for (const auto* request : {"S", "Q", "F", "PB", "CB"}) {
    SessionTracker tracker;
    for (std::size_t i = 0; i < limits::session_requests_max; ++i) play(tracker, request);
    EXPECT_TRUE(tracker.is_full()) << request;
  }
  SessionTracker tracker;
  for (std::size_t i = 0; i < limits::session_requests_max; ++i) play(tracker, "S");
  play(tracker, "<ZI>");
  EXPECT_FALSE(tracker.is_full());
}

TEST(SessionTracker, OnceTheCountIsLostNothingIsRemembered) {
  SessionTracker tracker;
  for (std::size_t i = 0; i < 2 * limits::session_requests_max; ++i) play(tracker, "Q<G>Q<E><ZI>");
  EXPECT_EQ(tracker.outstanding(), 0u);
  EXPECT_FALSE(tracker.is_full()) << "or the client would wait for ever";
  EXPECT_FALSE(tracker.at_boundary());
  EXPECT_FALSE(tracker.nothing_outstanding());
  EXPECT_TRUE(tracker.awaits_client());
}

TEST(SessionTracker, ManyCopiesUnderWayDoNotMakeEachOneDearer) {
  SessionTracker tracker;
  constexpr int copies = 40'000;
  for (int i = 0; i < copies; ++i) play(tracker, "Qdc");
  for (int i = 0; i < copies; ++i) play(tracker, "<G><CCOPY 1><ZI>");
  EXPECT_TRUE(tracker.at_boundary());
}

// A fuzzer found it: the queue closed up while what the server had passed over was dropped.
TEST(SessionTracker, APipelineThatClosesUpBehindIgnoredDataKeepsItsCount) {
  for (int before = 0; before < 200; ++before) {
    SessionTracker tracker;
    for (int i = 0; i < before; ++i) play(tracker, "S");
    play(tracker, "BE");
    for (int i = 0; i < before; ++i) play(tracker, "<ZI>");
    play(tracker, "<2><C>dBE<2><C>S");
    EXPECT_FALSE(tracker.at_boundary()) << before;
    EXPECT_EQ(tracker.outstanding(), 2u) << before << ", the Sync and what waits for it";
    play(tracker, "<ZI>");
    EXPECT_TRUE(tracker.at_boundary()) << before;
  }
}

// ---- against the model ---------------------------------------------------------------------------

class SessionTrackerModel : public testing::TestWithParam<bool> {};

TEST_P(SessionTrackerModel, IsNeverAtABoundaryWhileSomethingIsOwed) {
  const bool wild = GetParam();
  for (unsigned seed = 0; seed < 6000; ++seed) {
    std::mt19937 random{seed};
    test::TrackerModel model{[&](unsigned below) { return random() % below; }};
    for (int i = 0; i < 60; ++i) {
      model.step(wild);
      if (model.tracker.at_boundary()) {
        ASSERT_TRUE(model.at_rest()) << "seed " << seed << ": " << model.story;
      }
    }
  }
}

TEST_P(SessionTrackerModel, WhenAllIsQuietNothingIsOutstandingOrTheClientIsAwaited) {
  const bool wild = GetParam();
  for (unsigned seed = 0; seed < 6000; ++seed) {
    std::mt19937 random{seed};
    test::TrackerModel model{[&](unsigned below) { return random() % below; }};
    for (int i = 0; i < 40; ++i) model.step(wild);
    model.come_to_rest();
    ASSERT_TRUE(model.tracker.nothing_outstanding() || model.tracker.awaits_client())
        << "seed " << seed << ": " << model.story;
  }
}

INSTANTIATE_TEST_SUITE_P(Clients, SessionTrackerModel, testing::Bool(),
                         [](const auto& tested) { return tested.param ? "wild" : "drivers"; });

TEST(SessionTrackerModel, IsAtABoundaryOnceADriverHasFinished) {
  for (unsigned seed = 0; seed < 6000; ++seed) {
    std::mt19937 random{seed};
    test::TrackerModel model{[&](unsigned below) { return random() % below; }};
    for (int i = 0; i < 40; ++i) model.step(false);
    model.finish_politely();
    ASSERT_FALSE(model.in_flight());
    ASSERT_EQ(model.tracker.at_boundary(), model.status() == 'I') << "seed " << seed << ": " << model.story;
  }
}

}  // namespace
}  // namespace sallyport::session_tracker_test
