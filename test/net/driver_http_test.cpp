// The HTTP requests of a conversation, as its driver performs them.
#include "test/net/driver_fixture.h"
#include "test/net/https_fixture.h"
#include "test/net/keeping_server.h"

#include <csignal>

namespace sallyport::driver_http_test {
namespace {

using namespace std::chrono_literals;

/// Asks the same thing so many times.
class Asking final : public Conversation {
 public:
  Asking(std::function<HttpRequest()> make, int times) : make_(std::move(make)), left_(times) {}
  Result<Action> resume(Input input) override {
    if (const auto* reply = std::get_if<HttpReply>(&input.event)) bodies += reply->body.reveal();
    if (const auto* failed = std::get_if<ActionFailed>(&input.event)) return failed->error;
    if (left_-- == 0) return Action{Done{}};
    return Action{make_()};
  }
  std::string bodies;

 private:
  std::function<HttpRequest()> make_;
  int left_;
};

class DriverHttp : public test::Driver, protected test::HttpsIdentity {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  std::string ask(net::Driver& with, const test::KeepingServer& server, int times) {
    std::promise<net::RunResult> promise;
    with.run(std::make_unique<Asking>([&] { return to(server.port()); }, times), 10s,
             [&](net::RunResult result) { promise.set_value(std::move(result)); });
    const auto result = promise.get_future().get();
    if (!result.outcome) return describe(result.outcome.error());
    return static_cast<const Asking&>(*result.conversation).bodies;
  }

  net::Driver web{{loop, clock, randomness, dns, http, file, helper, std::make_shared<net::HttpClient>(),
                   nullptr, [](const std::string&) { return std::optional<Secret>{}; }}};
};

TEST_F(DriverHttp, OneConversationOneConnectionAndItEndsWithIt) {
  const test::KeepingServer server{tls_, [](int number) { return test::reply_with(std::to_string(number)); }};
  EXPECT_EQ(ask(web, server, 3), "123");
  EXPECT_EQ(server.connections(), 1);
  for (int i = 0; i < 500 && server.ended() == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(server.ended(), 1) << "nothing is kept behind a conversation";
  EXPECT_EQ(ask(web, server, 2), "12");
  EXPECT_EQ(server.connections(), 2);
}

}  // namespace
}  // namespace sallyport::driver_http_test
