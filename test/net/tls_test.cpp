#include "net/tls.h"

#include "net/tls_explain.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>
#include <openssl/err.h>

#include <csignal>

namespace sallyport::net::tls_test {
namespace {

using namespace sallyport::test;

constexpr const char* host = "db.example.com";

/// What became of one connection.
struct Attempt {
  bool connected = false;
  TlsFacts facts;
  std::string error;  // describe()
  ErrorCode code = ErrorCode::internal;
};

Attempt failed(const Error& error) { return {false, {}, describe(error), error.code}; }

Attempt attempt(const TlsPolicy& policy, std::uint16_t port, const std::string& name = host,
                const Credential* credential = nullptr, std::string_view alpn = "postgresql") {
  const auto context = TlsContext::for_upstream(policy);
  if (context.has_error()) return failed(context.error());
  const auto fd = connect_to_loopback(port);
  auto ssl = (*context)->connect(name, alpn, credential);
  if (ssl.has_error()) return failed(ssl.error());
  SSL_set_fd(ssl->get(), fd.get());
  errno = 0;
  const Moment now = SystemClock{}.now();
  if (SSL_do_handshake(ssl->get()) != 1)
    return failed(explain_handshake_failure(ssl->get(), policy, name, now));
  char greeting[5];
  errno = 0;
  if (SSL_read(ssl->get(), greeting, sizeof greeting) != 5) {
    return failed(explain_handshake_failure(ssl->get(), policy, name, now));
  }
  Attempt result{true, facts_of(ssl->get(), **context), {}, {}};
  SSL_shutdown(ssl->get());
  return result;
}

class Tls : public testing::Test {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  TlsPolicy policy(TlsMode mode = TlsMode::verify_full) const {
    TlsPolicy made;
    made.mode = mode;
    made.roots = {root_file_};
    return made;
  }
  Identity server(const std::string& names, CertificateSpec spec = {}) const {
    if (spec.common_name.empty()) spec.common_name = "the server";
    spec.names = names;
    return make_identity(spec, &root_);
  }
  /// Connects in each mode that encrypts; expects success in those up to `weakest_failing`.
  void expect_by_mode(const ServerSpec& spec, TlsMode weakest_failing, const std::string& message,
                      const std::string& name = host) {
    for (const auto mode : {TlsMode::require, TlsMode::verify_ca, TlsMode::verify_full}) {
      const TlsServer tls{spec};
      const auto result = attempt(policy(mode), tls.port(), name);
      const bool should_fail = mode >= weakest_failing;
      EXPECT_EQ(result.connected, !should_fail) << "mode " << static_cast<int>(mode) << ": " << result.error;
      if (should_fail) {
        EXPECT_NE(result.error.find(message), std::string::npos) << result.error;
        EXPECT_EQ(result.error.find("tls " + name + ": "), 0U) << result.error;
      } else {
        EXPECT_FALSE(result.facts.peer_verified && mode != TlsMode::verify_full);
      }
    }
  }
  static constexpr auto never = static_cast<TlsMode>(99);

  TemporaryDirectory directory_;
  Identity root_ = make_authority("Example Root");
  std::string root_file_ = directory_.write("root.pem", certificate_pem(root_));
};

TEST_F(Tls, GoodCertificateIsAcceptedInEveryMode) {
  expect_by_mode({server("DNS:db.example.com")}, never, "");
}

TEST_F(Tls, OnlyVerifyFullCountsAsVerified) {
  for (const auto mode : {TlsMode::require, TlsMode::verify_ca, TlsMode::verify_full}) {
    const TlsServer tls{{server("DNS:db.example.com")}};
    const auto result = attempt(policy(mode), tls.port());
    ASSERT_TRUE(result.connected) << result.error;
    EXPECT_EQ(result.facts.peer_verified, mode == TlsMode::verify_full);
  }
}

TEST_F(Tls, CertificateOfAnotherAuthorityIsRefused) {
  const auto other = make_authority("Other Root");
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &other);
  expect_by_mode({identity}, TlsMode::verify_ca,
                 "issued by `Other Root`, an authority that is not in " + root_file_);
  expect_by_mode({identity, {other}}, TlsMode::verify_ca,
                 "issued by `Other Root`, an authority that is not in " + root_file_);
}

TEST_F(Tls, AuthorityOfTheSameNameIsNotTheSameAuthority) {
  const auto impostor = make_authority("Example Root");
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &impostor);
  const TlsServer tls{{identity}};
  EXPECT_FALSE(attempt(policy(), tls.port()).connected);
}

TEST_F(Tls, SelfSignedCertificateIsRefusedUnlessItIsTheRoot) {
  const auto identity = make_identity({.common_name = "db", .names = "DNS:db.example.com"}, nullptr);
  expect_by_mode({identity}, TlsMode::verify_ca,
                 "the certificate is self-signed, and it is not in " + root_file_);
  auto trusting = policy();
  trusting.roots = {directory_.write("self.pem", certificate_pem(identity))};
  const TlsServer tls{{identity}};
  const auto result = attempt(trusting, tls.port());
  EXPECT_TRUE(result.connected && result.facts.peer_verified) << result.error;
}

TEST_F(Tls, CertificateOfAnotherHostIsRefusedByVerifyFullOnly) {
  expect_by_mode({server("DNS:a.example,DNS:*.b.example,IP:10.0.0.1")}, TlsMode::verify_full,
                 "the certificate is for `a.example`, `*.b.example`, `10.0.0.1`, not `db.example.com`");
}

TEST_F(Tls, NameTakesServerNameBeforeHost) {
  const TlsServer tls{{server("DNS:real.example.com")}};
  auto named = policy();
  named.server_name = "real.example.com";
  const auto result = attempt(named, tls.port());
  EXPECT_TRUE(result.connected && result.facts.peer_verified) << result.error;
  EXPECT_EQ(tls.server_name(), "real.example.com");
}

TEST_F(Tls, NameIsSentAsSniAndAnAddressIsNot) {
  const TlsServer named{{server("DNS:db.example.com")}};
  EXPECT_TRUE(attempt(policy(), named.port()).connected);
  EXPECT_EQ(named.server_name(), host);
  const TlsServer numbered{{server("IP:127.0.0.1")}};
  EXPECT_TRUE(attempt(policy(), numbered.port(), "127.0.0.1").connected);
  EXPECT_EQ(numbered.server_name(), "");
}

TEST_F(Tls, TrailingDotAndCaseOfTheHostDoNotMatter) {
  const TlsServer tls{{server("DNS:DB.example.com")}};
  EXPECT_TRUE(attempt(policy(), tls.port(), "db.EXAMPLE.com.").connected);
}

TEST_F(Tls, AddressMatchesIpSansOnly) {
  expect_by_mode({server("IP:127.0.0.1")}, never, "", "127.0.0.1");
  expect_by_mode({server("IP:0:0:0:0:0:0:0:1")}, never, "", "::1");
  expect_by_mode({server("DNS:127.0.0.1")}, TlsMode::verify_full, "not `127.0.0.1`", "127.0.0.1");
  expect_by_mode({server("", {.common_name = "127.0.0.1"})}, TlsMode::verify_full,
                 "has `127.0.0.1` as its common name only", "127.0.0.1");
  expect_by_mode({server("IP:127.0.0.2")}, TlsMode::verify_full, "is for `127.0.0.2`, not `127.0.0.1`",
                 "127.0.0.1");
}

TEST_F(Tls, WildcardStandsForOneWholeLabel) {
  struct Row {
    const char* pattern;
    const char* name;
    bool matches;
  };
  for (const auto& row :
       {Row{"*.example.com", "db.example.com", true}, Row{"*.example.com", "a.db.example.com", false},
        Row{"*.example.com", "example.com", false}, Row{"d*.example.com", "db.example.com", false},
        Row{"*b.example.com", "db.example.com", false}, Row{"*.com", "example.com", false},
        Row{"*", "localhost", false}, Row{"db.*.com", "db.example.com", false}}) {
    const TlsServer tls{{server(std::string{"DNS:"} + row.pattern)}};
    const auto result = attempt(policy(), tls.port(), row.name);
    EXPECT_EQ(result.connected, row.matches) << row.pattern << " for " << row.name << " " << result.error;
  }
}

TEST_F(Tls, CommonNameCountsOnlyWithoutDnsNames) {
  expect_by_mode({server("", {.common_name = host})}, never, "");
  expect_by_mode({server("IP:127.0.0.1", {.common_name = host})}, never, "");
  expect_by_mode({server("DNS:a.example", {.common_name = host})}, TlsMode::verify_full,
                 "is for `a.example`, not `db.example.com` (that is its common name");
}

TEST_F(Tls, CertificateWithoutAnyNameIsRefusedByVerifyFull) {
  CertificateSpec nameless;
  const auto identity = make_identity(nameless, &root_);
  expect_by_mode({identity}, TlsMode::verify_full, "the certificate has no name");
}

TEST_F(Tls, NameWithAZeroByteDoesNotMatch) {
  const auto identity = make_identity({.common_name = "x", .names = "DNS:zzz"}, &root_);
  // The configuration syntax cannot say a zero byte, so the extension is made by hand and signed again.
  GENERAL_NAME* name = GENERAL_NAME_new();
  ASN1_IA5STRING* text = ASN1_IA5STRING_new();
  ASN1_STRING_set(text, "db.example.com\0.evil.example", 28);
  GENERAL_NAME_set0_value(name, GEN_DNS, text);
  std::unique_ptr<GENERAL_NAMES, With<GENERAL_NAMES_free>> names{GENERAL_NAMES_new()};
  sk_GENERAL_NAME_push(names.get(), name);
  X509_add1_ext_i2d(identity.certificate.get(), NID_subject_alt_name, names.get(), 0, X509V3_ADD_REPLACE);
  X509_sign(identity.certificate.get(), root_.key.get(), EVP_sha256());
  const TlsServer tls{{identity}};
  const auto result = attempt(policy(), tls.port());
  EXPECT_FALSE(result.connected);
  EXPECT_NE(result.error.find("`db.example.com?.evil.example`"), std::string::npos) << result.error;
}

TEST_F(Tls, ExpiredCertificateSaysSinceWhen) {
  const auto identity = server("DNS:db.example.com", {.valid_from_days = -30, .valid_until_days = -3});
  expect_by_mode({identity}, TlsMode::verify_ca, "the certificate expired 3 days ago");
}

TEST_F(Tls, CertificateOfTheFutureSaysHowLong) {
  const auto identity = server("DNS:db.example.com", {.valid_from_days = 3});
  expect_by_mode({identity}, TlsMode::verify_ca, "the certificate is not valid for another 2 days");
}

TEST_F(Tls, ExpiredAuthorityIsNamed) {
  const auto middle = make_identity(
      {.common_name = "Old Middle", .authority = true, .valid_from_days = -9, .valid_until_days = -4},
      &root_);
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &middle);
  expect_by_mode({identity, {middle}}, TlsMode::verify_ca,
                 "the certificate of the authority `Old Middle` expired 4 days ago");
}

TEST_F(Tls, IntermediateMustBeSentOrKnown) {
  const auto middle = make_authority("Example Middle", &root_);
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &middle);
  expect_by_mode({identity, {middle}}, never, "");
  expect_by_mode({identity}, TlsMode::verify_ca,
                 "the server sent no intermediate certificate that leads there");
  const TlsServer tls{{identity}};
  const auto result = attempt(policy(), tls.port());
  EXPECT_NE(result.error.find("if neither, this is not the server that you mean"), std::string::npos)
      << result.error;
}

TEST_F(Tls, FileWithAnIntermediateOnlySaysThatTheRootIsMissing) {
  const auto middle = make_authority("Example Middle", &root_);
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &middle);
  auto without_root = policy();
  without_root.roots = {directory_.write("middle.pem", certificate_pem(middle))};
  const TlsServer tls{{identity}};
  const auto result = attempt(without_root, tls.port());
  EXPECT_EQ(result.code, ErrorCode::bad_config);
  EXPECT_NE(
      result.error.find("holds an intermediate authority but not the root that issued it, `Example Root`"),
      std::string::npos)
      << result.error;
}

TEST_F(Tls, ServerCertificateCannotIssueOthers) {
  const auto leaf = server("DNS:mallory.example");
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &leaf);
  expect_by_mode({identity, {leaf}}, TlsMode::verify_ca, "is not an authority's");
}

TEST_F(Tls, CertificateForClientsIsNotOneForServers) {
  const auto identity = server("DNS:db.example.com", {.usage = "clientAuth"});
  expect_by_mode({identity}, TlsMode::verify_ca, "is not meant for servers");
}

TEST_F(Tls, RevokedCertificateIsRefusedWhereAListIsGiven) {
  const auto revoked = server("DNS:db.example.com");
  const auto good = server("DNS:db.example.com");
  auto with_list = policy();
  with_list.crl_file = directory_.write("list.pem", crl_pem(root_, {revoked}));
  const TlsServer bad_server{{revoked}};
  const auto result = attempt(with_list, bad_server.port());
  EXPECT_NE(result.error.find("was revoked by its authority"), std::string::npos) << result.error;
  EXPECT_EQ(result.code, ErrorCode::denied);
  const TlsServer good_server{{good}};
  EXPECT_TRUE(attempt(with_list, good_server.port()).connected);
  const TlsServer unchecked{{revoked}};
  EXPECT_TRUE(attempt(policy(), unchecked.port()).connected);
}

TEST_F(Tls, RevocationListMustCoverEveryAuthorityAndBeCurrent) {
  const auto identity = server("DNS:db.example.com");
  const auto other = make_authority("Other Root");
  auto with_list = policy();
  with_list.crl_file = directory_.write("other.pem", crl_pem(other, {}));
  const TlsServer uncovered{{identity}};
  auto result = attempt(with_list, uncovered.port());
  EXPECT_NE(result.error.find("has no revocation list of `Example Root`"), std::string::npos) << result.error;
  EXPECT_EQ(result.code, ErrorCode::bad_config);
  with_list.crl_file = directory_.write("old.pem", crl_pem(root_, {}, -1));
  const TlsServer outdated{{identity}};
  result = attempt(with_list, outdated.port());
  EXPECT_NE(result.error.find("in " + with_list.crl_file + " has expired"), std::string::npos)
      << result.error;
}

TEST_F(Tls, ServerThatDoesNotSpeakTlsIsNamedAsSuch) {
  const SocketServer plain{[](int fd) {
    char hello[512];
    if (recv(fd, hello, sizeof hello, 0) > 0) send(fd, "HTTP/1.1 400 Bad Request\r\n\r\n", 28, MSG_NOSIGNAL);
  }};
  const auto result = attempt(policy(), plain.port());
  EXPECT_EQ(result.code, ErrorCode::peer_unsupported);
  EXPECT_NE(result.error.find("bytes that are not TLS"), std::string::npos) << result.error;
}

TEST_F(Tls, ServerThatClosesIsWorthARetry) {
  const SocketServer closing{[](int fd) {
    char hello[4096];
    EXPECT_GT(recv(fd, hello, sizeof hello, 0), 0);
  }};
  const auto result = attempt(policy(), closing.port());
  EXPECT_EQ(result.code, ErrorCode::retry_later) << result.error;
  EXPECT_NE(result.error.find("closed the connection"), std::string::npos) << result.error;
  const SocketServer resetting{[](int fd) {
    const linger now{1, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
  }};
  const auto reset = attempt(policy(), resetting.port());
  EXPECT_EQ(reset.code, ErrorCode::retry_later) << reset.error;
  EXPECT_NE(reset.error.find("reset the connection"), std::string::npos) << reset.error;
}

TEST_F(Tls, OldProtocolIsRefusedAndNamed) {
  const TlsServer old{{.identity = server("DNS:db.example.com"), .version_max = TLS1_1_VERSION}};
  const auto result = attempt(policy(), old.port());
  EXPECT_EQ(result.code, ErrorCode::peer_unsupported);
  EXPECT_NE(result.error.find("does not speak TLS 1.2 or later"), std::string::npos) << result.error;
  const TlsServer recent{{.identity = server("DNS:db.example.com"), .version_max = TLS1_2_VERSION}};
  const auto connected = attempt(policy(), recent.port());
  EXPECT_EQ(connected.facts.protocol, "TLSv1.2") << connected.error;
  auto newest = policy();
  newest.min_version = "1.3";
  const TlsServer too_old{{.identity = server("DNS:db.example.com"), .version_max = TLS1_2_VERSION}};
  EXPECT_NE(attempt(newest, too_old.port()).error.find("does not speak TLS 1.3 or later"), std::string::npos);
}

TEST_F(Tls, NoCommonCipherIsNamed) {
  const TlsServer weak{{.identity = server("DNS:db.example.com"),
                        .version_max = TLS1_2_VERSION,
                        .ciphers = "ECDHE-ECDSA-AES128-SHA"}};
  const auto result = attempt(policy(), weak.port());
  EXPECT_EQ(result.code, ErrorCode::peer_unsupported);
  EXPECT_NE(result.error.find("no cipher or curve in common"), std::string::npos) << result.error;
}

class TlsClientCertificate : public Tls, public testing::WithParamInterface<int> {
 protected:
  ServerSpec demanding() const {
    return {
        .identity = server("DNS:db.example.com"), .client_authorities = {root_}, .version_max = GetParam()};
  }
  Credential credential(const Identity& identity) const {
    Credential made;
    made.kind = CredentialKind::client_certificate;
    made.certificate_pem = certificate_pem(identity);
    made.secret = Secret::copy_of(key_pem(identity));
    return made;
  }
  Identity client(CertificateSpec spec = {}) const {
    spec.common_name = "app";
    spec.usage = "clientAuth";
    return make_identity(spec, &root_);
  }
};

INSTANTIATE_TEST_SUITE_P(Versions, TlsClientCertificate, testing::Values(TLS1_2_VERSION, TLS1_3_VERSION));

TEST_P(TlsClientCertificate, IsSaidToBeMissing) {
  const TlsServer tls{demanding()};
  const auto result = attempt(policy(), tls.port());
  EXPECT_EQ(result.code, ErrorCode::bad_config) << result.error;
  EXPECT_NE(result.error.find("requires a client certificate, and none is configured"), std::string::npos)
      << result.error;
}

TEST_P(TlsClientCertificate, ComesFromTheCredential) {
  const TlsServer tls{demanding()};
  const auto good = credential(client());
  EXPECT_TRUE(attempt(policy(), tls.port(), host, &good).connected);
}

TEST_P(TlsClientCertificate, ComesFromFiles) {
  const auto identity = client();
  auto with_files = policy();
  with_files.client_certificate_file = directory_.write("client.crt", certificate_pem(identity), 0644);
  with_files.client_key_file = directory_.write("client.key", key_pem(identity));
  const TlsServer tls{demanding()};
  const auto result = attempt(with_files, tls.port());
  EXPECT_TRUE(result.connected) << result.error;
}

TEST_P(TlsClientCertificate, BringsItsChain) {
  const auto middle = make_authority("Client Middle", &root_);
  const auto identity = make_identity({.common_name = "app", .usage = "clientAuth"}, &middle);
  auto with_chain = credential(identity);
  const TlsServer tls{demanding()};
  EXPECT_FALSE(attempt(policy(), tls.port(), host, &with_chain).connected);
  with_chain.certificate_pem += certificate_pem(middle);
  const auto result = attempt(policy(), tls.port(), host, &with_chain);
  EXPECT_TRUE(result.connected) << result.error;
}

TEST_P(TlsClientCertificate, RefusalSaysWhy) {
  const auto other = make_authority("Other Root");
  const auto stranger = credential(make_identity({.common_name = "app", .usage = "clientAuth"}, &other));
  const TlsServer tls{demanding()};
  const auto unknown = attempt(policy(), tls.port(), host, &stranger);
  EXPECT_EQ(unknown.code, ErrorCode::denied);
  EXPECT_NE(unknown.error.find("does not know the authority that issued it"), std::string::npos)
      << unknown.error;
  const auto old = credential(client({.valid_from_days = -9, .valid_until_days = -2}));
  const auto expired = attempt(policy(), tls.port(), host, &old);
  EXPECT_NE(expired.error.find("refused our client certificate: it has expired"), std::string::npos)
      << expired.error;
}

TEST_F(Tls, BadClientCertificatesAreFoundBeforeConnecting) {
  const auto identity = make_identity({.common_name = "app", .usage = "clientAuth"}, &root_);
  const auto other = make_identity({.common_name = "app", .usage = "clientAuth"}, &root_);
  const auto context = TlsContext::for_upstream(policy()).value();
  Credential credential;
  credential.kind = CredentialKind::client_certificate;
  const auto message = [&] {
    const auto ssl = context->connect(host, "", &credential);
    return ssl.has_error() ? describe(ssl.error()) : "accepted";
  };
  EXPECT_NE(message().find("holds no PEM certificate"), std::string::npos) << message();
  credential.certificate_pem = certificate_pem(identity);
  credential.secret = Secret::copy_of("canary-4711");
  EXPECT_NE(message().find("no PEM private key"), std::string::npos) << message();
  EXPECT_EQ(message().find("canary"), std::string::npos);
  credential.secret = Secret::copy_of(key_pem(other));
  EXPECT_NE(message().find("does not belong"), std::string::npos) << message();
  credential.secret = Secret::copy_of(key_pem(identity, "canary-4711"));
  EXPECT_NE(message().find("is encrypted"), std::string::npos) << message();
  credential.secret = Secret::copy_of(key_pem(identity));
  EXPECT_EQ(message(), "accepted");
}

TEST_F(Tls, PasswordCredentialIsNotTakenForACertificate) {
  Credential password;
  password.secret = Secret::copy_of("canary");
  const TlsServer tls{{server("DNS:db.example.com")}};
  EXPECT_TRUE(attempt(policy(), tls.port(), host, &password).connected);
}

TEST_F(Tls, FilesThatAreWrongAreNamed) {
  const auto message = [](const TlsPolicy& wrong) {
    const auto context = TlsContext::for_upstream(wrong);
    return context.has_error() ? describe(context.error()) : "accepted";
  };
  auto wrong = policy();
  wrong.roots = {"/nowhere/ca.pem"};
  EXPECT_NE(message(wrong).find("/nowhere/ca.pem: /nowhere does not exist"), std::string::npos)
      << message(wrong);
  wrong.roots = {directory_.write("empty.pem", "no certificate\n")};
  EXPECT_NE(message(wrong).find("empty.pem: cannot be read, or holds no PEM certificate"), std::string::npos)
      << message(wrong);
  wrong = policy();
  wrong.crl_file = root_file_;
  EXPECT_NE(message(wrong).find("no PEM revocation list"), std::string::npos) << message(wrong);
  const auto identity = make_identity({.common_name = "app"}, &root_);
  wrong = policy();
  wrong.client_certificate_file = directory_.write("c.crt", certificate_pem(identity));
  wrong.client_key_file = directory_.write("c.key", key_pem(identity), 0644);
  EXPECT_NE(message(wrong).find("c.key: holds a secret, but its mode 0644"), std::string::npos)
      << message(wrong);
  wrong.client_key_file = directory_.write("d.key", key_pem(make_identity({}, &root_)));
  EXPECT_NE(message(wrong).find("does not belong"), std::string::npos) << message(wrong);
  wrong = policy(TlsMode::disable);
  EXPECT_NE(message(wrong), "accepted");
}

TEST_F(Tls, FilesThatOthersMayWriteAreRefused) {
  const auto identity = make_identity({.common_name = "app"}, &root_);
  const auto message = [](const TlsPolicy& wrong) {
    const auto context = TlsContext::for_upstream(wrong);
    return context.has_error() ? describe(context.error()) : "accepted";
  };
  const auto make = [&](const std::string& open) {
    const auto mode = [&](const char* name, int usual) { return open == name ? 0666 : usual; };
    auto made = policy();
    made.roots = {directory_.write("ca", certificate_pem(root_), mode("ca", 0644))};
    made.crl_file = directory_.write("crl", crl_pem(root_, {}), mode("crl", 0644));
    made.client_certificate_file = directory_.write("cert", certificate_pem(identity), mode("cert", 0644));
    made.client_key_file = directory_.write("key", key_pem(identity), mode("key", 0600));
    return made;
  };
  EXPECT_EQ(message(make("none")), "accepted");
  for (const std::string name : {"ca", "crl", "cert", "key"}) {
    const auto path = directory_.path() + "/" + name;
    const auto said = message(make(name));
    EXPECT_NE(said.find(path + ": may be written by everybody (mode 0666)"), std::string::npos) << said;
    EXPECT_NE(said.find("chmod go-w " + path), std::string::npos) << said;
  }
}

TEST_F(Tls, VerifyFullNeedsANameToVerify) {
  for (const auto* name : {"/run/postgresql", "", ".example.com"}) {
    const auto context = TlsContext::for_upstream(policy()).value();
    EXPECT_TRUE(context->connect(name, "", nullptr).has_error()) << name;
  }
  auto named = policy();
  named.server_name = "db.example.com";
  EXPECT_TRUE(TlsContext::for_upstream(named).value()->connect("/run/postgresql", "", nullptr).has_value());
}

TEST_F(Tls, SystemStoreIsUsedByDefaultAndTheEnvironmentCannotAddToIt) {
  TlsPolicy system;
  setenv("SSL_CERT_FILE", root_file_.c_str(), 1);
  const TlsServer tls{{server("DNS:db.example.com")}};
  const auto result = attempt(system, tls.port());
  unsetenv("SSL_CERT_FILE");
  EXPECT_FALSE(result.connected);
  EXPECT_NE(result.error.find("not in the system's store"), std::string::npos) << result.error;
}

TEST_F(Tls, AnUnknownAuthorityOfRdsSaysWhereAmazonsBundleIs) {
  TlsPolicy system;
  for (const auto& [name, said] : std::vector<std::pair<std::string, std::string>>{
           {"db.c1.eu-west-1.rds.amazonaws.com", "truststore.pki.rds.amazonaws.com/global/global-bundle.pem"},
           {"db.c1.rds.cn-north-1.amazonaws.com.cn", "amazonaws.com.cn/global/global-bundle.pem"},
           {"db.example.com", ""}}) {
    system.server_name = name;
    const TlsServer tls{{server("DNS:" + name)}};
    const auto error = attempt(system, tls.port()).error;
    EXPECT_EQ(error.find("sslrootcert=/PATH/global-bundle.pem") != std::string::npos,
              name != "db.example.com")
        << error;
    if (name != "db.example.com") {
      EXPECT_NE(error.find(said), std::string::npos) << error;
    }
  }
}

TEST_F(Tls, AgreesOnAlpnAndPrefersAes128) {
  const TlsServer tls{{.identity = server("DNS:db.example.com"), .alpn = "postgresql"}};
  const auto result = attempt(policy(), tls.port());
  EXPECT_EQ(result.facts.alpn, "postgresql");
  EXPECT_EQ(result.facts.protocol, "TLSv1.3");
  EXPECT_EQ(result.facts.cipher, "TLS_AES_128_GCM_SHA256");
  const TlsServer without{{server("DNS:db.example.com")}};
  EXPECT_EQ(attempt(policy(), without.port()).facts.alpn, "");
}

std::vector<std::uint8_t> digest_of(const Identity& identity, const EVP_MD* hash) {
  std::vector<std::uint8_t> out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  X509_digest(identity.certificate.get(), hash, out.data(), &size);
  out.resize(size);
  return out;
}

TEST_F(Tls, EndPointHashFollowsTheCertificatesSignature) {
  struct Row {
    const EVP_MD* signed_with;
    const EVP_MD* hashed_with;
  };
  for (const auto& row : {Row{EVP_sha256(), EVP_sha256()}, Row{EVP_sha384(), EVP_sha384()},
                          Row{EVP_sha512(), EVP_sha512()}, Row{EVP_sha1(), EVP_sha256()}}) {
    const auto identity = server("DNS:db.example.com", {.hash = row.signed_with});
    const TlsServer tls{{identity}};
    const auto result = attempt(policy(TlsMode::require), tls.port());
    ASSERT_TRUE(result.connected) << result.error;
    EXPECT_EQ(result.facts.server_end_point, digest_of(identity, row.hashed_with));
    EXPECT_EQ(result.facts.peer_certificate_sha256.size(), 64U);
  }
}

TEST_F(Tls, SignatureWithoutAHashHasNoEndPoint) {
  const auto root =
      make_identity({.common_name = "Ed Root", .authority = true, .key_type = EVP_PKEY_ED25519}, nullptr);
  const auto identity = make_identity({.common_name = "x", .names = "DNS:db.example.com"}, &root);
  const TlsServer tls{{identity}};
  const auto result = attempt(policy(TlsMode::require), tls.port());
  ASSERT_TRUE(result.connected) << result.error;
  EXPECT_TRUE(result.facts.server_end_point.empty());
}

TEST_F(Tls, FailureLeavesNoErrorBehindForTheNextConnection) {
  const TlsServer bad_server{{server("DNS:a.example")}};
  EXPECT_FALSE(attempt(policy(), bad_server.port()).connected);
  EXPECT_EQ(ERR_peek_error(), 0U);
  EXPECT_TRUE(TlsContext::for_upstream(policy()).has_value());
  EXPECT_EQ(ERR_peek_error(), 0U);
}

TEST_F(Tls, HostileNamesAreMadePrintable) {
  const auto identity = make_identity({.common_name = "x\x1b[2J`\xc3\xa9", .names = ""}, &root_);
  EXPECT_EQ(names_of(identity.certificate.get()), "`x?[2J???`");
}

}  // namespace
}  // namespace sallyport::net::tls_test
