// The HTTP requests of a conversation, as its driver performs them.
#include "test/net/driver_fixture.h"
#include "test/net/keeping_server.h"

#include <csignal>

namespace sallyport {
namespace {

using namespace std::chrono_literals;

/// Asks the same thing so many times.
class Asking final : public Conversation {
 public:
  Asking(std::string url, std::string ca_file, int times)
      : url_(std::move(url)), ca_file_(std::move(ca_file)), left_(times) {}
  Result<Action> resume(Input input) override {
    if (const auto* reply = std::get_if<HttpReply>(&input.event)) bodies += reply->body.reveal();
    if (const auto* failed = std::get_if<ActionFailed>(&input.event)) return failed->error;
    if (left_-- == 0) return Action{Done{}};
    HttpRequest request;
    request.url = url_;
    request.ca_file = ca_file_;
    request.deadline = 5s;
    return Action{std::move(request)};
  }
  std::string bodies;

 private:
  std::string url_, ca_file_;
  int left_;
};

class DriverHttp : public test::Driver {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  std::string ask(net::Driver& with, const test::KeepingServer& server, int times) {
    std::promise<net::RunResult> promise;
    with.run(std::make_unique<Asking>("https://localhost:" + std::to_string(server.port()) + "/v1/x",
                                      root_file, times),
             10s, [&](net::RunResult result) { promise.set_value(std::move(result)); });
    const auto result = promise.get_future().get();
    if (!result.outcome) return describe(result.outcome.error());
    return static_cast<const Asking&>(*result.conversation).bodies;
  }

  test::TemporaryDirectory directory;
  test::Identity root = test::make_authority("Vault Root");
  std::string root_file = directory.write("root.pem", certificate_pem(root));
  test::ServerSpec tls{test::make_identity({.common_name = "vault", .names = "DNS:localhost"}, &root)};
  net::Driver web{{loop, clock, randomness, dns, http, file, helper, std::make_shared<net::HttpClient>(),
                   nullptr, [](const std::string&) { return std::optional<Secret>{}; }}};
};

TEST_F(DriverHttp, OneConversationOneConnectionAndItEndsWithIt) {
  const test::KeepingServer server{tls, [](int number) { return test::reply_with(std::to_string(number)); }};
  EXPECT_EQ(ask(web, server, 3), "123");
  EXPECT_EQ(server.connections(), 1);
  for (int i = 0; i < 500 && server.ended() == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(server.ended(), 1) << "nothing is kept behind a conversation";
  EXPECT_EQ(ask(web, server, 2), "12");
  EXPECT_EQ(server.connections(), 2);
}

}  // namespace
}  // namespace sallyport
