#include "wire/postgres/cancel.h"

#include "test/wire/conversation_driver.h"

#include <gtest/gtest.h>

namespace sallyport::cancel_test {
namespace {

using namespace postgres;
using test::Driver;
using test::DriverOptions;

CancelRequest request() { return {4'242, {1, 2, 3, 4, 5, 6, 7, 8}}; }

struct Outcome {
  Result<void> end;
  std::string sent;
  std::string before_tls;
  bool has_asked = false;
};

Outcome cancel(LoginTls tls, std::string ssl_answer, DriverOptions options) {
  CancelConversation conversation{request(), tls};
  std::size_t step = 0;
  Driver driver{conversation,
                [&](Bytes) {
                  return test::bytes_of(tls == LoginTls::require && ++step == 1 ? ssl_answer : std::string{});
                },
                std::move(options)};
  auto end = driver.run();
  return {end, driver.sent(), driver.sent_before_tls(), conversation.has_asked()};
}

DriverOptions closing() {
  DriverOptions options;
  options.close_after_last_reply = true;
  return options;
}

TEST(CancelConversation, SendsTheKeyInsideTlsAndWaitsForTheClose) {
  const auto outcome = cancel(LoginTls::require, "S", closing());
  ASSERT_TRUE(outcome.end);
  WipedBytes ssl;
  encode(ssl, SslRequest{});
  WipedBytes key;
  encode(key, request());
  EXPECT_EQ(outcome.before_tls, as_text(Bytes{ssl}));
  EXPECT_EQ(outcome.sent, std::string{as_text(Bytes{ssl})} + std::string{as_text(Bytes{key})});
}

TEST(CancelConversation, IsNotDoneBeforeTheServerCloses) {
  const auto outcome = cancel(LoginTls::require, "S", {});
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::timed_out);
}

TEST(CancelConversation, WithoutTlsSendsOnlyTheRequest) {
  const auto outcome = cancel(LoginTls::disable, "", closing());
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.sent.size(), 20U);
}

TEST(CancelConversation, NeverSendsTheKeyWhenTlsIsRefusedOrInjectedInto) {
  for (const auto* answer : {"N", "E", "Sx", "?"}) {
    const auto outcome = cancel(LoginTls::require, answer, closing());
    EXPECT_FALSE(outcome.end) << answer;
    EXPECT_EQ(outcome.sent.size(), 8U) << answer;
    EXPECT_FALSE(outcome.has_asked) << answer;
  }
}

TEST(CancelConversation, FailureAtEveryStepEndsIt) {
  for (std::size_t step = 0; step < 4; ++step) {
    auto options = closing();
    options.fail_at_step = step;
    EXPECT_FALSE(cancel(LoginTls::require, "S", options).end) << step;
    options = closing();
    options.close_at_step = step;
    EXPECT_EQ(cancel(LoginTls::require, "S", options).end.has_value(), step == 3) << step;
  }
}

TEST(CancelConversation, OnlyAnErrorBehindTheRequestLeavesOneThatMayArrive) {
  for (std::size_t step = 0; step < 4; ++step) {
    auto options = closing();
    options.fail_at_step = step;
    EXPECT_EQ(cancel(LoginTls::require, "S", options).has_asked, step == 3) << step;
  }
  EXPECT_TRUE(cancel(LoginTls::require, "S", {}).has_asked) << "it has timed out";
}

TEST(CancelConversation, AConnectionThatWasCutHasNotBeenTaken) {
  auto options = closing();
  options.cut = true;
  const auto outcome = cancel(LoginTls::require, "S", options);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::retry_later);
  EXPECT_TRUE(outcome.has_asked);
}

}  // namespace
}  // namespace sallyport::cancel_test
