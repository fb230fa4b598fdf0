#include "wire/postgres/server_login.h"

#include "crypto/saslprep.h"
#include "crypto/scram_client.h"
#include "test/wire/conversation_driver.h"
#include "wire/postgres/messages.h"
#include "wire/postgres/refusal.h"

#include <gtest/gtest.h>

namespace sallyport {
namespace {

using namespace postgres;
using test::Driver;
using test::DriverOptions;

/// A client in memory: what it answers to each of the server's writes.
class FakeClient {
 public:
  FakeClient(std::string password, bool plus, std::vector<std::uint8_t> end_point)
      : password_(std::move(password)),
        scram_({plus ? crypto::ScramBinding::tls_server_end_point : crypto::ScramBinding::unsupported,
                std::move(end_point), ""},
               "clientnonce") {}

  WipedBytes operator()(Bytes sent) {
    WipedBytes out;
    while (!sent.empty()) {
      const auto message = *decode_message(sent, 10'000);
      sent = sent.subspan(message->frame_bytes());
      if (message->type == 'v') {
        told_version = true;
        continue;
      }
      const auto authentication = *decode_authentication(message->body);
      if (const auto* offer = std::get_if<AuthenticationSasl>(&authentication)) {
        mechanisms.assign(offer->mechanisms.begin(), offer->mechanisms.end());
        encode(out, SaslInitialResponse{scram_.mechanism(), scram_.first_message()});
      }
      if (const auto* next = std::get_if<AuthenticationSaslContinue>(&authentication)) {
        const auto challenge = scram_.on_server_first(next->data);
        EXPECT_TRUE(challenge);
        salt.assign(challenge->salt.begin(), challenge->salt.end());
        const auto salted = crypto::pbkdf2_sha256(crypto::saslprep_or_raw(Secret::copy_of(password_)),
                                                  challenge->salt, challenge->iterations);
        encode(out, SaslResponse{*scram_.final_message(salted)});
      }
    }
    return out;
  }

  Result<void> check_final(Bytes last_bytes) {
    const auto message = *decode_message(last_bytes, 10'000);
    const auto authentication = *decode_authentication(message->body);
    return scram_.on_server_final(std::get<AuthenticationSaslFinal>(authentication).data);
  }

  std::vector<std::string> mechanisms;
  std::vector<std::uint8_t> salt;
  bool told_version = false;

 private:
  std::string password_;
  crypto::ScramClient scram_;
};

crypto::ScramVerifier verifier() {
  return crypto::make_scram_verifier_from_password(Secret::copy_of("token"), as_bytes("0123456789abcdef"), 1);
}

ServerLoginRequest scram_request(bool mock = false, std::vector<std::uint8_t> end_point = {}) {
  return {ServerScram{verifier(), mock, std::move(end_point)}, {}};
}

TEST(ServerLogin, TrustAsksNothing) {
  ServerLogin conversation{{ServerTrust{}, {}}};
  Driver driver{conversation, [](Bytes) { return WipedBytes{}; }, {}};
  ASSERT_TRUE(driver.run());
  EXPECT_TRUE(driver.sent().empty());
  EXPECT_TRUE(conversation.last_bytes().empty());
}

TEST(ServerLogin, ScramLetsInAndProvesItself) {
  for (const bool plus : {false, true}) {
    const std::vector<std::uint8_t> end_point(32, 5);
    ServerLogin conversation{scram_request(false, plus ? end_point : std::vector<std::uint8_t>{})};
    FakeClient client{"token", plus, end_point};
    Driver driver{conversation, std::ref(client), {}};
    const auto end = driver.run();
    ASSERT_TRUE(end) << describe(end.error());
    EXPECT_TRUE(client.check_final(conversation.last_bytes()));
    EXPECT_EQ(client.mechanisms.size(), plus ? 2U : 1U);
  }
}

TEST(ServerLogin, SplitAtEveryByteGivesTheSame) {
  for (std::size_t size = 1; size < 40; ++size) {
    ServerLogin conversation{scram_request()};
    FakeClient client{"token", false, {}};
    DriverOptions options;
    options.chunk_bytes = size;
    Driver driver{conversation, std::ref(client), options};
    ASSERT_TRUE(driver.run()) << size;
    EXPECT_TRUE(client.check_final(conversation.last_bytes()));
  }
}

TEST(ServerLogin, FailureAtEveryStepEndsIt) {
  for (std::size_t step = 0; step < 3; ++step) {
    for (const bool close : {true, false}) {
      ServerLogin conversation{scram_request()};
      FakeClient client{"token", false, {}};
      DriverOptions options;
      (close ? options.close_at_step : options.fail_at_step) = step;
      Driver driver{conversation, std::ref(client), options};
      EXPECT_FALSE(driver.run()) << step;
    }
  }
}

TEST(ServerLogin, WrongTokenAndUnknownUserAreRefusedAlike) {
  std::string refusals[2];
  std::string sent[2];
  for (const bool mock : {false, true}) {
    ServerLogin conversation{scram_request(mock)};
    FakeClient client{mock ? "token" : "wrong", false, {}};
    Driver driver{conversation, std::ref(client), {}};
    const auto end = driver.run();
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::denied);
    EXPECT_EQ(end.error().sqlstate, "28P01");
    EXPECT_EQ(end.error().hop, Hop::identity);
    WipedBytes out;
    encode_refusal(out, end.error(), RefusalTexts::general);
    refusals[mock ? 1 : 0] = as_text(Bytes{out});
    sent[mock ? 1 : 0] = driver.sent();
  }
  EXPECT_EQ(refusals[0], refusals[1]);
  EXPECT_EQ(sent[0], sent[1]);
}

TEST(ServerLogin, TellsTheVersionBeforeItAsks) {
  StartupMessage startup;
  startup.protocol = protocol_grease;
  auto request = scram_request();
  request.negotiation = negotiate(startup);
  ServerLogin conversation{std::move(request)};
  FakeClient client{"token", false, {}};
  Driver driver{conversation, std::ref(client), {}};
  ASSERT_TRUE(driver.run());
  EXPECT_TRUE(client.told_version);
  EXPECT_EQ(driver.sent()[0], 'v');

  ServerLogin trusting{{ServerTrust{}, negotiate(startup)}};
  Driver trusted{trusting, [](Bytes) { return WipedBytes{}; }, {}};
  ASSERT_TRUE(trusted.run());
  ASSERT_FALSE(trusting.last_bytes().empty());
  EXPECT_EQ(trusting.last_bytes()[0], 'v');
}

TEST(ServerLogin, RefusesWhatIsNoSaslResponse) {
  const auto first_answer = [](WipedBytes answer) {
    ServerLogin conversation{scram_request()};
    Driver driver{conversation, [&](Bytes) { return answer; }, {}};
    return driver.run();
  };
  WipedBytes query;
  encode(query, Query{"SELECT 1"});
  auto end = first_answer(query);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::peer_misbehaved);
  EXPECT_EQ(end.error().sqlstate, "08P01");

  WipedBytes terminate;
  encode(terminate, Terminate{});
  end = first_answer(terminate);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::cancelled);

  WipedBytes other;
  encode(other, SaslInitialResponse{"PLAIN", "x"});
  end = first_answer(other);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::peer_unsupported);

  WipedBytes oversize;
  encode(oversize, SaslInitialResponse{"SCRAM-SHA-256", std::string(5'000, 'x')});
  end = first_answer(oversize);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::limit_exceeded);

  WipedBytes two;
  encode(two, SaslInitialResponse{"SCRAM-SHA-256", "n,,n=,r=abc"});
  encode(two, SaslResponse{"c=biws"});
  end = first_answer(two);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::peer_misbehaved);
}

TEST(ServerLogin, LeavesBytesBehindTheProofForTheSession) {
  ServerLogin conversation{scram_request()};
  FakeClient client{"token", false, {}};
  std::size_t step = 0;
  Driver driver{conversation,
                [&](Bytes sent) {
                  auto reply = client(sent);
                  if (++step == 2) encode(reply, Query{"SELECT 1"});
                  return reply;
                },
                {}};
  ASSERT_TRUE(driver.run());
  const auto left = decode_message(driver.input().unread(), 1'000);
  ASSERT_TRUE(left && *left);
  EXPECT_EQ((*left)->type, 'Q');
}

}  // namespace
}  // namespace sallyport
