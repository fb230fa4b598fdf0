#include "net/http_connection.h"

#include "net/http.h"
#include "test/net/keeping_server.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <csignal>
#include <optional>
#include <thread>

namespace sallyport::net {
namespace {

using namespace sallyport::test;
using namespace std::chrono_literals;

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

TEST_F(KeptConnection, IsNotSharedBetweenConversations) {
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
  EXPECT_EQ(outcome(client_.perform(known, connection)), "x");
  EXPECT_EQ(server.connections(), 5) << "a key of ours is not kept between requests";
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

TEST_F(KeptConnection, ThatTheServerAnnouncesToCloseIsNotUsedAgain) {
  const KeepingServer server{tls_,
                             [](int) { return reply_with("x", "HTTP/1.1 200 OK\r\nConnection: close"); }};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  EXPECT_EQ(server.connections(), 2);
}

// What servers do that have no patience: without a word, between two requests.
TEST_F(KeptConnection, ClosedBetweenTwoRequestsIsReplacedByANewOne) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }, 1};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  for (int i = 0; i < 500 && server.ended() == 0; ++i) std::this_thread::sleep_for(10ms);
  ASSERT_EQ(server.ended(), 1);
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(server.requests(), 2);
}

TEST_F(KeptConnection, WhatComesBetweenTwoRequestsIsNotTheNextAnswer) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }, 1000, reply_with("forged")};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  for (int i = 0; i < 500 && server.requests() < 1; ++i) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(50ms);  // the forged one is on its way
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  EXPECT_EQ(server.connections(), 2);
}

// Its connection would otherwise be held open by whatever is forked while a conversation runs.
TEST_F(KeptConnection, IsNoChildsAfterExec) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }};
  HttpConnection connection;
  EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  auto handle = connection.take({"https://localhost:" + std::to_string(server.port()), root_file_, "", ""});
  curl_socket_t socket = CURL_SOCKET_BAD;
  ASSERT_EQ(curl_easy_getinfo(handle->easy.get(), CURLINFO_ACTIVESOCKET, &socket), CURLE_OK);
  ASSERT_NE(socket, CURL_SOCKET_BAD);
  EXPECT_NE(fcntl(socket, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(KeptConnection, ItsEndDoesNotWaitForAServerThatKeepsSending) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }, 1000, std::string(60'000'000, 'x')};
  {
    HttpConnection connection;
    EXPECT_EQ(outcome(client_.perform(to(server), connection)), "x");
  }
  for (int i = 0; i < 500 && server.ended() == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(server.ended(), 1) << "the server was told that nobody reads";
}

// The handle of a request that was given up on is still in use on its lane.
TEST(KeptHandle, IsTakenByOneRequestAtATime) {
  HttpConnection connection;
  const HttpPeer peer{"https://v:8200", "", "", ""};
  auto first = connection.take(peer);
  auto second = connection.take(peer);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(first.get(), second.get());
}

}  // namespace
}  // namespace sallyport::net
