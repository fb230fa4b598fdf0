// Of every registered source: callers that come at once share one fetch, and once it is there nobody asks again.
#include "test/contract/source_suite.h"
#include "test/credentials/fake_world.h"

namespace sallyport::contract::single_flight_test {
namespace {

using namespace std::chrono_literals;

class SingleFlight : public SourceContract {};

INSTANTIATE_TEST_SUITE_P(Registered, SingleFlight, testing::ValuesIn(all_cases()), name_of_case);

TEST_P(SingleFlight, AHundredCallersMakeOneRequest) {
  constexpr std::size_t callers = 100;
  Scene scene{fixture()};
  std::size_t fetches = 0;
  credentials::World slots;
  slots.manager.on_fetch = [&]() -> Result<secrets::Fetched> {
    ++fetches;
    const auto conversation = scene.session->fetch();
    auto ended = run(scene.world, *conversation);
    if (!ended.end) return std::move(ended.end).error();
    auto fetched = conversation->take();
    fetched.credential.expires.reset();  // its clock is the scene's; nothing here ends
    fetched.credential.lease.reset();
    return fetched;
  };
  std::vector<credentials::GenerationPtr> answers;
  const auto ask = [&] {
    slots.slot().get(slots.timers.now().mono + 30s, [&](Result<credentials::GenerationPtr> result) {
      ASSERT_TRUE(result) << describe(result.error());
      answers.push_back(std::move(*result));
    });
  };
  for (std::size_t i = 0; i < callers; ++i) ask();
  slots.timers.advance(1s);
  ASSERT_EQ(answers.size(), callers);
  EXPECT_EQ(fetches, 1U);
  for (const auto& answer : answers) EXPECT_EQ(answer, answers.front());
  ask();
  slots.timers.advance(1s);
  EXPECT_EQ(answers.size(), callers + 1);
  EXPECT_EQ(fetches, 1U) << "and none for whoever comes later";
}

}  // namespace
}  // namespace sallyport::contract::single_flight_test
