#include "crypto/pbkdf2.h"
#include "crypto/saslprep.h"
#include "crypto/scram_client.h"
#include "crypto/scram_server.h"

#include <gtest/gtest.h>

namespace sallyport::scram_test {
namespace {

using namespace crypto;

constexpr std::string_view rfc_client_nonce = "rOprNGfwEbeRWgbNEkqO";
constexpr std::string_view rfc_server_nonce = "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
constexpr std::string_view rfc_server_first =
    "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096";
constexpr std::string_view rfc_client_final =
    "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,"
    "p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
constexpr std::string_view rfc_server_final = "v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=";

Secret salted(std::string_view password, const ScramChallenge& challenge) {
  return pbkdf2_sha256(saslprep_or_raw(Secret::copy_of(password)), challenge.salt, challenge.iterations);
}

ScramVerifier rfc_verifier() {
  return make_scram_verifier_from_password(Secret::copy_of("pencil"),
                                           *base64_decode("W22ZaJ0SNY7soEsUEjb6gQ=="), 4'096);
}

ScramClient rfc_client() { return {{ScramBinding::unsupported, {}, "user"}, std::string{rfc_client_nonce}}; }

TEST(ScramClient, MatchesRfc7677) {
  auto client = rfc_client();
  EXPECT_EQ(client.mechanism(), "SCRAM-SHA-256");
  EXPECT_EQ(client.first_message(), "n,,n=user,r=rOprNGfwEbeRWgbNEkqO");
  const auto challenge = client.on_server_first(rfc_server_first);
  ASSERT_TRUE(challenge);
  EXPECT_EQ(challenge->iterations, 4'096U);
  const auto final = client.final_message(salted("pencil", *challenge));
  ASSERT_TRUE(final);
  EXPECT_EQ(*final, rfc_client_final);
  EXPECT_TRUE(client.on_server_final(rfc_server_final));
}

TEST(ScramServer, MatchesRfc7677) {
  ScramServer server{{rfc_verifier(), false, {}}, std::string{rfc_server_nonce}};
  const auto first = server.on_client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false);
  ASSERT_TRUE(first);
  EXPECT_EQ(*first, rfc_server_first);
  const auto final = server.on_client_final(rfc_client_final);
  ASSERT_TRUE(final);
  EXPECT_EQ(*final, rfc_server_final);
}

/// Runs both sides against each other; the error that ended it, if any.
Result<void> exchange(ScramClient& client, ScramServer& server, std::string_view password) {
  const auto first = server.on_client_first(client.first_message(), client.mechanism() == scram_sha_256_plus);
  if (!first) return first.error();
  const auto challenge = client.on_server_first(*first);
  if (!challenge) return challenge.error();
  const auto proof = client.final_message(salted(password, *challenge));
  if (!proof) return proof.error();
  const auto final = server.on_client_final(*proof);
  if (!final) return final.error();
  return client.on_server_final(*final);
}

TEST(Scram, BothSidesAgreeWithAndWithoutBinding) {
  const std::vector<std::uint8_t> end_point(32, 0xab);
  const std::vector<std::uint8_t> none;
  for (const bool plus : {false, true}) {
    for (const auto* password :
         {"pencil", "", "I\xc2\xadX", "\xff\xfe", "a very long password, with commas, and = signs"}) {
      const auto verifier =
          make_scram_verifier_from_password(Secret::copy_of(password), as_bytes("0123456789abcdef"), 2);
      ScramClient client{
          {plus ? ScramBinding::tls_server_end_point : ScramBinding::not_offered, end_point, ""}, "client"};
      ScramServer server{{verifier, false, plus ? end_point : none}, "server"};
      EXPECT_TRUE(exchange(client, server, password)) << password;
    }
  }
}

TEST(Scram, WrongPasswordIsDenied) {
  auto client = rfc_client();
  ScramServer server{{rfc_verifier(), false, {}}, "server"};
  const auto end = exchange(client, server, "pencil2");
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::denied);
  EXPECT_EQ(end.error().sqlstate, "28P01");
}

TEST(Scram, MockIsDeniedInTheSameWords) {
  auto client = rfc_client();
  ScramServer known{{rfc_verifier(), false, {}}, "server"};
  const auto wrong = exchange(client, known, "pencil2");
  auto stranger = rfc_client();
  ScramServer unknown{{mock_scram_verifier(as_bytes("secret"), "nobody", 4'096), true, {}}, "server"};
  const auto mock = exchange(stranger, unknown, "pencil");
  ASSERT_FALSE(wrong);
  ASSERT_FALSE(mock);
  EXPECT_EQ(describe(wrong.error()), describe(mock.error()));
}

TEST(Scram, MockNeverSucceedsEvenWithItsOwnVerifiersPassword) {
  auto client = rfc_client();
  ScramServer server{{rfc_verifier(), true, {}}, "server"};
  EXPECT_FALSE(exchange(client, server, "pencil"));
}

TEST(Scram, MockSaltIsStablePerUserAndSecret) {
  const auto one = mock_scram_verifier(as_bytes("s"), "a", 4'096);
  EXPECT_EQ(one.salt, mock_scram_verifier(as_bytes("s"), "a", 4'096).salt);
  EXPECT_NE(one.salt, mock_scram_verifier(as_bytes("s"), "b", 4'096).salt);
  EXPECT_NE(one.salt, mock_scram_verifier(as_bytes("t"), "a", 4'096).salt);
  EXPECT_EQ(one.salt.size(), 16U);
}

TEST(ScramVerifier, PrintsAsPostgresqlDoesAndParsesBack) {
  // ALTER ROLE … PASSWORD 'pencil' with the RFC's salt.
  const auto text = print_scram_verifier(rfc_verifier());
  EXPECT_EQ(text,
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:"
            "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
  const auto parsed = parse_scram_verifier(text);
  ASSERT_TRUE(parsed);
  EXPECT_EQ(print_scram_verifier(*parsed), text);
}

TEST(ScramVerifier, RefusesWhatIsCutOrOutOfRange) {
  const auto text = print_scram_verifier(rfc_verifier());
  for (std::size_t size = 0; size < text.size(); ++size) {
    EXPECT_FALSE(parse_scram_verifier(std::string_view{text}.substr(0, size))) << size;
  }
  EXPECT_FALSE(parse_scram_verifier(text + "x"));
  for (const auto* count : {"0", "-1", "4096x", "2000001", "99999999999999"}) {
    auto changed = text;
    changed.replace(changed.find("4096"), 4, count);
    EXPECT_FALSE(parse_scram_verifier(changed)) << count;
  }
  EXPECT_FALSE(parse_scram_verifier("md5d41d8cd98f00b204e9800998ecf8427e"));
}

TEST(ScramClient, RefusesHostileChallenges) {
  const std::string nonce{rfc_client_nonce};
  const std::pair<std::string, ErrorCode> rows[] = {
      {"r=other,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ErrorCode::peer_misbehaved},
      {"r=" + nonce + ",s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ErrorCode::peer_misbehaved},
      {"r=" + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=0", ErrorCode::invalid_message},
      {"r=" + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=-1", ErrorCode::invalid_message},
      {"r=" + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=", ErrorCode::invalid_message},
      {"r=" + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=2000001", ErrorCode::limit_exceeded},
      {"r=" + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=99999999999999999999", ErrorCode::limit_exceeded},
      {"r=" + nonce + "x,s=,i=4096", ErrorCode::invalid_message},
      {"r=" + nonce + "x,s=***,i=4096", ErrorCode::invalid_message},
      {"r=" + nonce + "x,s=" + base64_encode(std::vector<std::uint8_t>(1'025)) + ",i=4096",
       ErrorCode::limit_exceeded},
      {"r=" + nonce + "\x01x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ErrorCode::invalid_message},
      {"s=W22ZaJ0SNY7soEsUEjb6gQ==,r=" + nonce + "x,i=4096", ErrorCode::invalid_message},
      {"m=ext,r=" + nonce + "x,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096", ErrorCode::peer_unsupported},
      {"e=unknown-user", ErrorCode::denied},
      {std::string(5'000, 'r'), ErrorCode::limit_exceeded},
      {"", ErrorCode::invalid_message},
  };
  for (const auto& [message, code] : rows) {
    auto client = rfc_client();
    const auto challenge = client.on_server_first(message);
    ASSERT_FALSE(challenge) << message;
    EXPECT_EQ(challenge.error().code, code) << message;
  }
}

TEST(ScramClient, RefusesAWrongServerSignature) {
  const std::pair<std::string, ErrorCode> rows[] = {
      {"v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=", ErrorCode::peer_misbehaved},
      {"v=", ErrorCode::peer_misbehaved},
      {"v=AAAA", ErrorCode::peer_misbehaved},
      {"x", ErrorCode::invalid_message},
      {"", ErrorCode::invalid_message},
      {"e=other-error", ErrorCode::denied},
  };
  for (const auto& [message, code] : rows) {
    auto client = rfc_client();
    const auto challenge = client.on_server_first(rfc_server_first);
    ASSERT_TRUE(challenge);
    ASSERT_TRUE(client.final_message(salted("pencil", *challenge)));
    const auto end = client.on_server_final(message);
    ASSERT_FALSE(end) << message;
    EXPECT_EQ(end.error().code, code) << message;
  }
}

TEST(ScramClient, StepsOutOfTurnAreErrors) {
  auto client = rfc_client();
  EXPECT_FALSE(client.on_server_final(rfc_server_final));
  EXPECT_FALSE(client.final_message(Secret::of_size(32)));
  ASSERT_TRUE(client.on_server_first(rfc_server_first));
  EXPECT_FALSE(client.on_server_first(rfc_server_first));
  EXPECT_FALSE(client.on_server_final(rfc_server_final));
  EXPECT_FALSE(client.final_message(Secret::of_size(31)));
}

TEST(ScramServer, RefusesWhatItDidNotOffer) {
  const std::vector<std::uint8_t> end_point(32, 1);
  const std::vector<std::uint8_t> none;
  struct Row {
    std::string message;
    bool plus;
    bool tls;
    ErrorCode code;
  };
  const Row rows[] = {
      {"p=tls-server-end-point,,n=,r=abc", true, false, ErrorCode::peer_misbehaved},
      {"p=tls-unique,,n=,r=abc", true, true, ErrorCode::peer_unsupported},
      {"p=tls-server-end-point,,n=,r=abc", false, true, ErrorCode::peer_misbehaved},
      {"n,,n=,r=abc", true, true, ErrorCode::peer_misbehaved},
      {"y,,n=,r=abc", false, true, ErrorCode::peer_misbehaved},
      {"n,a=other,n=,r=abc", false, false, ErrorCode::peer_unsupported},
      {"n,,m=x,n=,r=abc", false, false, ErrorCode::peer_unsupported},
      {"x,,n=,r=abc", false, false, ErrorCode::invalid_message},
      {"n,,n=,r=", false, false, ErrorCode::invalid_message},
      {"n,,r=abc,n=", false, false, ErrorCode::invalid_message},
      {"n", false, false, ErrorCode::invalid_message},
      {"", false, false, ErrorCode::invalid_message},
  };
  for (const auto& row : rows) {
    ScramServer server{{rfc_verifier(), false, row.tls ? end_point : none}, "server"};
    const auto first = server.on_client_first(row.message, row.plus);
    ASSERT_FALSE(first) << row.message;
    EXPECT_EQ(first.error().code, row.code) << row.message;
  }
}

TEST(ScramServer, RefusesAnotherConnectionsBinding) {
  ScramClient client{{ScramBinding::tls_server_end_point, std::vector<std::uint8_t>(32, 1), ""}, "client"};
  ScramServer server{{rfc_verifier(), false, std::vector<std::uint8_t>(32, 2)}, "server"};
  const auto end = exchange(client, server, "pencil");
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::peer_misbehaved);
}

TEST(ScramServer, RefusesAChangedFinalMessage) {
  const std::string good{rfc_client_final};
  // Every single-character change must be refused: nothing in the message is without meaning.
  for (std::size_t at = 0; at < good.size(); ++at) {
    auto changed = good;
    changed[at] = changed[at] == 'A' ? 'B' : 'A';
    ScramServer server{{rfc_verifier(), false, {}}, std::string{rfc_server_nonce}};
    ASSERT_TRUE(server.on_client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false));
    EXPECT_FALSE(server.on_client_final(changed)) << changed;
  }
}

TEST(ScramServer, AllowsExtensionsBeforeTheProofAndSignsThem) {
  // An extension is part of what is signed, so an unsigned one is a wrong proof, not a syntax error.
  ScramServer server{{rfc_verifier(), false, {}}, std::string{rfc_server_nonce}};
  ASSERT_TRUE(server.on_client_first("n,,n=user,r=rOprNGfwEbeRWgbNEkqO", false));
  auto message = std::string{rfc_client_final};
  message.insert(message.find(",p="), ",x=1");
  const auto end = server.on_client_final(message);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::denied);
}

}  // namespace
}  // namespace sallyport::scram_test
