// Handshakes with clients: what they prove, what fails them, and that no byte of a client's is lost or taken for
// another's on the way between two loops.
#include "net/handshakes.h"

#include "net/client_certificate.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <fcntl.h>

#include <csignal>
#include <future>
#include <thread>

namespace sallyport::net::server_tls_test {
namespace {

using namespace sallyport::test;
using namespace std::chrono_literals;

/// What a client brings.
struct ClientSpec {
  const Identity* identity = nullptr;
  const Identity* trusts = nullptr;  ///< null: whomever
  std::string alpn = {};
  int version_max = TLS1_3_VERSION;
  int version_min = TLS1_2_VERSION;
  SSL_SESSION* session = nullptr;
};

using SslPointer = std::unique_ptr<SSL, With<SSL_free>>;

SslPointer client_ssl(const ClientSpec& spec, SslContext& context) {
  context = {SSL_CTX_new(TLS_client_method()), SSL_CTX_free};
  SSL_CTX_set_security_level(context.get(), 0);
  SSL_CTX_set_max_proto_version(context.get(), spec.version_max);
  SSL_CTX_set_min_proto_version(context.get(), spec.version_min);
  if (spec.trusts != nullptr) {
    X509_STORE_add_cert(SSL_CTX_get_cert_store(context.get()), spec.trusts->certificate.get());
    SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  }
  SslPointer ssl{SSL_new(context.get())};
  if (spec.identity != nullptr) {
    SSL_use_certificate(ssl.get(), spec.identity->certificate.get());
    SSL_use_PrivateKey(ssl.get(), spec.identity->key.get());
  }
  if (!spec.alpn.empty()) {
    const auto list = static_cast<char>(spec.alpn.size()) + spec.alpn;
    SSL_set_alpn_protos(ssl.get(), reinterpret_cast<const unsigned char*>(list.data()),
                        static_cast<unsigned>(list.size()));
  }
  if (spec.session != nullptr) SSL_set_session(ssl.get(), spec.session);
  SSL_set_connect_state(ssl.get());
  return ssl;
}

/// The client's first flight, without a network.
std::string hello_of(SSL* ssl) {
  SSL_set_bio(ssl, BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
  SSL_do_handshake(ssl);
  char* data = nullptr;
  const auto size = BIO_get_mem_data(SSL_get_wbio(ssl), &data);
  return {data, static_cast<std::size_t>(size)};
}

struct Pair {
  Pair() {
    int fds[2];
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) == 0, "socketpair");
    client = UniqueFd{fds[0]};
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    server = std::make_unique<SocketStream>(UniqueFd{fds[1]});
    const timeval patience{10, 0};
    setsockopt(client.get(), SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  }
  UniqueFd client;
  std::unique_ptr<SocketStream> server;
};

class ServerTlsTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }
  ServerTlsTest() {
    thread_ = std::thread{[this] { loop_.run(); }};
  }
  ~ServerTlsTest() override {
    loop_.stop();
    thread_.join();
  }

  Identity client(const std::string& names, CertificateSpec spec = {}) const {
    spec.names = names;
    if (spec.common_name.empty()) spec.common_name = "app";
    if (spec.usage == "serverAuth") spec.usage = "clientAuth";
    return make_identity(spec, &clients_);
  }

  ClientTlsPolicy files() const {
    ClientTlsPolicy policy;
    policy.certificate_file = directory_.write("server.crt", certificate_pem(server_));
    policy.key_file = directory_.write("server.key", key_pem(server_));
    policy.client_ca_file = directory_.write("clients.crt", certificate_pem(clients_));
    return policy;
  }

  std::shared_ptr<const ServerTls> context(const std::string& crl = {}) const {
    auto policy = files();
    if (!crl.empty()) policy.client_crl_file = directory_.write("clients.crl", crl);
    auto made = ServerTls::from_files(policy);
    must(made.has_value(), "context");
    return *made;
  }

  std::future<HandshakeOutcome> begin(HandshakeOrder order, Handshakes::Id id = 1) {
    auto promise = std::make_shared<std::promise<HandshakeOutcome>>();
    handshakes_.start(id, std::move(order),
                      [promise](HandshakeOutcome outcome) { promise->set_value(std::move(outcome)); });
    return promise->get_future();
  }

  /// A whole handshake. `client_done`: with the client's SSL, on the test's thread.
  HandshakeOutcome shake(const ClientSpec& spec, bool direct = false, const std::string& crl = {},
                         const std::function<void(SSL*, bool)>& client_done = {}) {
    Pair pair;
    auto outcome = begin({std::move(pair.server), context(crl), {}, direct, 10s});
    SslContext keep;
    auto ssl = client_ssl(spec, keep);
    SSL_set_fd(ssl.get(), pair.client.get());
    const bool connected = SSL_do_handshake(ssl.get()) == 1;
    if (client_done) client_done(ssl.get(), connected);
    ERR_clear_error();
    pair.client = {};
    return outcome.get();
  }

  std::string why(const ClientSpec& spec, bool direct = false, const std::string& crl = {}) {
    const auto outcome = shake(spec, direct, crl);
    return outcome.facts ? "" : outcome.facts.error().what;
  }

  policy::ClientCertificate shown(const Identity& identity) {
    const auto outcome = shake({.identity = &identity});
    if (!outcome.facts || outcome.facts->certificate == nullptr) return {};
    return *outcome.facts->certificate;
  }

  TemporaryDirectory directory_;
  Identity authority_ = make_authority("Server CA");
  Identity clients_ = make_authority("Client CA");
  Identity server_ = make_identity({.common_name = "localhost", .names = "DNS:localhost"}, &authority_);
  SystemClock clock_;
  EpollLoop loop_{clock_};
  Handshakes handshakes_{loop_};
  std::thread thread_;
};

TEST_F(ServerTlsTest, ProvesEveryNameOfTheClientsCertificate) {
  const auto one = shown(client("DNS:App.Example.com,DNS:b.example,URI:spiffe://example.org/ns/prod/sa/app"));
  EXPECT_EQ(one.subject, "CN=app");
  EXPECT_EQ(one.dns_names, (std::vector<std::string>{"app.example.com", "b.example"}));
  EXPECT_EQ(one.spiffe_id, "spiffe://example.org/ns/prod/sa/app");
  EXPECT_EQ(one.why_no_spiffe_id, "");
  EXPECT_EQ(one.sha256.size(), 64u);
  EXPECT_GT(one.expires_at, clock_.now().wall + 24h * 29);
}

TEST_F(ServerTlsTest, WithoutACertificateNothingIsProved) {
  const auto outcome = shake({});
  ASSERT_TRUE(outcome.facts.has_value());
  EXPECT_EQ(outcome.facts->certificate, nullptr);
  EXPECT_EQ(outcome.facts->protocol, "TLSv1.3");
  EXPECT_EQ(outcome.facts->cipher, "TLS_AES_128_GCM_SHA256");
}

TEST_F(ServerTlsTest, ACertificateWithoutOtherNamesHasItsSubject) {
  const auto one = shown(client(""));
  EXPECT_EQ(one.subject, "CN=app");
  EXPECT_TRUE(one.dns_names.empty());
  EXPECT_EQ(one.spiffe_id, "");
}

TEST_F(ServerTlsTest, SubjectsAreWrittenSoThatNoNameLooksLikeAnother) {
  const auto one = shown(client("", {.common_name = "app,O=Example"}));
  EXPECT_EQ(one.subject, "CN=app\\,O=Example");
}

TEST_F(ServerTlsTest, WhatIsNoX509SvidHasNoSpiffeId) {
  const auto two = shown(client("URI:spiffe://a.example/x,URI:spiffe://b.example/x"));
  EXPECT_EQ(two.spiffe_id, "");
  EXPECT_EQ(two.why_no_spiffe_id, "it has 2 URI names, exactly one is allowed");
  EXPECT_EQ(shown(client("URI:spiffe://a.example/x,URI:https://a.example/")).spiffe_id, "");
  for (const auto* id :
       {"https://example.org/x", "spiffe://example.org", "spiffe://example.org/", "spiffe://Example.org/x",
        "spiffe://example.org/a//b", "spiffe://example.org/a/../b", "spiffe://example.org/a?b",
        "spiffe://user@example.org/a", "spiffe://example.org:1/a", "SPIFFE://example.org/a", "spiffe:///a"}) {
    EXPECT_EQ(shown(client("URI:" + std::string{id})).spiffe_id, "") << id;
  }
}

TEST_F(ServerTlsTest, AnAuthoritysOwnCertificateIsNoWorkloads) {
  const auto authority = make_identity(
      {.common_name = "app", .names = "URI:spiffe://example.org/x", .authority = true}, &clients_);
  const auto one = decode_client_certificate(authority.certificate.get());
  EXPECT_EQ(one.spiffe_id, "");
  EXPECT_EQ(one.why_no_spiffe_id, "it is an authority's certificate");
  EXPECT_NE(why({.identity = &authority}).find("not meant for clients"), std::string::npos);
}

TEST_F(ServerTlsTest, WildcardsAndOddNamesOfACertificateNameNobody) {
  EXPECT_TRUE(shown(client("DNS:*.example.com,DNS:a b,DNS:-x.example")).dns_names.empty());
}

TEST_F(ServerTlsTest, RefusesACertificateOfAnotherAuthority) {
  const auto stranger = make_authority("Stranger CA");
  const auto theirs = make_identity({.common_name = "app", .usage = "clientAuth"}, &stranger);
  EXPECT_NE(why({.identity = &theirs}).find("is not in " + directory_.path() + "/clients.crt"),
            std::string::npos);
}

TEST_F(ServerTlsTest, RefusesAnExpiredCertificateAndOneOfTheFuture) {
  const auto old = client("", {.valid_from_days = -20, .valid_until_days = -10});
  EXPECT_NE(why({.identity = &old}).find("has expired"), std::string::npos);
  const auto young = client("", {.valid_from_days = 10, .valid_until_days = 20});
  EXPECT_NE(why({.identity = &young}).find("is not valid yet"), std::string::npos);
}

TEST_F(ServerTlsTest, RefusesARevokedCertificateAndOneWithoutAList) {
  const auto good = client("", {.common_name = "good"});
  const auto bad = client("", {.common_name = "bad"});
  const auto crl = crl_pem(clients_, {bad});
  EXPECT_EQ(why({.identity = &good}, false, crl), "");
  EXPECT_NE(why({.identity = &bad}, false, crl).find("was revoked"), std::string::npos);
  EXPECT_NE(why({.identity = &good}, false, crl_pem(clients_, {}, -1)).find("has expired"),
            std::string::npos);
  EXPECT_NE(why({.identity = &good}, false, crl_pem(authority_, {})).find("no revocation list of"),
            std::string::npos);
}

TEST_F(ServerTlsTest, ListsOfEachAuthorityInTheChainAreAskedFor) {
  const auto middle = make_authority("Middle CA", &clients_);
  const auto own = make_identity({.common_name = "app", .usage = "clientAuth"}, &middle);
  auto policy = files();
  policy.client_ca_file = directory_.write("both.crt", certificate_pem(clients_) + certificate_pem(middle));
  policy.client_crl_file = directory_.write("both.crl", crl_pem(clients_, {middle}) + crl_pem(middle, {}));
  Pair pair;
  auto outcome = begin({std::move(pair.server), *ServerTls::from_files(policy), {}, false, 10s});
  SslContext keep;
  const auto ssl = client_ssl({.identity = &own}, keep);
  SSL_set_fd(ssl.get(), pair.client.get());
  SSL_do_handshake(ssl.get());
  const auto got = outcome.get();
  ASSERT_FALSE(got.facts.has_value());
  EXPECT_NE(got.facts.error().what.find("was revoked"), std::string::npos) << got.facts.error().what;
}

TEST_F(ServerTlsTest, RefusesACertificateThatIsMeantForServers) {
  const auto servers = client("", {.usage = "serverAuth,emailProtection"});
  EXPECT_NE(why({.identity = &servers}).find("not meant for clients"), std::string::npos);
}

TEST_F(ServerTlsTest, DirectTlsNeedsTheProtocolsName) {
  const std::string refused = "the client did not ask for protocol `postgresql` (ALPN)";
  EXPECT_EQ(why({.alpn = "postgresql"}, true), "");
  EXPECT_EQ(why({}, true), refused);
  EXPECT_EQ(why({.alpn = "http/1.1"}, true), refused);
  EXPECT_EQ(why({.alpn = "postgresql"}, false), "");
  EXPECT_EQ(why({}, false), "");
  EXPECT_EQ(why({.alpn = "http/1.1"}, false), refused);
}

TEST_F(ServerTlsTest, SpeaksNothingOlderThanTls12) {
  EXPECT_EQ(why({.version_max = TLS1_2_VERSION}), "");
  EXPECT_NE(why({.version_max = TLS1_1_VERSION, .version_min = TLS1_VERSION}).find("TLS 1.2 or later"),
            std::string::npos);
}

TEST_F(ServerTlsTest, NoSessionIsEverResumed) {
  for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
    SSL_SESSION* first = nullptr;
    shake({.version_max = version}, false, {}, [&](SSL* ssl, bool) { first = SSL_get1_session(ssl); });
    ASSERT_NE(first, nullptr);
    EXPECT_EQ(SSL_SESSION_has_ticket(first), 0);
    int reused = -1;
    shake({.version_max = version, .session = first}, false, {},
          [&](SSL* ssl, bool connected) { reused = connected ? SSL_session_reused(ssl) : -1; });
    EXPECT_EQ(reused, 0);
    SSL_SESSION_free(first);
  }
}

TEST_F(ServerTlsTest, AClientThatDoesNotTrustUsIsSaidToBeThat) {
  const auto stranger = make_authority("Stranger CA");
  EXPECT_NE(why({.trusts = &stranger}).find("does not accept our certificate"), std::string::npos);
  EXPECT_EQ(why({.trusts = &authority_}), "");
}

TEST_F(ServerTlsTest, TheEndPointIsTheDigestOfOurCertificate) {
  const auto outcome = shake({});
  ASSERT_TRUE(outcome.facts.has_value());
  std::vector<std::uint8_t> expected(32);
  unsigned size = 0;
  X509_digest(server_.certificate.get(), EVP_sha256(), expected.data(), &size);
  EXPECT_EQ(outcome.facts->end_point, expected);
}

// An idle client's certificates are a third of what it costs; the chain that verified them has done its duty.
TEST_F(ServerTlsTest, TheChainThatProvedAClientIsNotKept) {
  const auto app = client("DNS:app.example.com");
  Pair pair;
  auto outcome = begin({std::move(pair.server), context(), {}, false, 10s});
  SslContext keep;
  const auto ssl = client_ssl({.identity = &app}, keep);
  SSL_set_fd(ssl.get(), pair.client.get());
  ASSERT_EQ(SSL_do_handshake(ssl.get()), 1);
  const auto got = outcome.get();
  ASSERT_TRUE(got.facts.has_value());
  EXPECT_EQ(got.facts->certificate->dns_names.front(), "app.example.com");
  EXPECT_EQ(SSL_get0_verified_chain(got.stream->ssl()), nullptr);
}

TEST_F(ServerTlsTest, TakesTheFirstBytesWhereverTheyWereCut) {
  const auto tls = context();
  std::size_t whole = 1;
  for (std::size_t cut = 0; cut <= whole; cut += cut < 16 || cut + 16 > whole ? 1 : 13) {
    Pair pair;
    SslContext keep;
    const auto ssl = client_ssl({.alpn = "postgresql"}, keep);
    const auto hello = hello_of(ssl.get());
    whole = hello.size();
    const auto bytes = as_bytes(hello).first(cut);
    auto outcome = begin({std::move(pair.server), tls, {bytes.begin(), bytes.end()}, true, 10s}, cut + 1);
    for (std::size_t i = cut; i < hello.size(); i += 97) {
      const auto piece = hello.substr(i, 97);
      ASSERT_EQ(write(pair.client.get(), piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
    }
    SSL_set_bio(ssl.get(), BIO_new_socket(pair.client.get(), BIO_NOCLOSE), nullptr);
    SSL_set0_wbio(ssl.get(), BIO_new_socket(pair.client.get(), BIO_NOCLOSE));
    ASSERT_EQ(SSL_do_handshake(ssl.get()), 1) << "cut at " << cut;
    ASSERT_TRUE(outcome.get().facts.has_value()) << "cut at " << cut;
  }
}

TEST_F(ServerTlsTest, PlainBytesInFrontOfTheHelloFailTheHandshake) {
  const std::string request{"\0\0\0\x08\x04\xd2\x16\x2f", 8};
  for (const auto& injected : {std::string{"Q"}, request, std::string{"\x15\x03\x01\x00\x02\x02\x28", 7}}) {
    Pair pair;
    auto outcome = begin({std::move(pair.server), context(), {injected.begin(), injected.end()}, false, 10s});
    SslContext keep;
    const auto hello = hello_of(client_ssl({}, keep).get());
    ASSERT_EQ(write(pair.client.get(), hello.data(), hello.size()), static_cast<ssize_t>(hello.size()));
    EXPECT_FALSE(outcome.get().facts.has_value());
  }
}

TEST_F(ServerTlsTest, WhatTheClientSendsBehindItsHandshakeIsThereForTheNextLoop) {
  Pair pair;
  auto outcome = begin({std::move(pair.server), context(), {}, false, 10s});
  SslContext keep;
  const auto ssl = client_ssl({}, keep);
  SSL_set_fd(ssl.get(), pair.client.get());
  ASSERT_EQ(SSL_do_handshake(ssl.get()), 1);
  SSL_write(ssl.get(), "startup", 7);
  EpollLoop next{clock_};
  auto got = outcome.get();
  ASSERT_TRUE(got.facts.has_value());
  ASSERT_TRUE(got.stream->attach(next));
  std::string read;
  for (int i = 0; i < 1000 && read.size() < 7; ++i) {
    std::uint8_t chunk[64];
    const auto result = got.stream->read(chunk);
    if (result.status == IoStatus::ok) read += as_text(Bytes{chunk, result.bytes});
    if (result.status == IoStatus::would_block) std::this_thread::sleep_for(1ms);
  }
  EXPECT_EQ(read, "startup");
}

TEST_F(ServerTlsTest, AfterAFailureTheAlertIsThereAndTheRestIsReadAway) {
  const auto old = client("", {.valid_from_days = -20, .valid_until_days = -10});
  Pair pair;
  auto outcome = begin({std::move(pair.server), context(), {}, false, 10s});
  SslContext keep;
  const auto ssl = client_ssl({.identity = &old}, keep);
  SSL_set_fd(ssl.get(), pair.client.get());
  ASSERT_EQ(SSL_do_handshake(ssl.get()), 1) << "TLS 1.3: the client is done before the server has looked";
  const auto got = outcome.get();
  ASSERT_FALSE(got.facts.has_value());
  EXPECT_EQ(got.stream->ssl(), nullptr);
  char byte = 0;
  EXPECT_LE(SSL_read(ssl.get(), &byte, 1), 0);
  EXPECT_EQ(ERR_GET_REASON(ERR_peek_error()), SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED);
  ERR_clear_error();
}

TEST_F(ServerTlsTest, AHandshakeThatStallsEndsAtItsDeadline) {
  Pair pair;
  auto outcome = begin({std::move(pair.server), context(), {0x16, 0x03}, true, 50ms});
  const auto got = outcome.get();
  ASSERT_FALSE(got.facts.has_value());
  EXPECT_EQ(got.facts.error().code, ErrorCode::timed_out);
}

TEST_F(ServerTlsTest, ACancelledHandshakeClosesItsConnection) {
  Pair pair;
  auto outcome = begin({std::move(pair.server), context(), {}, false, 10s}, 7);
  handshakes_.cancel(7);
  handshakes_.cancel(8);
  char byte = 0;
  EXPECT_EQ(recv(pair.client.get(), &byte, 1, 0), 0);
}

TEST_F(ServerTlsTest, SaysWhichFileIsWrong) {
  const auto wrong = [](const ClientTlsPolicy& policy) {
    const auto made = ServerTls::from_files(policy);
    return made ? "" : made.error().where + ": " + made.error().what;
  };
  const auto good = files();
  EXPECT_EQ(wrong(good), "");
  auto policy = good;
  policy.key_file = directory_.write("other.key", key_pem(clients_));
  EXPECT_EQ(wrong(policy), policy.key_file + ": the private key does not belong to the route's certificate");
  policy.key_file = directory_.write("open.key", key_pem(server_), 0644);
  EXPECT_NE(wrong(policy).find("lets every user read it"), std::string::npos);
  policy.key_file = directory_.write("locked.key", key_pem(server_, "secret"));
  EXPECT_EQ(wrong(policy), policy.key_file + ": the route's key is encrypted");
  policy = good;
  policy.certificate_file = directory_.write("open.crt", certificate_pem(server_), 0666);
  EXPECT_NE(wrong(policy).find(policy.certificate_file), std::string::npos) << "others may write it";
  policy.certificate_file = directory_.write("empty.crt", "");
  EXPECT_EQ(wrong(policy), policy.certificate_file + ": holds no PEM certificate");
  policy = good;
  policy.client_ca_file = directory_.path() + "/missing.crt";
  EXPECT_EQ(wrong(policy), policy.client_ca_file + ": does not exist");
  policy = good;
  policy.client_crl_file = directory_.write("no.crl", certificate_pem(clients_));
  EXPECT_EQ(wrong(policy), policy.client_crl_file + ": cannot be read, or holds no PEM revocation list");
}

}  // namespace
}  // namespace sallyport::net::server_tls_test
