// A run's own certificate: good for loopback by all three names, signed by an authority that can sign nothing more.
#include "net/run_certificate.h"

#include "net/server_tls.h"
#include "net/tls.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

namespace sallyport::net::run_certificate_test {
namespace {

using namespace sallyport::test;

class RunCertificateTest : public testing::Test {
 protected:
  RunCertificate run_ = *make_run_certificate(SystemClock{}.now().wall);
  TemporaryDirectory directory_;
};

TEST_F(RunCertificateTest, VerifyFullIsContentWithItForEachNameOfLoopback) {
  const auto server = ServerTls::from_memory(run_.certificate_pem, run_.key.get());
  ASSERT_TRUE(server.has_value());
  TlsPolicy policy;
  policy.roots = {directory_.write("ca.crt", run_.authority_pem)};
  for (const auto& [name, good] : std::vector<std::pair<std::string, bool>>{{"localhost", true},
                                                                            {"127.0.0.1", true},
                                                                            {"::1", true},
                                                                            {"127.0.0.2", false},
                                                                            {"example.com", false}}) {
    auto client = (*TlsContext::for_upstream(policy))->connect(name, "postgresql", nullptr);
    auto ours = (*server)->accept(true);
    BIO* one = nullptr;
    BIO* other = nullptr;
    BIO_new_bio_pair(&one, 0, &other, 0);
    SSL_set_bio(client->get(), one, one);
    SSL_set_bio(ours->get(), other, other);
    bool done = false;
    for (int i = 0; i < 10 && !done; ++i) {
      done = SSL_do_handshake(client->get()) == 1;
      SSL_do_handshake(ours->get());
    }
    EXPECT_EQ(done, good) << name;
  }
}

TEST_F(RunCertificateTest, EachRunHasAnother) {
  const auto other = *make_run_certificate(SystemClock{}.now().wall);
  EXPECT_NE(other.authority_pem, run_.authority_pem);
  EXPECT_NE(other.certificate_pem, run_.certificate_pem);
}

TEST_F(RunCertificateTest, TheFilesHoldNoKey) {
  for (const auto& text : {run_.authority_pem, run_.certificate_pem}) {
    EXPECT_EQ(text.find("PRIVATE"), std::string::npos);
  }
}

}  // namespace
}  // namespace sallyport::net::run_certificate_test
