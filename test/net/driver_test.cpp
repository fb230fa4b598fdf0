// The driver against real local listeners, and the acceptor.
#include "net/driver.h"

#include "net/acceptor.h"
#include "test/net/driver_fixture.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/resource.h>

#include <future>
#include <thread>

namespace sallyport::driver_test {
namespace {

using namespace std::chrono_literals;
using Driver = test::Driver;

/// Sends "ping", is done with "pong".
class PingConversation final : public Conversation {
 public:
  explicit PingConversation(bool tls = false) : tls_(tls) {}
  Result<Action> resume(Input input) override {
    if (std::holds_alternative<Started>(input.event)) {
      if (tls_) return Action{StartTls{""}};
      return Action{ping()};
    }
    if (std::holds_alternative<TlsEstablished>(input.event)) return Action{ping()};
    if (const auto* closed = std::get_if<PeerClosed>(&input.event)) {
      cut = closed->cut;
      return Error{ErrorCode::retry_later, Hop::login, {}, "closed", {}, {}};
    }
    if (auto* received = std::get_if<Received>(&input.event)) {
      if (received->input.size() < 4) return Action{NeedMore{}};
      answer = as_text(received->input.unread().first(4));
      received->input.consume(4);
      return Action{Done{}};
    }
    return Error{ErrorCode::internal, Hop::login, {}, "unexpected", {}, {}};
  }
  std::string answer;
  bool cut = false;

 private:
  static Send ping() {
    Send send;
    for (const auto c : std::string_view{"ping"}) send.bytes.push_back(static_cast<std::uint8_t>(c));
    return send;
  }
  bool tls_;
};

/// Sends eight bytes; begins TLS at an 'S', whatever stands behind it.
class AskingForTls final : public Conversation {
 public:
  Result<Action> resume(Input input) override {
    if (auto* received = std::get_if<Received>(&input.event)) {
      received->input.consume(1);
      return Action{StartTls{""}};
    }
    Send send;
    send.bytes.assign(8, 0);
    return Action{std::move(send)};
  }
};

TEST_F(Driver, AConversationThatEndsWellHandsItsStreamOver) {
  test::SocketServer server{[](int fd) {
    char bytes[4];
    if (recv(fd, bytes, 4, MSG_WAITALL) == 4) (void)!write(fd, "pong", 4);
    (void)!read(fd, bytes, 1);
  }};
  auto result = run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
  ASSERT_TRUE(result.outcome) << describe(result.outcome.error());
  EXPECT_EQ(static_cast<PingConversation&>(*result.conversation).answer, "pong");
  ASSERT_NE(result.stream, nullptr);
}

TEST_F(Driver, APeerThatClosesIsToldFromAConnectionThatWasCut) {
  for (const bool cut : {false, true}) {
    test::SocketServer server{[cut](int fd) {
      char bytes[4];
      (void)recv(fd, bytes, 4, MSG_WAITALL);
      const linger at_once{1, 0};  // a reset
      if (cut) setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    }};
    auto result =
        run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
    EXPECT_FALSE(result.outcome);
    EXPECT_EQ(static_cast<PingConversation&>(*result.conversation).cut, cut);
  }
}

TEST_F(Driver, OverTlsAnEndWithoutCloseNotifyIsACut) {
  const auto context = test::server_context({test::make_authority("Example Root"), {}, {}});
  TlsPolicy policy;
  policy.mode = TlsMode::require;
  auto tls = net::TlsContext::for_upstream(policy);
  ASSERT_TRUE(tls);
  for (const bool cut : {false, true}) {
    test::SocketServer server{[&](int fd) {
      std::unique_ptr<SSL, test::With<SSL_free>> ssl{SSL_new(context.get())};
      SSL_set_fd(ssl.get(), fd);
      char bytes[4];
      if (SSL_accept(ssl.get()) == 1 && SSL_read(ssl.get(), bytes, 4) == 4 && !cut) SSL_shutdown(ssl.get());
    }};
    auto result =
        run({"127.0.0.1", server.port(), {}, *tls, nullptr}, std::make_unique<PingConversation>(true));
    EXPECT_FALSE(result.outcome);
    EXPECT_EQ(static_cast<PingConversation&>(*result.conversation).cut, cut);
  }
}

TEST_F(Driver, AnAnswerByteByByteIsPutTogether) {
  test::SocketServer server{[](int fd) {
    char bytes[4];
    if (recv(fd, bytes, 4, MSG_WAITALL) != 4) return;
    for (const char c : {'p', 'o', 'n', 'g'}) {
      std::this_thread::sleep_for(5ms);
      (void)!write(fd, &c, 1);
    }
    (void)!read(fd, bytes, 1);
  }};
  auto result = run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
  EXPECT_TRUE(result.outcome);
}

TEST_F(Driver, ARefusedConnectionNamesTheAddress) {
  const auto port = closed_port();
  auto result = run({"127.0.0.1", port, {}, nullptr, nullptr}, std::make_unique<PingConversation>());
  ASSERT_FALSE(result.outcome);
  EXPECT_EQ(result.outcome.error().hop, Hop::tcp);
  EXPECT_EQ(result.outcome.error().where, "127.0.0.1:" + std::to_string(port));
  EXPECT_EQ(result.stream, nullptr);
}

// localhost is ::1 and 127.0.0.1 here; where it is only one of them, this shows that a name is looked up.
TEST_F(Driver, TheNextAddressIsTriedWhenOneRefuses) {
  test::SocketServer server{[](int fd) {
    char bytes[4];
    if (recv(fd, bytes, 4, MSG_WAITALL) == 4) (void)!write(fd, "pong", 4);
    (void)!read(fd, bytes, 1);
  }};
  auto result = run({"localhost", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
  EXPECT_TRUE(result.outcome);
}

TEST_F(Driver, ADeadlineSaysWhatWasWaitedFor) {
  test::SocketServer server{[](int fd) {
    char byte = 0;
    while (read(fd, &byte, 1) > 0) {}
  }};
  auto result =
      run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>(), 200ms);
  ASSERT_FALSE(result.outcome);
  EXPECT_EQ(result.outcome.error().code, ErrorCode::timed_out);
  EXPECT_NE(result.outcome.error().what.find("the server's answer"), std::string::npos);
}

TEST_F(Driver, TimeInWhichWeWereStoppedIsNotThePeers) {
  // The server answers within the 2 s, counted without the 3.2 s in which nobody could have read it.
  test::SocketServer server{[this](int fd) {
    char ping[4];
    ASSERT_EQ(read(fd, ping, 4), 4);
    loop.post([] { std::this_thread::sleep_for(3200ms); });
    std::this_thread::sleep_for(3500ms);
    ASSERT_EQ(write(fd, "pong", 4), 4);
  }};
  auto result =
      run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>(), 2s);
  ASSERT_TRUE(result.outcome) << result.outcome.error().what;
}

TEST_F(Driver, ATlsHandshakeThatDoesNotEndIsNamed) {
  test::SocketServer server{[](int fd) {
    char byte = 0;
    while (read(fd, &byte, 1) > 0) {}
  }};
  auto tls = net::TlsContext::for_upstream({});
  ASSERT_TRUE(tls);
  auto result =
      run({"127.0.0.1", server.port(), {}, *tls, nullptr}, std::make_unique<PingConversation>(true), 200ms);
  ASSERT_FALSE(result.outcome);
  EXPECT_NE(result.outcome.error().what.find("the TLS handshake"), std::string::npos);
}

TEST_F(Driver, ACloseIsToldToTheConversation) {
  test::SocketServer server{[](int fd) {
    char bytes[4];
    (void)!recv(fd, bytes, 4, MSG_WAITALL);
  }};
  auto result = run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
  ASSERT_FALSE(result.outcome);
  EXPECT_EQ(result.outcome.error().what, "closed");
}

TEST_F(Driver, MoreThanTheAnswerIsRefused) {
  test::SocketServer server{[](int fd) {
    char bytes[4];
    if (recv(fd, bytes, 4, MSG_WAITALL) == 4) (void)!write(fd, "pong!", 5);
    (void)!read(fd, bytes, 1);
  }};
  auto result = run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
  ASSERT_FALSE(result.outcome);
  EXPECT_EQ(result.outcome.error().code, ErrorCode::peer_misbehaved);
}

TEST_F(Driver, BytesBehindTheAnswerToSslRequestAreRefused) {
  test::SocketServer server{[](int fd) {
    char bytes[8];
    if (recv(fd, bytes, 8, MSG_WAITALL) == 8) (void)!write(fd, "Sinjected", 9);
    (void)!read(fd, bytes, 1);
  }};
  auto tls = net::TlsContext::for_upstream({});
  ASSERT_TRUE(tls);
  auto result = run({"127.0.0.1", server.port(), {}, *tls, nullptr}, std::make_unique<AskingForTls>());
  ASSERT_FALSE(result.outcome);
  EXPECT_EQ(result.outcome.error().code, ErrorCode::peer_misbehaved);
  EXPECT_EQ(result.outcome.error().hop, Hop::tls);
}

// What a server says before it resets the connection is worth more than our failed write.
TEST_F(Driver, LastWordsAreReadAlthoughTheWriteFailed) {
  test::SocketServer server{[](int fd) {
    (void)!write(fd, "pong", 4);
    shutdown(fd, SHUT_RD);
  }};
  for (int i = 0; i < 10; ++i) {
    auto result =
        run({"127.0.0.1", server.port(), {}, nullptr, nullptr}, std::make_unique<PingConversation>());
    EXPECT_TRUE(result.outcome || result.outcome.error().what == "closed");
  }
}

// ---- Acceptor ------------------------------------------------------------------------------------

TEST(Acceptor, HandsConnectionsOnAttached) {
  SystemClock clock;
  net::EpollLoop loop{clock};
  std::uint16_t port = 0;
  auto listener = test::listen_on_loopback(port);
  fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  std::vector<std::unique_ptr<net::SocketStream>> streams;
  net::Acceptor acceptor{net::Listener{std::move(listener)}, loop,
                         [&](std::unique_ptr<net::SocketStream> stream) {
                           streams.push_back(std::move(stream));
                           if (streams.size() == 100) loop.stop();
                         }};
  std::vector<net::UniqueFd> clients;
  std::thread connecting{[&] {
    for (int i = 0; i < 100; ++i) clients.push_back(test::connect_to_loopback(port));
  }};
  loop.after(10s, [&] { loop.stop(); });
  loop.run();
  connecting.join();
  EXPECT_EQ(streams.size(), 100u);
  EXPECT_NE(streams.front()->peer_address(), "");
}

TEST(Acceptor, WhomTheDoorkeeperDoesNotLetInIsClosedAndTheOthersCome) {
  SystemClock clock;
  net::EpollLoop loop{clock};
  std::uint16_t port = 0;
  auto listener = test::listen_on_loopback(port);
  fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  std::vector<net::UniqueFd> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(test::connect_to_loopback(port));
  int asked = 0;
  std::vector<std::unique_ptr<net::SocketStream>> streams;
  net::Acceptor acceptor{net::Listener{std::move(listener)}, loop,
                         [&](std::unique_ptr<net::SocketStream> stream) {
                           streams.push_back(std::move(stream));
                           loop.stop();
                         },
                         [&](int fd) {
                           EXPECT_GE(fd, 0);
                           return ++asked == 4;
                         }};
  loop.after(10s, [&] { loop.stop(); });
  loop.run();
  EXPECT_EQ(streams.size(), 1u);
  char byte = 0;
  EXPECT_EQ(recv(clients.front().get(), &byte, 1, 0), 0) << "closed";
  EXPECT_EQ(recv(clients.back().get(), &byte, 1, MSG_DONTWAIT), -1) << "still open";
}

TEST(Acceptor, OutOfDescriptorsItPausesAndComesBack) {
  SystemClock clock;
  net::EpollLoop loop{clock};
  std::uint16_t port = 0;
  auto listener = test::listen_on_loopback(port);
  fcntl(listener.get(), F_SETFL, O_NONBLOCK);
  rlimit before{};
  getrlimit(RLIMIT_NOFILE, &before);
  const rlimit none{3, before.rlim_max};
  int turns = 0;
  std::function<void()> count = [&] {
    if (++turns == 10) setrlimit(RLIMIT_NOFILE, &before);
    if (turns < 500) loop.after(10ms, count);
  };
  int accepted = 0;
  net::UniqueFd second;
  net::Acceptor acceptor{net::Listener{std::move(listener)}, loop,
                         [&](std::unique_ptr<net::SocketStream> client) {
                           if (++accepted == 2) return loop.stop();
                           // The first one came and went while all was well: UBSan proves an object's type
                           // through a pipe, once, which it could not without descriptors.
                           client.reset();
                           second = test::connect_to_loopback(port);
                           setrlimit(RLIMIT_NOFILE, &none);
                           loop.after(0ms, count);
                         }};
  const auto first = test::connect_to_loopback(port);
  loop.run();
  setrlimit(RLIMIT_NOFILE, &before);
  EXPECT_EQ(accepted, 2);
  EXPECT_GE(turns, 10) << "not before there were descriptors";
}

}  // namespace
}  // namespace sallyport::driver_test
