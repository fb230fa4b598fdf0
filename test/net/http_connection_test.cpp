#include "net/http_connection.h"

#include "net/http.h"
#include "test/net/http_text.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

#include <atomic>
#include <csignal>
#include <optional>

namespace sallyport::net {
namespace {

using namespace sallyport::test;
using namespace std::chrono_literals;

/// Keeps each connection open until the client closes it; `answer` gets the number of the request on its connection, from
/// 1, and closes with none.
class KeepingServer {
 public:
  using Answer = std::function<std::optional<std::string>(int)>;

  explicit KeepingServer(const ServerSpec& tls, Answer answer)
      : context_(server_context(tls)), answer_(std::move(answer)), server_([this](int fd) { serve(fd); }) {}

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] int connections() const { return server_.accepted(); }
  [[nodiscard]] int requests() const { return requests_; }

 private:
  void serve(int fd) {
    std::unique_ptr<SSL, With<SSL_free>> ssl{SSL_new(context_.get())};
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) != 1) return;
    for (int number = 1;; ++number) {
      const auto request = read_request(
          [&](char* into, std::size_t size) { return SSL_read(ssl.get(), into, static_cast<int>(size)); });
      if (request.empty()) return;
      ++requests_;
      const auto answer = answer_(number);
      if (!answer) return;
      SSL_write(ssl.get(), answer->data(), static_cast<int>(answer->size()));
    }
  }

  SslContext context_;
  Answer answer_;
  std::atomic<int> requests_ = 0;
  SocketServer server_;
};

class KeptConnection : public testing::Test {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  HttpRequest to(const KeepingServer& server) const {
    HttpRequest request;
    request.url = "https://localhost:" + std::to_string(server.port()) + "/v1/x";
    request.ca_file = root_file_;
    request.deadline = 5s;
    return request;
  }
  static std::string outcome(const Result<HttpReply>& reply) {
    return reply ? std::string{reply->body.reveal()} : describe(reply.error());
  }

  TemporaryDirectory directory_;
  Identity root_ = make_authority("Vault Root");
  std::string root_file_ = directory_.write("root.pem", certificate_pem(root_));
  ServerSpec tls_{make_identity({.common_name = "vault", .names = "DNS:localhost"}, &root_)};
  HttpClient client_;
};

TEST_F(KeptConnection, CarriesOneRequestAfterTheOther) {
  const KeepingServer server{tls_, [](int number) { return reply_with(std::to_string(number)); }};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "1");
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "2");
  auto post = to(server);
  post.method = "POST";
  post.body = Secret::copy_of("role");
  EXPECT_EQ(outcome(client_.perform(post, connection)), "3");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(KeptConnection, EndsWithItsConversation) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }};
  for (int conversation = 0; conversation < 2; ++conversation) {
    HttpConnection connection;
    EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  }
  EXPECT_EQ(outcome(client_.perform(to(server))), "x");
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(KeptConnection, IsNotUsedForAnotherTrustOrIdentity) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }};
  const auto stranger = make_authority("Another Root");
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");

  auto distrusting = to(server);
  distrusting.ca_file = directory_.write("other.pem", certificate_pem(stranger));
  const auto refused = client_.perform(distrusting, connection);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::denied);

  auto known = to(server);
  known.authorities = Authorities{certificate_pem(root_), "the test"};
  EXPECT_EQ(outcome(client_.perform(known, connection)), "x");
  EXPECT_EQ(server.connections(), 3);

  known.client_certificate = certificate_pem(tls_.identity);
  known.client_key = Secret::copy_of(key_pem(tls_.identity));
  EXPECT_EQ(outcome(client_.perform(known, connection)), "x");
  EXPECT_EQ(server.connections(), 4);
}

// libcurl would send it once more on a new connection: a `creds/` request would make two leases.
TEST_F(KeptConnection, ClosedUnderARequestIsAnErrorAndTheRequestIsSentOnce) {
  const KeepingServer server{tls_, [](int number) -> std::optional<std::string> {
                               if (number == 2) return std::nullopt;
                               return reply_with("first");
                             }};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "first");
  const auto lost = client_.perform(to(server), connection);
  ASSERT_TRUE(lost.has_error()) << outcome(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::peer_misbehaved);
  EXPECT_TRUE(may_have_been_executed(lost.error()));
  EXPECT_NE(describe(lost.error()).find("closed it without an answer"), std::string::npos)
      << describe(lost.error());
  EXPECT_EQ(server.requests(), 2);
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "first") << "the next one has a new connection";
}

TEST_F(KeptConnection, ServerThatClosesAfterItsReplyIsConnectedToAgain) {
  const KeepingServer server{tls_,
                             [](int) { return reply_with("x", "HTTP/1.1 200 OK\r\nConnection: close"); }};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  EXPECT_EQ(server.connections(), 2);
}

}  // namespace
}  // namespace sallyport::net
