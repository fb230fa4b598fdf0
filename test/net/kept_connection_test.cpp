#include "net/kept_connection.h"

#include "net/curl_library.h"
#include "net/http.h"
#include "net/http_request.h"
#include "test/net/https_fixture.h"
#include "test/net/keeping_server.h"

#include <gtest/gtest.h>

#include <fcntl.h>

#include <optional>
#include <thread>

namespace sallyport::net::kept_connection_test {
namespace {

using namespace sallyport::test;
using namespace std::chrono_literals;

class KeptConnectionTest : public Https {
 protected:
  static std::string outcome(const Result<HttpReply>& reply) {
    return reply ? std::string{reply->body.reveal()} : describe(reply.error());
  }
};

TEST_F(KeptConnectionTest, CarriesOneRequestAfterTheOther) {
  const KeepingServer server{tls_, [](int number) { return reply_with(std::to_string(number)); }};
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "1");
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "2");
  auto post = to(server.port());
  post.method = "POST";
  post.body = Secret::copy_of("role");
  EXPECT_EQ(outcome(client_.perform(post, kept)), "3");
  EXPECT_EQ(server.connections(), 1);
}

TEST_F(KeptConnectionTest, IsNotSharedBetweenConversations) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }};
  for (int conversation = 0; conversation < 2; ++conversation) {
    KeptConnection kept;
    EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  }
  EXPECT_EQ(outcome(client_.perform(to(server.port()))), "x");
  EXPECT_EQ(server.connections(), 3);
}

TEST_F(KeptConnectionTest, IsNotUsedForAnotherTrustOrIdentity) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }};
  const auto stranger = make_authority("Another Root");
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");

  auto distrusting = to(server.port());
  distrusting.ca_file = directory_.write("other.pem", certificate_pem(stranger));
  const auto refused = client_.perform(distrusting, kept);
  ASSERT_TRUE(refused.has_error());
  EXPECT_EQ(refused.error().code, ErrorCode::denied);

  auto known = to(server.port());
  known.authorities = Authorities{certificate_pem(root_), "the test"};
  EXPECT_EQ(outcome(client_.perform(known, kept)), "x");
  EXPECT_EQ(server.connections(), 3);

  known.client_certificate = certificate_pem(tls_.identity);
  known.client_key = Secret::copy_of(key_pem(tls_.identity));
  EXPECT_EQ(outcome(client_.perform(known, kept)), "x");
  EXPECT_EQ(server.connections(), 4);
  EXPECT_EQ(outcome(client_.perform(known, kept)), "x");
  EXPECT_EQ(server.connections(), 5) << "a key of ours is not kept between requests";
}

// libcurl would send it once more on a new connection: a `creds/` request would make two leases.
TEST_F(KeptConnectionTest, ClosedUnderARequestIsAnErrorAndTheRequestIsSentOnce) {
  const KeepingServer server{tls_, [](int number) -> std::optional<std::string> {
                               if (number == 2) return std::nullopt;
                               return reply_with("first");
                             }};
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "first");
  const auto lost = client_.perform(to(server.port()), kept);
  ASSERT_TRUE(lost.has_error()) << outcome(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::peer_misbehaved);
  EXPECT_TRUE(may_have_been_executed(lost.error()));
  EXPECT_NE(describe(lost.error()).find("closed it without an answer"), std::string::npos)
      << describe(lost.error());
  EXPECT_EQ(server.requests(), 2);
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "first")
      << "the next one has a new connection";
}

TEST_F(KeptConnectionTest, ThatTheServerAnnouncesToCloseIsNotUsedAgain) {
  const KeepingServer server{tls_,
                             [](int) { return reply_with("x", "HTTP/1.1 200 OK\r\nConnection: close"); }};
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  EXPECT_EQ(server.connections(), 2);
}

// What servers do that have no patience: without a word, between two requests.
TEST_F(KeptConnectionTest, ClosedBetweenTwoRequestsIsReplacedByANewOne) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }, 1};
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  for (int i = 0; i < 500 && server.ended() == 0; ++i) std::this_thread::sleep_for(10ms);
  ASSERT_EQ(server.ended(), 1);
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  EXPECT_EQ(server.connections(), 2);
  EXPECT_EQ(server.requests(), 2);
}

TEST_F(KeptConnectionTest, WhatComesBetweenTwoRequestsIsNotTheNextAnswer) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }, 1000, reply_with("forged")};
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  for (int i = 0; i < 500 && server.requests() < 1; ++i) std::this_thread::sleep_for(10ms);
  std::this_thread::sleep_for(50ms);  // the forged one is on its way
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  EXPECT_EQ(server.connections(), 2);
}

// Its connection would otherwise be held open by whatever is forked while a conversation runs.
TEST_F(KeptConnectionTest, IsNoChildsAfterExec) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }};
  KeptConnection kept;
  EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  auto handle = kept.take({"https://localhost:" + std::to_string(server.port()), root_file_, "", ""});
  curl_socket_t socket = CURL_SOCKET_BAD;
  ASSERT_EQ(curl().easy_getinfo(handle->easy.get(), CURLINFO_ACTIVESOCKET, &socket), CURLE_OK);
  ASSERT_NE(socket, CURL_SOCKET_BAD);
  EXPECT_NE(fcntl(socket, F_GETFD) & FD_CLOEXEC, 0);
}

TEST_F(KeptConnectionTest, ItsEndDoesNotWaitForAServerThatKeepsSending) {
  const KeepingServer server{tls_, [](int) { return reply_with("x"); }, 1000, std::string(60'000'000, 'x')};
  {
    KeptConnection kept;
    EXPECT_EQ(outcome(client_.perform(to(server.port()), kept)), "x");
  }
  for (int i = 0; i < 500 && server.ended() == 0; ++i) std::this_thread::sleep_for(10ms);
  EXPECT_EQ(server.ended(), 1) << "the server was told that nobody reads";
}

// The handle of a request that was given up on is still in use on its lane.
TEST(KeptConnectionHandle, IsTakenByOneRequestAtATime) {
  ASSERT_TRUE(load_http_library().has_value());
  KeptConnection kept;
  const HttpPeer peer{"https://v:8200", "", "", ""};
  auto first = kept.take(peer);
  auto second = kept.take(peer);
  ASSERT_NE(first, nullptr);
  ASSERT_NE(second, nullptr);
  EXPECT_NE(first.get(), second.get());
}

TEST(HttpOptions, OneThatIsNotTakenIsNotForgotten) {
  ASSERT_TRUE(load_http_library().has_value());
  KeptConnection kept;
  const auto handle = kept.take({"https://v:8200", "", "", ""});
  Options options{handle->easy.get()};
  set(options, CURLOPT_NOSIGNAL, 1L);
  EXPECT_EQ(options.refused, CURLE_OK);
  set(options, CURLOPT_PROTOCOLS_STR, "no-such-protocol");
  set(options, CURLOPT_NOSIGNAL, 1L);
  EXPECT_NE(options.refused, CURLE_OK);
}

}  // namespace
}  // namespace sallyport::net::kept_connection_test
