#include "net/http.h"

#include "base/limits.h"
#include "test/net/http_text.h"
#include "test/net/https_fixture.h"

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <fstream>
#include <mutex>

namespace sallyport::net::http_test {
namespace {

using namespace sallyport::test;
using namespace std::chrono_literals;

// Before main, as the contract says: nothing has used OpenSSL or libcurl yet.
const bool libraries_ready = init_libraries().has_value();

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

/// Answers every request with the same bytes, over TLS or plain, and keeps the last request.
class HttpServer {
 public:
  HttpServer(const ServerSpec* tls, std::function<void(const std::function<void(std::string_view)>&)> answer)
      : context_(tls == nullptr ? nullptr : server_context(*tls)),
        answer_(std::move(answer)),
        server_([this](int fd) { serve(fd); }) {}
  HttpServer(const ServerSpec* tls, std::string reply)
      : HttpServer(tls, [reply = std::move(reply)](const auto& send) { send(reply); }) {}

  [[nodiscard]] std::uint16_t port() const { return server_.port(); }
  [[nodiscard]] int accepted() const { return server_.accepted(); }
  [[nodiscard]] bool stopping() const { return server_.stopping(); }
  [[nodiscard]] std::string request() const {
    const std::lock_guard lock{mutex_};
    return request_;
  }

 private:
  void keep(std::string request) {
    const std::lock_guard lock{mutex_};
    request_ = std::move(request);
  }

  void serve(int fd) {
    if (context_ == nullptr) {
      keep(read_request([fd](char* into, std::size_t size) { return recv(fd, into, size, 0); }));
      answer_([fd](std::string_view bytes) { send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL); });
      return;
    }
    std::unique_ptr<SSL, With<SSL_free>> ssl{SSL_new(context_.get())};
    SSL_set_fd(ssl.get(), fd);
    if (SSL_accept(ssl.get()) != 1) return;
    keep(read_request(
        [&](char* into, std::size_t size) { return SSL_read(ssl.get(), into, static_cast<int>(size)); }));
    answer_(
        [&](std::string_view bytes) { SSL_write(ssl.get(), bytes.data(), static_cast<int>(bytes.size())); });
    SSL_shutdown(ssl.get());
  }

  SslContext context_;
  std::function<void(const std::function<void(std::string_view)>&)> answer_;
  mutable std::mutex mutex_;
  std::string request_;
  SocketServer server_;
};

class Http : public Https {
 protected:
  HttpRequest plain_to(std::uint16_t port) const {
    auto request = to(port);
    request.url = "http://127.0.0.1:" + std::to_string(port) + "/v1/x";
    request.plain_http_allowed = true;
    return request;
  }
  static std::string failure(const Result<HttpReply>& reply) {
    return reply.has_error() ? describe(reply.error()) : "status " + std::to_string(reply->status);
  }
};

TEST_F(Http, LibrariesTakeTheWipingFreeWhenAskedFirst) {
  EXPECT_TRUE(libraries_ready);
  EXPECT_TRUE(init_libraries().has_value()) << "a second call does nothing";
}

TEST_F(Http, GetsOverVerifiedTls) {
  const HttpServer server{&tls_, "HTTP/1.1 200 OK\r\nX-Some-Header:  a b \r\nContent-Length: 4\r\n\r\nbody"};
  const auto reply = client_.perform(to(server.port(), "/v1/secret/data/a%2Fb/../c?x=1"));
  ASSERT_TRUE(reply.has_value()) << failure(reply);
  EXPECT_EQ(reply->status, 200);
  EXPECT_EQ(reply->body.reveal(), "body");
  const std::pair<std::string, std::string> expected{"x-some-header", "a b"};
  EXPECT_NE(std::ranges::find(reply->headers, expected), reply->headers.end());
  EXPECT_TRUE(contains(server.request(), "GET /v1/secret/data/a%2Fb/../c?x=1 HTTP/1.1\r\n"))
      << server.request();
}

TEST_F(Http, SendsMethodHeadersAndBodyAsGiven) {
  const HttpServer server{&tls_, reply_with("")};
  auto request = to(server.port());
  request.method = "POST";
  request.body = Secret::copy_of(R"({"role_id":"x"})");
  request.headers.push_back({"X-Vault-Token", Secret::copy_of("canary-token")});
  request.headers.push_back({"X-Empty", Secret{}});
  ASSERT_TRUE(client_.perform(request).has_value());
  const auto seen = server.request();
  EXPECT_TRUE(contains(seen, "POST /v1/x HTTP/1.1\r\n")) << seen;
  EXPECT_TRUE(contains(seen, "\r\nX-Vault-Token: canary-token\r\n")) << seen;
  EXPECT_TRUE(contains(seen, "\r\nX-Empty:\r\n")) << seen;
  EXPECT_TRUE(contains(seen, "\r\n\r\n{\"role_id\":\"x\"}")) << seen;
  EXPECT_FALSE(contains(seen, "Content-Type")) << seen;
  EXPECT_FALSE(contains(seen, "Expect")) << seen;
  for (const auto* method : {"LIST", "DELETE", "PUT", "HEAD"}) {
    auto other = to(server.port());
    other.method = method;
    ASSERT_TRUE(client_.perform(other).has_value()) << method;
    EXPECT_EQ(server.request().find(method), 0U) << server.request();
  }
}

TEST_F(Http, EveryStatusIsAReplyAndRedirectsAreNotFollowed) {
  const HttpServer server{
      &tls_,
      "HTTP/1.1 307 Temporary Redirect\r\nLocation: https://localhost:1/\r\nContent-Length: 0\r\n\r\n"};
  const auto reply = client_.perform(to(server.port()));
  ASSERT_TRUE(reply.has_value()) << failure(reply);
  EXPECT_EQ(reply->status, 307);
  EXPECT_EQ(server.accepted(), 1);
  const HttpServer sealed{
      &tls_, reply_with("{\"errors\":[\"Vault is sealed\"]}", "HTTP/1.1 503 Service Unavailable")};
  EXPECT_EQ(client_.perform(to(sealed.port()))->status, 503);
}

TEST_F(Http, CertificateIsAlwaysVerifiedAndTheFailureExplained) {
  const auto refused = [&](const Identity& identity, const std::string& words) {
    const ServerSpec spec{identity};
    const HttpServer server{&spec, reply_with("secret")};
    auto request = to(server.port());
    request.headers.push_back({"X-Vault-Token", Secret::copy_of("canary-token")});
    const auto reply = client_.perform(request);
    ASSERT_TRUE(reply.has_error());
    EXPECT_EQ(reply.error().code, ErrorCode::denied) << failure(reply);
    EXPECT_EQ(reply.error().hop, Hop::secret_source);
    EXPECT_TRUE(contains(failure(reply), words)) << failure(reply);
    EXPECT_TRUE(reply.error().where.ends_with(", not sent")) << failure(reply);
    EXPECT_FALSE(may_have_been_executed(reply.error()));
    EXPECT_FALSE(contains(server.request(), "canary"));
  };
  const auto other = make_authority("Other Root");
  refused(make_identity({.common_name = "x", .names = "DNS:localhost"}, &other),
          "issued by `Other Root`, an authority that is not in " + root_file_);
  refused(make_identity({.common_name = "x", .names = "DNS:vault.example"}, &root_),
          "is for `vault.example`, not `localhost`");
  refused(make_identity(
              {.common_name = "x", .names = "DNS:localhost", .valid_from_days = -9, .valid_until_days = -3},
              &root_),
          "expired 3 days ago");
}

TEST_F(Http, GivenCaFileReplacesTheSystemsStore) {
  const HttpServer server{&tls_, reply_with("x")};
  auto request = to(server.port());
  request.ca_file.clear();
  EXPECT_TRUE(contains(failure(client_.perform(request)), "not in the system's store"));
  request.ca_file = directory_.path() + "/none.pem";
  const auto missing = client_.perform(request);
  EXPECT_EQ(missing.error().code, ErrorCode::bad_config) << failure(missing);
  EXPECT_TRUE(contains(failure(missing), "none.pem does not exist")) << failure(missing);
}

TEST_F(Http, AuthoritiesOfAConversationReplaceEveryOther) {
  const HttpServer server{&tls_, reply_with("x")};
  auto request = to(server.port());
  request.authorities = Authorities{certificate_pem(root_), "the mount"};
  request.ca_file.clear();
  EXPECT_TRUE(client_.perform(request).has_value()) << failure(client_.perform(request));
  request.authorities->pem = certificate_pem(make_authority("Other Root"));
  EXPECT_TRUE(contains(failure(client_.perform(request)), "not in the mount"))
      << failure(client_.perform(request));
  for (const auto& pem : {std::string{}, certificate_pem(root_).substr(0, 200)}) {
    request.authorities->pem = pem;
    const auto refused = client_.perform(request);
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, ErrorCode::bad_config) << failure(refused);
    EXPECT_TRUE(contains(failure(refused), "the mount cannot be read, or holds no certificate"))
        << failure(refused);
  }
}

TEST_F(Http, CaFileThatOthersMayWriteIsRefusedBeforeAnythingIsSent) {
  const HttpServer server{&tls_, reply_with("x")};
  const auto open_directory = directory_.path() + "/open";
  std::filesystem::create_directory(open_directory);
  std::filesystem::permissions(open_directory, std::filesystem::perms{0777});
  const std::pair<std::string, std::string> cases[] = {
      {directory_.write("writable.pem", certificate_pem(root_), 0666),
       "writable.pem may be written by everybody"},
      {directory_.write("open/ca.pem", certificate_pem(root_), 0644), "/open may be written by everybody"}};
  for (const auto& [file, words] : cases) {
    auto request = to(server.port());
    request.ca_file = file;
    const auto refused = client_.perform(request);
    ASSERT_TRUE(refused.has_error());
    EXPECT_EQ(refused.error().code, ErrorCode::bad_config);
    EXPECT_TRUE(contains(failure(refused), words)) << failure(refused);
    EXPECT_TRUE(contains(failure(refused), "chmod go-w ")) << failure(refused);
    EXPECT_FALSE(may_have_been_executed(refused.error()));
  }
  EXPECT_EQ(server.accepted(), 0);
  auto request = to(server.port());
  request.ca_file = directory_.write("good.pem", certificate_pem(root_), 0644);
  EXPECT_EQ(failure(client_.perform(request)), "status 200");
}

TEST_F(Http, AddressIsCheckedAgainstIpSans) {
  const HttpServer server{&tls_, reply_with("x")};
  EXPECT_TRUE(client_.perform(to(server.port(), "/", "127.0.0.1")).has_value());
  const ServerSpec named{make_identity({.common_name = "127.0.0.1", .names = "DNS:localhost"}, &root_)};
  const HttpServer by_name{&named, reply_with("x")};
  EXPECT_TRUE(client_.perform(to(by_name.port(), "/", "127.0.0.1")).has_error());
}

TEST_F(Http, PlainHttpNeedsPermissionAndALocalAddress) {
  const HttpServer server{nullptr, reply_with("x")};
  auto request = plain_to(server.port());
  EXPECT_EQ(client_.perform(request)->body.reveal(), "x");
  request.plain_http_allowed = false;
  EXPECT_EQ(client_.perform(request).error().code, ErrorCode::bad_config);
  EXPECT_EQ(server.accepted(), 1) << "refused before a connection is made";
}

TEST_F(Http, OtherSchemesAndCredentialsInUrlsAreRefused) {
  for (const auto* url : {"file:///etc/passwd", "ftp://localhost/x", "gopher://localhost/", "localhost/x", "",
                          "https://", "https://user:canary@localhost/", "https://canary@localhost/",
                          "https://local host/", "https://localhost/\r\nX: y"}) {
    HttpRequest request;
    request.url = url;
    const auto reply = client_.perform(request);
    ASSERT_TRUE(reply.has_error()) << url;
    EXPECT_EQ(reply.error().code, ErrorCode::bad_config) << url << " " << failure(reply);
    EXPECT_FALSE(contains(failure(reply), "canary")) << failure(reply);
  }
}

TEST_F(Http, HeaderCannotSmuggleAnother) {
  const HttpServer server{&tls_, reply_with("")};
  for (const auto* value : {"canary\r\nX-Injected: 1", "canary\n", "canary\x01"}) {
    auto request = to(server.port());
    request.headers.push_back({"X-Vault-Token", Secret::copy_of(value)});
    const auto reply = client_.perform(request);
    ASSERT_TRUE(reply.has_error());
    EXPECT_EQ(reply.error().where, "X-Vault-Token");
    EXPECT_FALSE(contains(failure(reply), "canary"));
  }
  auto request = to(server.port());
  request.method = "GET / HTTP/1.1\r\nX: y";
  EXPECT_TRUE(client_.perform(request).has_error());
  EXPECT_EQ(server.accepted(), 0);
}

TEST_F(Http, BodyIsLimitedWhateverItsFraming) {
  const std::string chunk = "10000\r\n" + std::string(0x10000, 'x') + "\r\n";
  const HttpServer endless{&tls_, [&chunk](const auto& send) {
                             send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                             for (int i = 0; i < 40; ++i) send(chunk);
                           }};
  const auto reply = client_.perform(to(endless.port()));
  ASSERT_TRUE(reply.has_error());
  EXPECT_EQ(reply.error().code, ErrorCode::limit_exceeded) << failure(reply);
  EXPECT_TRUE(may_have_been_executed(reply.error()));

  const HttpServer exact{&tls_, reply_with(std::string(limits::secret_reply_bytes_max, 'y'))};
  const auto whole = client_.perform(to(exact.port()));
  ASSERT_TRUE(whole.has_value()) << failure(whole);
  EXPECT_EQ(whole->body.size(), limits::secret_reply_bytes_max);
  const HttpServer above{&tls_, reply_with(std::string(limits::secret_reply_bytes_max + 1, 'y'))};
  EXPECT_EQ(client_.perform(to(above.port())).error().code, ErrorCode::limit_exceeded);
}

TEST_F(Http, HeadersAreLimited) {
  const HttpServer server{&tls_, [](const auto& send) {
                            send("HTTP/1.1 200 OK\r\n");
                            for (int i = 0; i < 100; ++i)
                              send("X-Filler: " + std::string(1000, 'z') + "\r\n");
                            send("\r\n");
                          }};
  const auto reply = client_.perform(to(server.port()));
  EXPECT_EQ(reply.error().code, ErrorCode::limit_exceeded) << failure(reply);
  EXPECT_TRUE(contains(failure(reply), "headers are larger")) << failure(reply);
}

TEST_F(Http, InterimRepliesAreNotTheReply) {
  const HttpServer server{&tls_, "HTTP/1.1 103 Early Hints\r\nX-Early: 1\r\n\r\n" + reply_with("late")};
  const auto reply = client_.perform(to(server.port()));
  ASSERT_TRUE(reply.has_value()) << failure(reply);
  EXPECT_EQ(reply->status, 200);
  for (const auto& [name, value] : reply->headers) EXPECT_NE(name, "x-early");
}

TEST_F(Http, SilentServerIsTimedOutAndMayHaveExecuted) {
  // Neither server may be waited for at its end longer than it takes to see that the client has gone.
  const HttpServer server{&tls_, [&server](const auto&) {
                            for (int i = 0; i < 100 && !server.stopping(); ++i)
                              std::this_thread::sleep_for(20ms);
                          }};
  auto request = to(server.port());
  request.deadline = 300ms;
  const auto before = std::chrono::steady_clock::now();
  const auto reply = client_.perform(request);
  ASSERT_TRUE(reply.has_error());
  EXPECT_EQ(reply.error().code, ErrorCode::timed_out) << failure(reply);
  EXPECT_TRUE(contains(failure(reply), "no whole reply within 300 ms")) << failure(reply);
  EXPECT_FALSE(contains(failure(reply), "not sent"));
  EXPECT_LT(std::chrono::steady_clock::now() - before, 3s);
}

TEST_F(Http, DrippingServerMeetsTheSameDeadline) {
  const HttpServer server{&tls_, [&server](const auto& send) {
                            send("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
                            for (int i = 0; i < 100 && !server.stopping(); ++i) {
                              send("x");
                              std::this_thread::sleep_for(20ms);
                            }
                          }};
  auto request = to(server.port());
  request.deadline = 300ms;
  EXPECT_EQ(client_.perform(request).error().code, ErrorCode::timed_out);
}

TEST_F(Http, ServerThatNeverShakesHandsGotNothing) {
  const SocketServer mute{[&mute](int) {
    for (int i = 0; i < 100 && !mute.stopping(); ++i) std::this_thread::sleep_for(20ms);
  }};
  auto request = to(mute.port());
  request.deadline = 300ms;
  const auto reply = client_.perform(request);
  ASSERT_TRUE(reply.has_error());
  EXPECT_EQ(reply.error().code, ErrorCode::retry_later) << failure(reply);
  EXPECT_TRUE(contains(failure(reply), "TLS handshake did not end within 300 ms")) << failure(reply);
  EXPECT_FALSE(may_have_been_executed(reply.error()));
}

TEST_F(Http, BrokenRepliesMayHaveBeenExecuted) {
  struct Row {
    const char* reply;
    ErrorCode code;
  };
  for (const auto& row :
       {Row{"", ErrorCode::peer_misbehaved},
        Row{"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort", ErrorCode::peer_misbehaved},
        Row{"\x16\x03 garbage garbage\r\n\r\n", ErrorCode::invalid_message},
        Row{"220 smtp.example ready\r\n", ErrorCode::invalid_message},
        Row{"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", ErrorCode::peer_misbehaved}}) {
    const HttpServer server{nullptr, row.reply};
    const auto reply = client_.perform(plain_to(server.port()));
    ASSERT_TRUE(reply.has_error()) << row.reply;
    EXPECT_EQ(reply.error().code, row.code) << failure(reply);
    EXPECT_TRUE(may_have_been_executed(reply.error()));
  }
}

TEST_F(Http, WhatCannotBeReachedGotNothing) {
  std::uint16_t port = 0;
  { const auto closed = listen_on_loopback(port); }
  auto reply = client_.perform(to(port));
  EXPECT_EQ(reply.error().code, ErrorCode::retry_later);
  EXPECT_TRUE(contains(failure(reply), "secret source localhost:" + std::to_string(port) +
                                           ", not sent: refused the connection"))
      << failure(reply);
  reply = client_.perform(to(443, "/", "no-such-host.invalid"));
  ASSERT_TRUE(reply.has_error());
  EXPECT_FALSE(may_have_been_executed(reply.error())) << failure(reply);
  const SocketServer plain{[](int fd) {
    char hello[512];
    if (recv(fd, hello, sizeof hello, 0) > 0) send(fd, "HTTP/1.0 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
  }};
  reply = client_.perform(to(plain.port()));
  EXPECT_EQ(reply.error().code, ErrorCode::peer_unsupported) << failure(reply);
  EXPECT_TRUE(contains(failure(reply), "bytes that are not TLS")) << failure(reply);
}

TEST_F(Http, ProxyCarriesHttpsButNeverLocalAddresses) {
  const HttpServer proxy{nullptr, "HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"};
  HttpSettings settings;
  settings.https_proxy = Secret::copy_of("http://user:canary@127.0.0.1:" + std::to_string(proxy.port()));
  settings.no_proxy = "direct.invalid";
  const HttpClient client{std::move(settings)};
  const auto reply = client.perform(to(443, "/", "vault.invalid"));
  ASSERT_TRUE(reply.has_error());
  EXPECT_TRUE(contains(proxy.request(), "CONNECT vault.invalid:443")) << proxy.request();
  EXPECT_TRUE(contains(failure(reply), "proxy in HTTPS_PROXY refused")) << failure(reply);
  EXPECT_FALSE(contains(failure(reply), "canary"));
  EXPECT_EQ(reply.error().code, ErrorCode::denied) << "a wrong password stays one";
  EXPECT_FALSE(may_have_been_executed(reply.error()));

  const HttpServer server{&tls_, reply_with("direct")};
  for (const auto* host : {"localhost", "127.0.0.1"})
    EXPECT_TRUE(client.perform(to(server.port(), "/", host)).has_value()) << host;
  const HttpServer plain{nullptr, reply_with("plain")};
  EXPECT_TRUE(client.perform(plain_to(plain.port())).has_value());
  EXPECT_TRUE(client.perform(to(443, "/", "direct.invalid")).has_error());
  EXPECT_EQ(proxy.accepted(), 1);
}

TEST_F(Http, EnvironmentIsNotAskedBehindOurBack) {
  std::uint16_t dead = 0;
  { const auto closed = listen_on_loopback(dead); }
  const auto proxy = "http://127.0.0.1:" + std::to_string(dead);
  const auto key_log = directory_.path() + "/keys";
  for (const auto* name : {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY"})
    setenv(name, proxy.c_str(), 1);
  setenv("SSLKEYLOGFILE", key_log.c_str(), 1);
  const HttpServer server{&tls_, reply_with("x")};
  EXPECT_TRUE(client_.perform(to(server.port())).has_value());
  for (const auto* name :
       {"https_proxy", "HTTPS_PROXY", "http_proxy", "all_proxy", "ALL_PROXY", "SSLKEYLOGFILE"})
    unsetenv(name);
  std::error_code absent;
  const auto written = std::filesystem::file_size(key_log, absent);
  EXPECT_TRUE(absent || written == 0) << "session keys must not be written anywhere";
}

TEST_F(Http, SettingsComeFromTheUsualVariables) {
  const std::map<std::string, std::string> variables{
      {"HTTPS_PROXY", "http://upper"}, {"https_proxy", "http://lower"}, {"NO_PROXY", "a,b"}};
  const auto settings = http_settings_from([&](const std::string& name) -> std::optional<std::string> {
    const auto found = variables.find(name);
    return found == variables.end() ? std::nullopt : std::optional{found->second};
  });
  EXPECT_EQ(settings.https_proxy.reveal(), "http://lower");
  EXPECT_EQ(settings.no_proxy, "a,b");
}

/// How often `needle` stands in this process's writable memory; the needle itself is kept inverted.
int occurrences_in_memory(const std::string& inverted) {
  std::ifstream maps{"/proc/self/maps"};
  std::ifstream memory{"/proc/self/mem", std::ios::binary};
  int count = 0;
  std::string line;
  while (std::getline(maps, line)) {
    unsigned long from = 0;
    unsigned long to = 0;
    char access[8] = {};
    if (std::sscanf(line.c_str(), "%lx-%lx %7s", &from, &to, access) != 3 || access[1] != 'w' ||
        contains(line, "[v"))
      continue;
    if (to - from > (1UL << 30)) continue;  // a sanitizer's shadow
    std::vector<char> bytes(to - from);
    memory.clear();
    memory.seekg(static_cast<std::streamoff>(from));
    memory.read(bytes.data(), static_cast<std::streamsize>(bytes.size()));
    const auto got = static_cast<std::size_t>(memory.gcount());
    for (std::size_t at = 0; at + inverted.size() <= got; ++at) {
      std::size_t same = 0;
      while (same < inverted.size() && bytes[at + same] == static_cast<char>(~inverted[same])) ++same;
      count += same == inverted.size() ? 1 : 0;
    }
    OPENSSL_cleanse(bytes.data(), bytes.size());
  }
  return count;
}

std::string inverted(std::string text) {
  for (char& c : text) c = static_cast<char>(~c);
  return text;
}

Secret from_inverted(const std::string& text) {
  auto secret = Secret::of_size(text.size());
  std::ranges::transform(text, secret.writable().begin(),
                         [](char c) { return static_cast<std::uint8_t>(~c); });
  return secret;
}

TEST_F(Http, NoCopyOfHeaderBodyOrReplyIsLeftInMemory) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "a sanitizer keeps memory of its own";
#endif
  if (!libraries_ready) GTEST_SKIP() << "OpenSSL was used before";
  // The server is a process of its own, so that its copies are not in our memory.
  std::uint16_t port = 0;
  auto listener = listen_on_loopback(port);
  std::string header = "HEADER-hJ3kq9-canary";
  std::string body = "BODY-x8Zp2m-canary";
  std::string secret_reply = "REPLY-t5Wc7n-canary";
  const pid_t server = fork();
  if (server == 0) {
    alarm(20);
    const auto context = server_context(tls_);
    const UniqueFd fd{accept(listener.get(), nullptr, nullptr)};
    SSL* ssl = SSL_new(context.get());
    SSL_set_fd(ssl, fd.get());
    if (SSL_accept(ssl) != 1) _exit(1);
    const auto seen = read_request(
        [&](char* into, std::size_t size) { return SSL_read(ssl, into, static_cast<int>(size)); });
    const auto reply = reply_with(secret_reply);
    SSL_write(ssl, reply.data(), static_cast<int>(reply.size()));
    SSL_shutdown(ssl);
    _exit(contains(seen, header) && contains(seen, body) ? 0 : 2);
  }
  std::vector<std::string> hidden;
  for (auto* text : {&header, &body, &secret_reply}) {
    hidden.push_back(inverted(*text));
    OPENSSL_cleanse(text->data(), text->size());
  }
  {
    auto request = to(port);
    request.method = "POST";
    request.headers.push_back({"X-Vault-Token", from_inverted(hidden[0])});
    request.body = from_inverted(hidden[1]);
    const auto reply = client_.perform(request);
    ASSERT_TRUE(reply.has_value()) << failure(reply);
    EXPECT_EQ(inverted(std::string{reply->body.reveal()}), hidden[2]);
    for (const auto& text : hidden)
      EXPECT_GE(occurrences_in_memory(text), 1) << "the search finds what is there";
  }
  for (std::size_t i = 0; i < hidden.size(); ++i)
    EXPECT_EQ(occurrences_in_memory(hidden[i]), 0) << "canary " << i;
  int status = 0;
  waitpid(server, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 0);
}

}  // namespace
}  // namespace sallyport::net::http_test
