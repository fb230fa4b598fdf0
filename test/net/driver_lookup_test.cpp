// A conversation that asks for TXT records: the look-up has a deadline of its own, and what comes behind it is nobody's.
#include "test/net/driver_fixture.h"

namespace sallyport::driver_lookup_test {
namespace {

using namespace std::chrono_literals;

/// Asks with this deadline, then waits a moment; keeps what it was told.
class Asking final : public Conversation {
 public:
  explicit Asking(Duration deadline) : deadline_(deadline) {}
  Result<Action> resume(Input input) override {
    told.push_back(std::move(input.event));
    if (told.size() == 1) return Action{LookupTxt{"sallyport.invalid", deadline_}};
    if (told.size() == 2) return Action{WaitUntil{input.now.mono + 300ms}};
    return Action{Done{}};
  }
  std::vector<Event> told;

 private:
  Duration deadline_;
};

class DriverLookup : public test::Driver {};

TEST_F(DriverLookup, EndsAtItsDeadlineAndALateAnswerIsNotTakenForAnother) {
  // Another look-up that hangs; ours waits behind it, and is answered while its conversation waits for something else.
  ASSERT_TRUE(dns.submit([] { std::this_thread::sleep_for(150ms); }));
  const auto result = run(std::make_unique<Asking>(50ms), 20s);
  ASSERT_TRUE(result.outcome) << describe(result.outcome.error());
  const auto& told = static_cast<const Asking&>(*result.conversation).told;
  ASSERT_EQ(told.size(), 3U);
  const auto* failed = std::get_if<ActionFailed>(&told[1]);
  ASSERT_NE(failed, nullptr);
  EXPECT_EQ(failed->error.code, ErrorCode::timed_out);
  EXPECT_EQ(failed->error.hop, Hop::dns);
  EXPECT_EQ(failed->error.where, "sallyport.invalid");
  EXPECT_FALSE(failed->error.hint.empty());
  EXPECT_TRUE(std::holds_alternative<Woken>(told[2]));
}

}  // namespace
}  // namespace sallyport::driver_lookup_test
