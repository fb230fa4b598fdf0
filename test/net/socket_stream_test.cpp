// Streams on real sockets, plain and TLS: no byte is lost whatever the sizes, and ends are told apart.
#include "net/socket_stream.h"

#include "net/tls.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include <random>
#include <thread>

namespace sallyport::socket_stream_test {
namespace {

using net::IoStatus;
using net::SocketStream;
using net::UniqueFd;
using namespace std::chrono_literals;

std::string noise(std::size_t size) {
  std::mt19937 random{7};
  std::string bytes(size, '\0');
  for (auto& byte : bytes) byte = static_cast<char>(random());
  return bytes;
}

/// Reads as the relay does: on an event until `more` is false, never otherwise. Stops the loop at the end.
struct Reader final : net::StreamEvents {
  Reader(SocketStream& its_stream, net::EpollLoop& its_loop) : stream(its_stream), loop(its_loop) {
    stream.set_events(this);
  }
  void on_readable() override {
    ++events;
    net::IoResult result;
    do {
      std::uint8_t chunk[65'536];
      result = stream.read(MutableBytes{chunk}.first(next_size()));
      if (result.status == IoStatus::ok) got += as_text(Bytes{chunk, result.bytes});
      if (result.status == IoStatus::closed || result.status == IoStatus::failed) {
        end = result.status;
        return loop.stop();
      }
    } while (result.status == IoStatus::ok && result.more);
    if (got.size() >= wanted) loop.stop();
  }
  void on_writable() override {
    ++writable;
    if (on_room) on_room();
  }
  std::size_t next_size() { return sizes == nullptr ? 65'536 : 1 + (*sizes)() % 20'000; }

  SocketStream& stream;
  net::EpollLoop& loop;
  std::mt19937* sizes = nullptr;
  std::string got;
  std::size_t wanted = ~std::size_t{0};
  IoStatus end = IoStatus::ok;
  int events = 0, writable = 0;
  std::function<void()> on_room;
};

class Sockets : public testing::Test {
 protected:
  void SetUp() override {
    int fds[2];
    ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    theirs = UniqueFd{fds[1]};
    fcntl(fds[0], F_SETFL, O_NONBLOCK);
    stream = std::make_unique<SocketStream>(UniqueFd{fds[0]});
    const timeval patience{10, 0};
    setsockopt(theirs.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    loop.after(20s, [this] {
      ADD_FAILURE() << "it hangs";
      loop.stop();
    });
  }
  SystemClock clock;
  net::EpollLoop loop{clock};
  UniqueFd theirs;
  std::unique_ptr<SocketStream> stream;
};

TEST_F(Sockets, PlainBytesArriveWholeWhateverTheSizes) {
  const auto sent = noise(3'000'000);
  Reader reader{*stream, loop};
  std::mt19937 sizes{1};
  reader.sizes = &sizes;
  stream->attach(loop);
  std::thread writer{[&] {
    std::mt19937 random{2};
    for (std::size_t at = 0; at < sent.size();) {
      const auto wrote =
          write(theirs.get(), sent.data() + at, std::min<std::size_t>(1 + random() % 9000, sent.size() - at));
      if (wrote <= 0) break;
      at += static_cast<std::size_t>(wrote);
    }
    theirs.reset();
  }};
  loop.run();
  writer.join();
  EXPECT_EQ(reader.got.size(), sent.size());
  EXPECT_TRUE(reader.got == sent);
  EXPECT_EQ(reader.end, IoStatus::closed);
}

TEST_F(Sockets, AWriteThatDoesNotFitIsGoneOnWithWhenToldSo) {
  const auto sent = noise(2'000'000);
  Reader events{*stream, loop};
  stream->attach(loop);
  std::size_t at = 0;
  events.on_room = [&] {
    while (at < sent.size()) {
      const auto result = stream->write(as_bytes(sent).subspan(at));
      if (result.status != IoStatus::ok) return;
      at += result.bytes;
    }
    loop.stop();
  };
  loop.post(events.on_room);
  std::string got;
  std::thread reader{[&] {
    char chunk[10'000];
    for (ssize_t size = 0;
         got.size() < sent.size() && (size = read(theirs.get(), chunk, sizeof chunk)) > 0;) {
      got.append(chunk, static_cast<std::size_t>(size));
    }
  }};
  loop.run();
  reader.join();
  EXPECT_TRUE(got == sent);
  EXPECT_GT(events.writable, 0);
}

TEST_F(Sockets, NobodyIsToldOfRoomWhoHasNotWaitedForIt) {
  Reader events{*stream, loop};
  stream->attach(loop);
  EXPECT_EQ(stream->write(as_bytes("hello")).bytes, 5u);
  loop.after(20ms, [this] { loop.stop(); });
  loop.run();
  EXPECT_EQ(events.writable, 0);
}

TEST_F(Sockets, BytesAndTheEndInOneEventAreBothSeen) {
  Reader reader{*stream, loop};
  ASSERT_EQ(write(theirs.get(), "last", 4), 4);
  theirs.reset();
  stream->attach(loop);
  loop.run();
  EXPECT_EQ(reader.got, "last");
  EXPECT_EQ(reader.end, IoStatus::closed);
}

TEST_F(Sockets, AfterShutdownThePeerSeesTheEndAndCanStillAnswer) {
  Reader reader{*stream, loop};
  stream->attach(loop);
  stream->shutdown_write();
  char byte = 0;
  EXPECT_EQ(read(theirs.get(), &byte, 1), 0);
  ASSERT_EQ(write(theirs.get(), "answer", 6), 6);
  theirs.reset();
  loop.run();
  EXPECT_EQ(reader.got, "answer");
}

TEST_F(Sockets, WritingToOneWhoIsGoneFails) {
  theirs.reset();
  auto status = IoStatus::ok;
  for (int i = 0; i < 3 && status == IoStatus::ok; ++i) status = stream->write(as_bytes("x")).status;
  EXPECT_EQ(status, IoStatus::failed);
}

TEST_F(Sockets, AStreamThatMovesToAnotherLoopKeepsItsBytes) {
  ASSERT_EQ(write(theirs.get(), "one", 3), 3);
  net::EpollLoop second{clock};
  Reader reader{*stream, second};
  stream->attach(loop);
  stream->detach();
  stream->attach(second);
  reader.wanted = 3;
  second.run();
  EXPECT_EQ(reader.got, "one");
  stream->detach();
}

// ---- TLS -----------------------------------------------------------------------------------------

/// The other end is OpenSSL on a thread of its own, blocking.
class TlsSockets : public Sockets {
 protected:
  void SetUp() override {
    Sockets::SetUp();
    const auto authority = test::make_identity({.common_name = "ca", .authority = true}, nullptr);
    test::ServerSpec spec;
    spec.identity = test::make_identity({.common_name = "db", .names = "DNS:db.example"}, &authority);
    context = test::server_context(spec);
  }
  /// Connects both; then `serve` runs on the thread with the server's SSL.
  void connect(std::function<void(SSL*)> serve, bool detached_end = false) {
    TlsPolicy policy;
    policy.mode = TlsMode::require;
    policy.weaker_reason = "test";
    policy.weaker_until = "2099-01-01";
    auto ours = net::TlsContext::for_upstream(policy);
    ASSERT_TRUE(ours) << describe(ours.error());
    auto ssl = (*ours)->connect("db.example", "", nullptr);
    ASSERT_TRUE(ssl);
    stream->adopt_tls(std::move(*ssl));
    server = std::thread{[this, serve = std::move(serve), detached_end] {
      std::unique_ptr<SSL, test::With<SSL_free>> their{SSL_new(context.get())};
      SSL_set_fd(their.get(), theirs.get());
      if (SSL_accept(their.get()) == 1) serve(their.get());
      if (!detached_end) theirs.reset();
    }};
    IoStatus status = IoStatus::would_block;
    for (int i = 0; i < 1000 && (status = stream->handshake()) == IoStatus::would_block; ++i) {
      pollfd wait{stream->fd(), POLLIN, 0};
      poll(&wait, 1, 1000);
    }
    ASSERT_EQ(status, IoStatus::ok);
  }
  void TearDown() override {
    if (server.joinable()) server.join();
  }
  test::SslContext context;
  std::thread server;
};

void write_all(SSL* ssl, const std::string& bytes, std::mt19937& sizes,
               std::function<void(int)> between = {}) {
  int piece = 0;
  for (std::size_t at = 0; at < bytes.size(); ++piece) {
    const auto size = std::min<std::size_t>(1 + sizes() % 20'000, bytes.size() - at);
    if (SSL_write(ssl, bytes.data() + at, static_cast<int>(size)) <= 0) return;
    at += size;
    if (between) between(piece);
  }
}

TEST_F(TlsSockets, BytesArriveWholeWhateverTheSizes) {
  const auto sent = noise(3'000'000);
  connect([&](SSL* ssl) {
    std::mt19937 random{3};
    write_all(ssl, sent, random);
    SSL_shutdown(ssl);
  });
  Reader reader{*stream, loop};
  std::mt19937 sizes{4};
  reader.sizes = &sizes;
  stream->attach(loop);
  loop.run();
  EXPECT_TRUE(reader.got == sent) << reader.got.size();
  EXPECT_EQ(reader.end, IoStatus::closed);
}

// A record and half of the next in one segment, the rest later: the hint that the socket is empty is the point.
TEST_F(TlsSockets, QuestionsAndAnswersOfAllSizesNeverStall) {
  connect([](SSL* ssl) {
    char chunk[70'000];
    for (int size = 0; (size = SSL_read(ssl, chunk, sizeof chunk)) > 0;) SSL_write(ssl, chunk, size);
  });
  Reader reader{*stream, loop};
  stream->attach(loop);
  std::size_t size = 1;
  std::string sent;
  std::function<void()> ask = [&] {
    if (size > 60'000) return loop.stop();
    reader.got.clear();
    sent = noise(size);
    reader.wanted = ~std::size_t{0};
    for (std::size_t at = 0; at < sent.size();) {
      const auto result = stream->write(as_bytes(sent).subspan(at));
      if (result.status == IoStatus::ok) at += result.bytes;
      ASSERT_NE(result.status, IoStatus::failed);
    }
    size = size * 3 / 2 + 1;
  };
  struct Echo final : net::StreamEvents {
    Reader& reader;
    std::function<void()>& next;
    std::string& sent;
    Echo(Reader& r, std::function<void()>& n, std::string& s) : reader(r), next(n), sent(s) {}
    void on_readable() override {
      reader.on_readable();
      // The server's session tickets are an event before anything was asked.
      if (!sent.empty() && reader.got.size() == sent.size()) {
        EXPECT_TRUE(reader.got == sent);
        next();
      }
    }
    void on_writable() override {}
  } echo{reader, ask, sent};
  stream->set_events(&echo);
  loop.post(ask);
  loop.run();
  EXPECT_GT(size, 60'000u);
  stream->shutdown_write();
}

TEST_F(TlsSockets, KeyUpdatesInBetweenLoseNothing) {
  const auto sent = noise(500'000);
  connect([&](SSL* ssl) {
    std::mt19937 random{5};
    write_all(ssl, sent, random, [&](int piece) {
      if (piece % 5 == 0) SSL_key_update(ssl, SSL_KEY_UPDATE_REQUESTED);
    });
    // Closing with our key updates unread would throw away what it sent.
    char byte = 0;
    while (SSL_read(ssl, &byte, 1) > 0) {}
  });
  Reader reader{*stream, loop};
  reader.wanted = sent.size();
  stream->attach(loop);
  loop.run();
  stream->shutdown_write();
  EXPECT_TRUE(reader.got == sent) << reader.got.size();
}

TEST_F(TlsSockets, AnEndWithoutCloseNotifyIsAnEnd) {
  connect([](SSL* ssl) { SSL_write(ssl, "bye", 3); });
  Reader reader{*stream, loop};
  stream->attach(loop);
  loop.run();
  EXPECT_EQ(reader.got, "bye");
  EXPECT_EQ(reader.end, IoStatus::closed);
}

TEST_F(TlsSockets, GarbageInsteadOfARecordFails) {
  connect([this](SSL*) { (void)!write(theirs.get(), "this is no record at all", 24); });
  Reader reader{*stream, loop};
  stream->attach(loop);
  loop.run();
  EXPECT_EQ(reader.end, IoStatus::failed);
}

TEST_F(TlsSockets, ShutdownSendsCloseNotify) {
  int last = -1;
  connect([&](SSL* ssl) {
    char byte = 0;
    last = SSL_get_error(ssl, SSL_read(ssl, &byte, 1));
  });
  stream->shutdown_write();
  server.join();
  EXPECT_EQ(last, SSL_ERROR_ZERO_RETURN);
}

}  // namespace
}  // namespace sallyport::socket_stream_test
