#include "wire/postgres/greeting.h"
#include "wire/postgres/messages.h"
#include "wire/postgres/refusal.h"

#include <gtest/gtest.h>

namespace sallyport::greeting_refusal_test {
namespace {

using namespace postgres;

StartupMessage startup_of(std::uint32_t protocol, Parameters parameters = {}) {
  return {protocol, std::move(parameters)};
}

TEST(Negotiation, SupportedVersionsNeedNoWord) {
  for (const auto protocol : {protocol_3_0, protocol_3_2}) {
    const auto negotiation = negotiate(startup_of(protocol, {{"user", "app"}}));
    EXPECT_EQ(negotiation.protocol, protocol);
    EXPECT_FALSE(negotiation.must_tell);
    WipedBytes out;
    encode(out, negotiation);
    EXPECT_TRUE(out.empty());
  }
}

TEST(Negotiation, OtherVersionsAndUnknownOptionsAreAnswered) {
  EXPECT_EQ(negotiate(startup_of(0x0003'0001)).protocol, protocol_3_0);
  EXPECT_TRUE(negotiate(startup_of(0x0003'0001)).must_tell);
  const auto greased =
      negotiate(startup_of(protocol_grease, {{"_pq_.test_protocol_negotiation", ""}, {"user", "app"}}));
  EXPECT_EQ(greased.protocol, protocol_3_2);
  WipedBytes out;
  encode(out, greased);
  const auto message = decode_message(out, 1'000);
  ASSERT_TRUE(message && *message);
  EXPECT_EQ((*message)->type, 'v');
  const auto decoded = decode_negotiate_protocol_version((*message)->body);
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->newest, protocol_3_2);
  EXPECT_EQ(decoded->unsupported, std::vector<std::string_view>{"_pq_.test_protocol_negotiation"});
  const auto option_only = negotiate(startup_of(protocol_3_0, {{"_pq_.x", "1"}}));
  EXPECT_EQ(option_only.protocol, protocol_3_0);
  EXPECT_TRUE(option_only.must_tell);
}

TEST(Greeting, ComesInTheServersOrder) {
  WipedBytes out;
  const Parameters parameters{{"server_version", "15.4"}, {"TimeZone", "UTC"}};
  const std::vector<std::uint8_t> key(32, 1);
  encode(out, Greeting{parameters, 7, key, TransactionStatus::idle});
  std::string types;
  for (Bytes rest = out; !rest.empty();) {
    const auto message = *decode_message(rest, 1'000);
    types += message->type;
    rest = rest.subspan(message->frame_bytes());
  }
  EXPECT_EQ(types, "RSSKZ");
}

ErrorFields refused(const Error& error, RefusalTexts texts = RefusalTexts::full,
                    std::string_view event = {}) {
  WipedBytes out;
  encode_refusal(out, error, texts, event);
  const auto message = *decode_message(out, 100'000);
  EXPECT_EQ(message->type, 'E');
  EXPECT_EQ(message->frame_bytes(), out.size());
  return *decode_error_fields(message->body);
}

TEST(Refusal, NamesHopAndFix) {
  const auto fields = refused({ErrorCode::peer_misbehaved,
                               Hop::tls,
                               "db.example.com",
                               "certificate is for a.example, not b.example",
                               "Set tls.server_name",
                               {}});
  EXPECT_EQ(fields.get('S'), "FATAL");
  EXPECT_EQ(fields.get('V'), "FATAL");
  EXPECT_EQ(fields.sqlstate(), "08001");
  EXPECT_EQ(fields.message(), "sallyport: certificate is for a.example, not b.example");
  EXPECT_EQ(fields.get('D'), "It failed during the TLS handshake with the database server (db.example.com).");
  EXPECT_EQ(fields.get('H'), "Set tls.server_name");
}

TEST(Refusal, GeneralTextsNameNothing) {
  const Error error{ErrorCode::denied,   Hop::policy,
                    "route unix:/run/x", "uid 1000 (alice) may not use production",
                    "Add alice",         {}};
  const auto fields = refused(error, RefusalTexts::general, "01HEVENT");
  std::string all;
  for (const auto& [letter, text] : fields.fields) all += text + "\n";
  for (const auto* name : {"alice", "production", "1000", "/run", "route"})
    EXPECT_EQ(all.find(name), std::string::npos) << name;
  EXPECT_EQ(fields.sqlstate(), "28000");
  EXPECT_NE(all.find("01HEVENT"), std::string::npos);
}

TEST(Refusal, GeneralTextsAreTheSameForUnknownAndForbidden) {
  const auto unknown =
      refused({ErrorCode::denied, Hop::identity, "x", "unknown", "", {}}, RefusalTexts::general);
  const auto forbidden =
      refused({ErrorCode::denied, Hop::policy, "y", "forbidden", "", {}}, RefusalTexts::general);
  EXPECT_EQ(unknown.fields, forbidden.fields);
}

TEST(Refusal, KeepsTheServersSqlstateAndMapsTheRest) {
  const auto sqlstate = [](ErrorCode code, Hop hop, std::string given = {}) {
    return sqlstate_of({code, hop, {}, {}, {}, std::move(given)});
  };
  EXPECT_EQ(sqlstate(ErrorCode::not_found, Hop::login, "3D000"), "3D000");
  EXPECT_EQ(sqlstate(ErrorCode::denied, Hop::login, "bad!!"), "28000");
  EXPECT_EQ(sqlstate(ErrorCode::denied, Hop::login, "00000"), "28000");
  EXPECT_EQ(sqlstate(ErrorCode::denied, Hop::identity), "28000");
  EXPECT_EQ(sqlstate(ErrorCode::denied, Hop::secret_source), "08001");
  EXPECT_EQ(sqlstate(ErrorCode::retry_later, Hop::tcp), "08001");
  EXPECT_EQ(sqlstate(ErrorCode::retry_later, Hop::trail), "58030");
  EXPECT_EQ(sqlstate(ErrorCode::limit_exceeded, Hop::policy), "53300");
  EXPECT_EQ(sqlstate(ErrorCode::timed_out, Hop::pool), "53300");
  EXPECT_EQ(sqlstate(ErrorCode::timed_out, Hop::dns), "08001");
  EXPECT_EQ(sqlstate(ErrorCode::invalid_message, Hop::none), "08P01");
  EXPECT_EQ(sqlstate(ErrorCode::peer_unsupported, Hop::none), "0A000");
  EXPECT_EQ(sqlstate(ErrorCode::bad_config, Hop::config), "F0000");
  EXPECT_EQ(sqlstate(ErrorCode::cancelled, Hop::session), "57P01");
  EXPECT_EQ(sqlstate(ErrorCode::internal, Hop::none), "XX000");
}

TEST(Refusal, EveryCodeAndHopGivesAValidMessage) {
  for (int code = 0; code <= static_cast<int>(ErrorCode::internal); ++code) {
    for (int hop = 0; hop <= static_cast<int>(Hop::child); ++hop) {
      const Error error{
          static_cast<ErrorCode>(code), static_cast<Hop>(hop), "where\x1b", "what\n", "hint\x07", {}};
      for (const auto texts : {RefusalTexts::full, RefusalTexts::general}) {
        const auto fields = refused(error, texts, "event");
        EXPECT_EQ(fields.sqlstate().size(), 5U);
        EXPECT_EQ(fields.message().substr(0, 11), "sallyport: ");
        for (const auto& [letter, text] : fields.fields)
          EXPECT_EQ(text.find_first_of("\x1b\x07\n"), std::string::npos);
      }
    }
  }
}

}  // namespace
}  // namespace sallyport::greeting_refusal_test
