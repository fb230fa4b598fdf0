// Whom a cloud's control plane named: its authority, any of its names, or its common name; and nobody else.
#include "net/tls.h"
#include "net/tls_explain.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

#include <csignal>

namespace sallyport::net::tls_identity_test {
namespace {

using namespace sallyport::test;

class TlsIdentityTest : public testing::Test {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  Identity server(const std::string& names, const std::string& common_name = "p:i") const {
    CertificateSpec spec;
    spec.common_name = common_name;
    spec.names = names;
    return make_identity(spec, &root_);
  }

  /// Whether a handshake with this server succeeds, and counts as verified.
  bool believes(const ServerSpec& spec, const TlsIdentity& identity) const {
    const auto context = TlsContext::for_identity(identity);
    EXPECT_TRUE(context);
    const TlsServer tls{spec};
    const auto fd = connect_to_loopback(tls.port());
    auto ssl = (*context)->connect("127.0.0.1", {}, nullptr);
    EXPECT_TRUE(ssl);
    SSL_set_fd(ssl->get(), fd.get());
    if (SSL_do_handshake(ssl->get()) != 1) return false;
    EXPECT_TRUE(facts_of(ssl->get(), **context).peer_verified);
    SSL_shutdown(ssl->get());
    return true;
  }

  Identity root_ = make_authority("Instance");
  std::string pem_ = certificate_pem(root_);
};

TEST_F(TlsIdentityTest, AnyOfItsNamesOrItsCommonNameWillDo) {
  EXPECT_TRUE(believes({server("DNS:b.example")}, {pem_, {"a.example", "b.example"}, ""}));
  EXPECT_TRUE(believes({server("")}, {pem_, {}, "p:i"}));
  EXPECT_TRUE(believes({server("DNS:other.example")}, {pem_, {"a.example"}, "p:i"}));
}

TEST_F(TlsIdentityTest, AnotherNameIsRefused) {
  EXPECT_FALSE(believes({server("DNS:c.example")}, {pem_, {"a.example", "b.example"}, ""}));
  EXPECT_FALSE(believes({server("", "p:other")}, {pem_, {}, "p:i"}));
  EXPECT_FALSE(believes({server("", "a.example")}, {pem_, {"a.example"}, ""}))
      << "a common name was not asked for";
}

TEST_F(TlsIdentityTest, AnotherAuthorityIsRefused) {
  const auto other = make_authority("Instance");
  EXPECT_FALSE(believes({server("DNS:a.example")}, {certificate_pem(other), {"a.example"}, ""}));
}

TEST_F(TlsIdentityTest, NothingBelowTls13IsSpoken) {
  ServerSpec spec{server("DNS:a.example")};
  spec.version_max = TLS1_2_VERSION;
  EXPECT_FALSE(believes(spec, {pem_, {"a.example"}, ""}));
}

TEST_F(TlsIdentityTest, WithoutANameThereIsNoContext) {
  EXPECT_FALSE(TlsContext::for_identity({pem_, {}, ""}));
  EXPECT_FALSE(TlsContext::for_identity({"canary", {"a.example"}, ""}));
}

}  // namespace
}  // namespace sallyport::net::tls_identity_test
