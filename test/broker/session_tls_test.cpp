// TLS as a session sees it: when it is offered, what is handed over, what is refused, and whose cancels count.
#include "test/broker/fake_handshaker.h"
#include "test/broker/world.h"

#include <gtest/gtest.h>

namespace sallyport::session_tls_test {
namespace {

using test::big_endian;
using test::FakeClient;
using test::World;
using namespace std::chrono_literals;

const std::string ssl_request = big_endian(8) + big_endian(80877103);
const std::string gss_request = big_endian(8) + big_endian(80877104);

std::string cancel_request(const std::string& key, std::int32_t pid = 100) {
  return big_endian(static_cast<std::uint32_t>(12 + key.size())) + big_endian(80877102) +
         big_endian(static_cast<std::uint32_t>(pid)) + key;
}

std::shared_ptr<const policy::ClientCertificate> certificate(const std::string& spiffe_id) {
  policy::ClientCertificate one;
  one.subject = "CN=app";
  one.spiffe_id = spiffe_id;
  one.dns_names = {"app.example.com"};
  one.sha256 = "ab12";
  return std::make_shared<const policy::ClientCertificate>(one);
}

struct TlsWorld {
  TlsWorld() {
    world.services.handshaker = &handshaker;
    route(false);
  }
  /// A route with TLS. Its context is never looked into: the handshakes are the test's own.
  void route(bool required, bool clear_cancel = false) {
    auto made = std::make_shared<broker::RouteRuntime>(*world.route);
    made->route.tls.emplace();
    made->route.tls->required = required;
    made->route.tls->clear_cancel = clear_cancel;
    made->tls = std::make_shared<broker::RouteTls>(nullptr);
    world.route = made;
  }
  FakeClient secured() {
    auto client = world.open();
    client.wire->push(ssl_request);
    world.loop.settle();
    EXPECT_EQ(client.wire->take(), "S");
    return client;
  }
  FakeClient entered() {
    auto client = secured();
    client.wire->push(World::hello());
    world.loop.settle();
    EXPECT_EQ(client.types(), "RSSKZ");
    for (const auto& message : client.messages) {
      if (message.type == 'K') key = message.body.substr(4);
    }
    return client;
  }
  [[nodiscard]] trail::Event denial() const {
    const auto denials = world.sink.of(trail::EventKind::session_denied);
    return denials.empty() ? trail::Event{} : denials.back();
  }

  World world;
  test::FakeHandshaker handshaker{world.loop};
  std::string key;
};

TEST(SessionTls, AnswersYesAndGoesOnBehindTheHandshake) {
  TlsWorld it;
  it.handshaker.facts.certificate = certificate("spiffe://example.org/a");
  auto client = it.entered();
  EXPECT_EQ(it.handshaker.direct, std::vector<bool>{false});
  const auto starts = it.world.sink.of(trail::EventKind::session_start);
  ASSERT_EQ(starts.size(), 1u);
  EXPECT_EQ(starts[0].verified.at("client_tls"), "TLSv1.3 TLS_AES_128_GCM_SHA256");
  EXPECT_EQ(starts[0].verified.at("certificate_spiffe_id"), "spiffe://example.org/a");
  EXPECT_EQ(starts[0].verified.at("certificate_subject"), "CN=app");
  EXPECT_EQ(starts[0].verified.at("certificate_dns"), "app.example.com");
  EXPECT_EQ(starts[0].verified.at("certificate_sha256"), "ab12");
}

TEST(SessionTls, ARouteWithoutTlsAnswersNo) {
  TlsWorld it;
  auto plain = std::make_shared<broker::RouteRuntime>(*it.world.route);
  plain->tls = nullptr;
  auto client = it.world.open(plain);
  client.wire->push(ssl_request + World::hello());
  it.world.loop.settle();
  EXPECT_EQ(client.wire->seen().substr(0, 1), "N");
  EXPECT_TRUE(it.handshaker.direct.empty());
}

// CVE-2021-23222 and its kind: whoever is on the way puts a start-up packet of its own behind the request.
TEST(SessionTls, WhateverStandsBehindTheRequestIsTlsAndNeverPlainText) {
  const auto injected = World::hello() + test::query("drop table users");
  for (std::size_t size = 0; size <= injected.size(); ++size) {
    TlsWorld it;
    it.handshaker.hold = true;
    auto client = it.world.open();
    client.wire->push(ssl_request + injected.substr(0, size));
    it.world.loop.settle();
    ASSERT_EQ(it.handshaker.first_bytes, std::vector<std::string>{injected.substr(0, size)});
    EXPECT_EQ(client.wire->take(), "S");
    it.handshaker.failure = Error{ErrorCode::invalid_message, Hop::identity, "client TLS", "no TLS", {}, {}};
    it.handshaker.release();
    it.world.loop.settle();
    EXPECT_EQ(client.wire->take(), "") << "nothing is said in clear after the S";
    EXPECT_TRUE(client.wire->broker_shut());
    EXPECT_TRUE(it.world.connector.requests.empty());
    EXPECT_EQ(it.denial().reason, "identity client TLS: no TLS");
  }
}

TEST(SessionTls, TheRequestMayComeInPieces) {
  for (std::size_t cut = 1; cut < ssl_request.size(); ++cut) {
    TlsWorld it;
    auto client = it.world.open();
    client.wire->push(ssl_request.substr(0, cut));
    it.world.loop.settle();
    EXPECT_EQ(client.wire->seen(), "");
    client.wire->push(ssl_request.substr(cut) + "hello");
    it.world.loop.settle();
    EXPECT_EQ(client.wire->take(), "S");
    EXPECT_EQ(it.handshaker.first_bytes, std::vector<std::string>{"hello"});
  }
}

TEST(SessionTls, DirectTlsHandsOverEveryByte) {
  const std::string hello("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11);
  TlsWorld it;
  auto client = it.world.open();
  client.wire->push(hello);
  it.world.loop.settle();
  EXPECT_EQ(it.handshaker.first_bytes, std::vector<std::string>{hello});
  EXPECT_EQ(it.handshaker.direct, std::vector<bool>{true});
  EXPECT_EQ(client.wire->take(), "") << "no S";
  client.wire->push(World::hello());
  it.world.loop.settle();
  EXPECT_EQ(client.types(), "RSSKZ");
}

TEST(SessionTls, WithinTlsAnotherRequestForItIsAnErrorAndGssIsAnsweredNo) {
  TlsWorld it;
  auto client = it.secured();
  client.wire->push(gss_request);
  it.world.loop.settle();
  EXPECT_EQ(client.wire->take(), "N");
  client.wire->push(ssl_request);
  it.world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  EXPECT_EQ(it.denial().reason, "session: a request for TLS within TLS");
  auto other = it.secured();
  other.wire->push("\x16\x03\x01");
  it.world.loop.settle();
  EXPECT_EQ(it.denial().reason, "session: TLS within TLS");
}

TEST(SessionTls, GssFirstAndThenTls) {
  TlsWorld it;
  auto client = it.world.open();
  client.wire->push(gss_request);
  it.world.loop.settle();
  EXPECT_EQ(client.wire->take(), "N");
  client.wire->push(ssl_request);
  it.world.loop.settle();
  EXPECT_EQ(client.wire->take(), "S");
  client.wire->push(World::hello());
  it.world.loop.settle();
  EXPECT_EQ(client.types(), "RSSKZ");
}

TEST(SessionTls, WhereItIsRequiredPlainTextIsToldSoAndNobodyIsAsked) {
  TlsWorld it;
  it.route(true);
  auto client = it.world.open();
  client.wire->push(World::hello());
  it.world.loop.settle();
  EXPECT_EQ(client.types(), "E");
  const auto told = client.text_of('E');
  EXPECT_NE(told.find("C28000"), std::string::npos);
  EXPECT_NE(told.find("TLS is required"), std::string::npos);
  EXPECT_EQ(told.find(it.world.route->route.name + ")"), std::string::npos) << "no name before identity";
  EXPECT_TRUE(it.world.connector.requests.empty());
  EXPECT_EQ(it.denial().reason,
            "identity: TLS is required. Connect with sslmode=require, or better verify-full");
  it.entered();
}

TEST(SessionTls, AHandshakeThatIsNotFinishedInTimeIsGivenUp) {
  TlsWorld it;
  it.handshaker.hold = true;
  auto client = it.secured();
  it.world.loop.advance(11s);
  EXPECT_EQ(it.handshaker.cancelled.size(), 1u);
  EXPECT_TRUE(client.wire->broker_gone());
  EXPECT_EQ(it.world.sessions(), 0u);
  EXPECT_NE(it.denial().reason.find("within 10 s"), std::string::npos);
}

TEST(SessionTls, ASessionThatIsStoppedOrDrainedTakesItsHandshakeWithIt) {
  for (const bool stop : {true, false}) {
    TlsWorld it;
    it.handshaker.hold = true;
    auto client = it.secured();
    if (stop) {
      client.session->stop();
    } else {
      client.session->drain();
    }
    it.world.loop.settle();
    EXPECT_EQ(it.handshaker.cancelled.size(), 1u);
    EXPECT_EQ(it.world.sessions(), 0u);
    it.handshaker.release();
    it.world.loop.settle();
    EXPECT_TRUE(client.wire->broker_gone());
  }
}

TEST(SessionTls, AHandshakeThatEndsAfterItsSessionClosesTheConnection) {
  TlsWorld it;
  it.handshaker.hold = true;
  auto client = it.secured();
  it.handshaker.release();  // on its way
  client.session->stop();
  it.world.loop.settle();
  EXPECT_EQ(it.world.sessions(), 0u);
  EXPECT_TRUE(client.wire->broker_gone());
}

TEST(SessionTls, AConnectionThatIsLostAtTheHandOverEndsTheSession) {
  TlsWorld it;
  it.handshaker.failure = Error{ErrorCode::retry_later, Hop::tcp, "epoll", "no more watches", {}, {}};
  it.handshaker.closes = true;
  it.secured();
  EXPECT_EQ(it.world.sessions(), 0u);
}

TEST(SessionTls, ItsEndPointBindsScram) {
  TlsWorld it;
  auto made = std::make_shared<broker::RouteRuntime>(*it.world.route);
  made->run_token = crypto::make_scram_verifier_from_password(Secret::copy_of("token"), as_bytes("salt"), 1);
  it.world.route = made;
  auto plain = it.world.open();
  plain.wire->push(World::hello());
  it.world.loop.settle();
  EXPECT_EQ(plain.wire->seen().find("SCRAM-SHA-256-PLUS"), std::string::npos);
  auto client = it.secured();
  client.wire->push(World::hello());
  it.world.loop.settle();
  EXPECT_NE(client.wire->seen().find("SCRAM-SHA-256-PLUS"), std::string::npos);
}

/// Two clients of a `tcp:` route, where no account is known.
struct CancelWorld : TlsWorld {
  CancelWorld() {
    world.prover->peer = {};
    world.prover->peer.address = "10.0.0.1";
  }
  std::size_t cancels_after(FakeClient& client) {
    client.wire->push(cancel_request(key));
    world.loop.settle();
    return world.connector.cancels.size();
  }
};

TEST(SessionTlsCancel, OfASessionOverTlsComesOverTlsOnly) {
  CancelWorld it;
  const auto owner = it.entered();
  auto plain = it.world.open();
  EXPECT_EQ(it.cancels_after(plain), 0u);
  ASSERT_EQ(it.world.sink.of(trail::EventKind::security).size(), 1u);
  EXPECT_NE(it.world.sink.of(trail::EventKind::security)[0].reason.find("it came in clear"),
            std::string::npos);
  auto secured = it.secured();
  EXPECT_EQ(it.cancels_after(secured), 1u);
}

TEST(SessionTlsCancel, WhereTheKernelKnowsTheProcessPlainTextWillDo) {
  TlsWorld it;
  const auto owner = it.entered();
  auto plain = it.world.open();
  plain.wire->push(cancel_request(it.key));
  it.world.loop.settle();
  EXPECT_EQ(it.world.connector.cancels.size(), 1u) << "libpq before 17 knows no other cancel";
}

TEST(SessionTlsCancel, OfACertificatesOwnerNeedsTheSameOwner) {
  CancelWorld it;
  it.handshaker.facts.certificate = certificate("spiffe://example.org/a");
  const auto owner = it.entered();
  it.handshaker.facts.certificate = certificate("spiffe://example.org/b");
  auto other = it.secured();
  EXPECT_EQ(it.cancels_after(other), 0u);
  ASSERT_EQ(it.world.sink.of(trail::EventKind::security).size(), 1u);
  EXPECT_EQ(it.world.sink.of(trail::EventKind::security)[0].verified.at("certificate_spiffe_id"),
            "spiffe://example.org/b");
  it.handshaker.facts.certificate = nullptr;
  auto nobody = it.secured();
  EXPECT_EQ(it.cancels_after(nobody), 0u);
  it.handshaker.facts.certificate = certificate("spiffe://example.org/a");
  it.world.prover->peer.address = "10.0.0.2";
  auto same = it.secured();
  EXPECT_EQ(it.cancels_after(same), 1u) << "one owner may come from two places";
}

TEST(SessionTlsCancel, WithoutACertificateItComesFromTheSameAddress) {
  CancelWorld it;
  const auto owner = it.entered();
  it.world.prover->peer.address = "10.0.0.2";
  auto other = it.secured();
  EXPECT_EQ(it.cancels_after(other), 0u);
  it.world.prover->peer.address = "10.0.0.1";
  auto same = it.secured();
  EXPECT_EQ(it.cancels_after(same), 1u);
}

TEST(SessionTlsCancel, WhereClearOnesAreAllowedTheSessionsAddressWillDo) {
  for (const bool with_certificate : {true, false}) {
    CancelWorld it;
    it.route(true, true);
    if (with_certificate) it.handshaker.facts.certificate = certificate("spiffe://example.org/a");
    const auto owner = it.entered();
    it.world.prover->peer.address = "10.0.0.2";
    auto other = it.world.open();
    EXPECT_EQ(it.cancels_after(other), 0u);
    it.world.prover->peer.address = "10.0.0.1";
    auto same = it.world.open();
    EXPECT_EQ(it.cancels_after(same), 1u);
    auto plain = it.world.open();
    plain.wire->push(World::hello());
    it.world.loop.settle();
    EXPECT_EQ(plain.types(), "E") << "nothing but a cancel comes in clear";
  }
}

TEST(SessionTlsCancel, OnARouteThatRequiresTlsPlainCancelsAreNotHeard) {
  CancelWorld it;
  it.route(true);
  const auto owner = it.entered();
  auto plain = it.world.open();
  EXPECT_EQ(it.cancels_after(plain), 0u);
}

}  // namespace
}  // namespace sallyport::session_tls_test
