// TLS first, and what a cloud's proxy wants to hear before PostgreSQL: what is sent, in which order, and its answers.
#include "wire/postgres/preamble.h"
#include "test/wire/client_login_scene.h"
#include "wire/postgres/cancel.h"

namespace sallyport::test::preamble_test {
namespace {

using postgres::PreambleAnswer;

std::string with_length(std::string_view text) {
  std::string out(4, '\0');
  out[3] = static_cast<char>(text.size());
  return out + std::string{text};
}

Result<bool> taken(PreambleAnswer form, InputBuffer& input, std::string_view bytes) {
  input.append(as_bytes(bytes));
  return postgres::take_preamble_answer(form, input);
}

TEST(Preamble, CloudSqlMayAnswerOrNot) {
  const std::string answer = "CSQLMDEX" + with_length("xyz");
  for (std::size_t cut = 1; cut < answer.size(); ++cut) {
    InputBuffer input;
    const auto first = taken(PreambleAnswer::cloud_sql, input, answer.substr(0, cut));
    ASSERT_TRUE(first) << cut;
    EXPECT_FALSE(*first) << cut;
    const auto rest = taken(PreambleAnswer::cloud_sql, input, answer.substr(cut) + "R");
    ASSERT_TRUE(rest && *rest) << cut;
    EXPECT_EQ(as_text(input.unread()), "R");
  }
  InputBuffer silent;
  const auto nothing = taken(PreambleAnswer::cloud_sql, silent, "R");
  ASSERT_TRUE(nothing && *nothing);
  EXPECT_EQ(silent.size(), 1U);
}

TEST(Preamble, AlloyDbSaysWhetherItTakesTheToken) {
  InputBuffer good;
  const auto yes = taken(PreambleAnswer::alloydb, good, with_length("\x08\x01"));
  ASSERT_TRUE(yes && *yes);
  InputBuffer bad;
  const auto no = taken(PreambleAnswer::alloydb, bad, with_length("\x08\x02\x12\x02no"));
  ASSERT_FALSE(no);
  EXPECT_EQ(no.error().code, ErrorCode::denied);
  InputBuffer empty;
  EXPECT_FALSE(taken(PreambleAnswer::alloydb, empty, with_length("")));
}

TEST(Preamble, AnAnswerWithoutEndIsRefused) {
  for (const auto form : {PreambleAnswer::cloud_sql, PreambleAnswer::alloydb}) {
    InputBuffer input;
    const std::string magic = form == PreambleAnswer::cloud_sql ? "CSQLMDEX" : "";
    const auto got = taken(form, input, magic + std::string("\x00\x01\x00\x00", 4));
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::limit_exceeded);
  }
}

/// Runs a login by hand up to what it sends inside TLS.
WipedBytes sent_inside_tls(postgres::ClientLogin& login) {
  Started started;
  started.random.fill(7);
  auto first = login.resume({{}, started});
  EXPECT_TRUE(first && std::holds_alternative<StartTls>(*first)) << "nothing goes before TLS";
  TlsFacts facts;
  facts.peer_verified = true;
  auto second = login.resume({{}, TlsEstablished{facts}});
  EXPECT_TRUE(second && std::holds_alternative<Send>(*second));
  return std::get<Send>(*second).bytes;
}

postgres::ClientLoginRequest request_with(PreambleAnswer answer) {
  auto request = request_of(CredentialKind::client_certificate);
  request.tls = postgres::LoginTls::first;
  request.preamble = {std::make_shared<Secret>(Secret::copy_of("preamble")), answer};
  return request;
}

TEST(Preamble, TlsComesFirstAndThePreambleBeforeTheStartup) {
  postgres::ClientLogin login{request_with(PreambleAnswer::cloud_sql)};
  const auto sent = sent_inside_tls(login);
  EXPECT_EQ(as_text(Bytes{sent}).substr(0, 8), "preamble");
  EXPECT_NE(as_text(Bytes{sent}).find("production"), std::string_view::npos);
}

TEST(Preamble, AlloyDbGetsTheStartupWhenItHasAnswered) {
  postgres::ClientLogin login{request_with(PreambleAnswer::alloydb)};
  EXPECT_EQ(as_text(Bytes{sent_inside_tls(login)}), "preamble");
  InputBuffer input;
  input.append(as_bytes(with_length("\x08\x01")));
  const auto next = login.resume({{}, Received{input}});
  ASSERT_TRUE(next && std::holds_alternative<Send>(*next));
  EXPECT_NE(as_text(Bytes{std::get<Send>(*next).bytes}).find("production"), std::string_view::npos);
}

TEST(Preamble, ACancelGoesTheSameWay) {
  postgres::CancelConversation cancel{
      {7, {1, 2, 3, 4}},
      postgres::LoginTls::first,
      {std::make_shared<Secret>(Secret::copy_of("preamble")), PreambleAnswer::cloud_sql}};
  auto first = cancel.resume({{}, Started{}});
  ASSERT_TRUE(first && std::holds_alternative<StartTls>(*first));
  auto second = cancel.resume({{}, TlsEstablished{}});
  ASSERT_TRUE(second && std::holds_alternative<Send>(*second));
  EXPECT_EQ(as_text(Bytes{std::get<Send>(*second).bytes}).substr(0, 8), "preamble");
  EXPECT_EQ(std::get<Send>(*second).bytes.size(), 8U + 16U);
  EXPECT_TRUE(cancel.has_asked());
}

}  // namespace
}  // namespace sallyport::test::preamble_test
