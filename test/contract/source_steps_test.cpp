// The contract of a source, over every registered one: its conversations step by step, failed and left at each.
#include "test/contract/source_suite.h"

namespace sallyport::contract::source_steps_test {
namespace {

constexpr ErrorCode all_codes[] = {
    ErrorCode::bad_config,       ErrorCode::denied,          ErrorCode::not_found,
    ErrorCode::retry_later,      ErrorCode::invalid_message, ErrorCode::peer_misbehaved,
    ErrorCode::peer_unsupported, ErrorCode::limit_exceeded,  ErrorCode::timed_out,
    ErrorCode::cancelled,        ErrorCode::internal};

INSTANTIATE_TEST_SUITE_P(Registered, SourceContract, testing::ValuesIn(all_cases()), name_of_case);

TEST(SourceContractFixtures, AreOfRegisteredSources) {
  const auto registry = secrets::register_all();
  for (const auto& fixture : all_fixtures()) {
    const auto scheme = fixture.reference.substr(0, fixture.reference.find(':'));
    EXPECT_NE(registry.find(scheme), nullptr) << fixture.name;
  }
}

TEST_P(SourceContract, EveryConversationMakesRequestsAndEnds) {
  for (const auto turn : all_turns) {
    Scene scene{fixture()};
    auto conversation = scene.begin(turn);
    if (conversation == nullptr) continue;
    const auto ended = run(scene.world, *conversation);
    ASSERT_TRUE(ended.end) << describe(ended.end.error());
    EXPECT_FALSE(ended.steps.empty());
    if (auto* fetch = dynamic_cast<secrets::FetchConversation*>(conversation.get())) {
      EXPECT_TRUE(is_its_secret(fetch->take().credential.secret));
    }
  }
}

TEST_P(SourceContract, AFailureOfAnyKindAtAnyStepEndsItAndTheNextFetchWorks) {
  at_every_step([this](Turn turn, std::size_t, const std::string& failing) {
    for (const auto code : all_codes) {
      SCOPED_TRACE(name_of(code));
      bool once = false;
      for (const bool for_good : {false, true}) {
        const auto end = play(turn, [&](std::size_t, const std::string& line, Event honest) {
          const bool fails = line == failing && (for_good || !std::exchange(once, true));
          return fails ? Event{ActionFailed{outside_failure(code)}} : std::move(honest);
        });
        if (for_good && must_not_fail(failing)) {
          EXPECT_FALSE(end);
        }
      }
    }
  });
}

// Whatever the manager, the program or the machine says instead, with the secret in it.
TEST_P(SourceContract, ARefusalAtAnyStepShowsNoSecret) {
  at_every_step([this](Turn turn, std::size_t at, const std::string&) {
    for (const int status :
         {-1, 0, 1, 100, 127, 201, 202, 255, 307, 400, 403, 404, 412, 429, 500, 503, 599}) {
      SCOPED_TRACE(status);
      bool refused_program = false;
      const auto end = play(turn, [&](std::size_t step, const std::string&, Event honest) {
        if (step != at) return honest;
        if (auto* reply = std::get_if<HttpReply>(&honest)) reply->status = status;
        if (auto* variable = std::get_if<VariableRead>(&honest)) variable->value.reset();
        if (auto* program = std::get_if<ProgramEnded>(&honest)) {
          program->exit_status = status;
          refused_program = status != 0;
        }
        return honest;
      });
      if (refused_program) {
        EXPECT_FALSE(end);
      }
    }
  });
}

TEST_P(SourceContract, ANeverEndingRefusalEndsIt) {
  at_every_step([this](Turn turn, std::size_t, const std::string& refused) {
    for (const int status : {307, 412, 429, 500, 503}) {
      (void)play(turn, [&](std::size_t, const std::string& line, Event honest) {
        auto* reply = std::get_if<HttpReply>(&honest);
        if (reply != nullptr && line == refused) reply->status = status;
        return honest;
      });
    }
  });
}

TEST_P(SourceContract, TheDeadlineMayPassAtAnyStep) {
  at_every_step([this](Turn turn, std::size_t, const std::string& late) {
    const auto end = play(turn, [&](std::size_t, const std::string& line, Event honest) {
      return line == late ? Event{ActionFailed{outside_failure(ErrorCode::timed_out)}} : std::move(honest);
    });
    if (!must_not_fail(late)) return;
    ASSERT_FALSE(end);
    // A lost reply may have made something that a new fetch replaces: told as what may be tried again.
    EXPECT_TRUE(end.error().code == ErrorCode::timed_out || end.error().code == ErrorCode::retry_later)
        << describe(end.error());
  });
}

TEST_P(SourceContract, AnAnswerThatComesADayLateEndsItWell) {
  at_every_step([this](Turn turn, std::size_t at, const std::string&) {
    Scene scene{fixture()};
    auto conversation = scene.begin(turn);
    const auto ended =
        run(scene.world, *conversation, [&](std::size_t step, const std::string&, Event honest) {
          if (step == at) scene.world.pass(std::chrono::hours{24});
          return honest;
        });
    check_end(scene, *conversation, ended);
  });
}

TEST_P(SourceContract, MayBeLetGoAtAnyStepAndTheNextFetchWorks) {
  at_every_step([this](Turn turn, std::size_t step, const std::string&) {
    Scene scene{fixture()};
    auto conversation = scene.begin(turn);
    const auto left = run(scene.world, *conversation, leave, step + 1);
    EXPECT_EQ(left.steps.size(), step + 1);
    conversation.reset();
    auto again = scene.session->fetch();
    const auto second = run(scene.world, *again);
    ASSERT_TRUE(second.end) << describe(second.end.error());
    EXPECT_TRUE(is_its_secret(again->take().credential.secret));
  });
}

}  // namespace
}  // namespace sallyport::contract::source_steps_test
