#include "wire/postgres/server_login.h"

#include "test/wire/fake_client.h"
#include "wire/postgres/refusal.h"

namespace sallyport::server_login_test {
namespace {

using namespace postgres;
using namespace sallyport::test;

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
}  // namespace sallyport::server_login_test
