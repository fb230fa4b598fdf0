#include "test/wire/client_login_scene.h"
#include "wire/postgres/server_error.h"

namespace sallyport::client_login_test {
namespace {

using namespace postgres;
using namespace sallyport::test;

TEST(ClientLogin, LogsInByScramAndReportsWhatTheServerSaid) {
  const auto outcome = login(request_of(), asks(Ask::scram));
  ASSERT_TRUE(outcome.end) << describe(outcome.end.error());
  EXPECT_EQ(outcome.greeting.login_method, "scram-sha-256");
  EXPECT_EQ(outcome.greeting.pid, 4'242);
  EXPECT_EQ(as_text(outcome.greeting.cancel_key), "key!");
  EXPECT_EQ(outcome.greeting.parameters,
            (Parameters{{"server_version", "15.4"}, {"client_encoding", "UTF8"}}));
  EXPECT_EQ(outcome.greeting.tls.protocol, "TLSv1.3");
  EXPECT_EQ(outcome.greeting.protocol, protocol_3_0);
  expect_canary_absent(outcome.sent);
}

TEST(ClientLogin, SendsNothingButSslRequestBeforeTls) {
  const auto outcome = login(request_of(), asks(Ask::scram));
  WipedBytes expected;
  encode(expected, SslRequest{});
  EXPECT_EQ(outcome.sent_before_tls, as_text(expected));
}

TEST(ClientLogin, StartupCarriesTheCredentialsUserAndOurParameters) {
  auto request = request_of();
  request.parameters.emplace_back("user", "postgres");
  request.parameters.emplace_back("database", "other");
  ClientLogin conversation{std::move(request)};
  FakePostgres server{asks(Ask::scram)};
  Driver driver{conversation, std::ref(server), verified()};
  ASSERT_TRUE(driver.run());
  const Parameters expected{
      {"user", "app"}, {"database", "production"}, {"application_name", "test"}, {"role", "owner"}};
  EXPECT_EQ(server.startup()->parameters, expected);
}

TEST(ClientLogin, ChoosesChannelBindingWhenOfferedAndPossible) {
  EXPECT_EQ(login(request_of(), asks(Ask::scram_and_plus)).greeting.login_method, "scram-sha-256-plus");
  EXPECT_EQ(login(request_of(), asks(Ask::plus_only)).greeting.login_method, "scram-sha-256-plus");
}

TEST(ClientLogin, ChannelBindingFailsAgainstAnotherCertificate) {
  auto settings = asks(Ask::scram_and_plus);
  settings.end_point.assign(32, 0xdd);
  EXPECT_FALSE(login(request_of(), settings).end);
}

TEST(ClientLoginHostile, TakingChannelBindingOutOfTheServersOfferIsNoticed) {
  ClientLogin conversation{request_of()};
  FakePostgres server{asks(Ask::scram_and_plus)};
  std::size_t step = 0;
  Driver driver{conversation,
                [&](Bytes sent) {
                  auto reply = server(sent);
                  if (++step != 2) return reply;
                  WipedBytes forged;
                  encode(forged, AuthenticationSasl{{"SCRAM-SHA-256"}});
                  return forged;
                },
                verified()};
  // We say "y" (we could, they did not offer), and the server knows that it did.
  EXPECT_FALSE(driver.run());
  EXPECT_NE(driver.sent().find("y,,n=,r="), std::string::npos);
  expect_canary_absent(driver.sent());
}

TEST(ClientLogin, LogsInWithoutTlsByScramOnly) {
  auto request = request_of();
  request.tls = LoginTls::disable;
  auto settings = asks(Ask::scram);
  settings.tls = false;
  const auto outcome = login(std::move(request), settings);
  ASSERT_TRUE(outcome.end);
  EXPECT_NE(outcome.sent.find("n,,n=,r="), std::string::npos);
  expect_canary_absent(outcome.sent);
}

TEST(ClientLogin, WrongPasswordKeepsTheServersSqlstate) {
  auto settings = asks(Ask::scram);
  settings.password = "another";
  const auto outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::denied);
  EXPECT_EQ(outcome.end.error().sqlstate, "28P01");
  EXPECT_NE(outcome.end.error().what.find("password authentication failed"), std::string::npos);
}

TEST(ClientLogin, ServerErrorsSayWhatToDoNext) {
  const std::pair<const char*, ErrorCode> rows[] = {
      {"28P01", ErrorCode::denied},      {"28000", ErrorCode::denied},
      {"42501", ErrorCode::denied},      {"53300", ErrorCode::retry_later},
      {"57P03", ErrorCode::retry_later}, {"57P01", ErrorCode::retry_later},
      {"3D000", ErrorCode::not_found},   {"0A000", ErrorCode::peer_unsupported},
      {"22023", ErrorCode::bad_config},  {"42704", ErrorCode::bad_config},
      {"XX000", ErrorCode::retry_later}};
  for (const auto& [sqlstate, code] : rows) {
    auto settings = asks(Ask::error);
    settings.error_sqlstate = sqlstate;
    const auto outcome = login(request_of(), settings);
    ASSERT_FALSE(outcome.end);
    EXPECT_EQ(outcome.end.error().code, code) << sqlstate;
    EXPECT_EQ(outcome.end.error().sqlstate, sqlstate);
    EXPECT_EQ(outcome.end.error().hop, Hop::login);
  }
}

TEST(ClientLogin, APrivilegeThatIsMissingIsTheOneThatTheFixNames) {
  const std::pair<const char*, const char*> rows[] = {
      {"permission denied to set role \"ro\"", "GRANT \"ro\" TO that user"},
      {"permission denied for database \"app\"", "Grant CONNECT on the database"},
      {"permission denied to set parameter \"log_statement\"", "the settings that the client asks for"},
      {"keine Berechtigung, um Rolle »ro« zu setzen", "membership in the role of run_as"}};
  for (const auto& [message, fix] : rows) {
    const auto framed = FakePostgres::error("42501", message);
    const auto error = error_of_server(as_bytes(framed).subspan(5), Secret{});
    EXPECT_NE(error.hint.find(fix), std::string::npos) << error.hint;
  }
}

// ---- threat 2: a valid certificate does not make a server honest ------------------------------

TEST(ClientLoginHostile, ReusablePasswordIsNotSentInAnyWeakerWay) {
  struct Row {
    Ask ask;
    ErrorCode code;
  };
  const Row rows[] = {{Ask::cleartext, ErrorCode::peer_unsupported},
                      {Ask::md5, ErrorCode::peer_unsupported},
                      {Ask::nothing, ErrorCode::peer_misbehaved},
                      {Ask::gss, ErrorCode::peer_unsupported},
                      {Ask::other_sasl, ErrorCode::peer_unsupported}};
  for (const auto& row : rows) {
    const auto outcome = login(request_of(), asks(row.ask));
    ASSERT_FALSE(outcome.end);
    EXPECT_EQ(outcome.end.error().code, row.code);
    EXPECT_FALSE(outcome.end.error().hint.empty());
    expect_canary_absent(outcome.sent);
    expect_canary_absent(describe(outcome.end.error()));
    EXPECT_EQ(outcome.sent.find("md5"), std::string::npos);
  }
}

TEST(ClientLoginHostile, OkWithoutProofIsRefusedAtEachPoint) {
  auto settings = asks(Ask::scram);
  settings.ok_instead_of_challenge = true;
  auto outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::peer_misbehaved);

  settings = asks(Ask::scram);
  settings.ok_instead_of_final = true;
  outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::peer_misbehaved);

  settings = asks(Ask::scram);
  settings.break_server_signature = true;
  outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::peer_misbehaved);
  expect_canary_absent(outcome.sent);
}

TEST(ClientLoginHostile, ASecondQuestionIsNotAnswered) {
  // After a right SCRAM exchange the server asks for the password in clear.
  WipedBytes question;
  encode(question, AuthenticationCleartext{});
  auto request = request_of();
  request.methods.cleartext_password = true;
  ClientLogin conversation{std::move(request)};
  FakePostgres server{asks(Ask::scram)};
  std::size_t step = 0;
  Driver driver{conversation, [&](Bytes sent) { return ++step == 3 ? question : server(sent); }, verified()};
  const auto end = driver.run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::peer_misbehaved);
  expect_canary_absent(driver.sent());
}

TEST(ClientLoginHostile, TooManyIterationsAreNotComputed) {
  auto settings = asks(Ask::scram);
  settings.iterations = 1;
  ClientLogin conversation{request_of()};
  FakePostgres server{settings};
  std::size_t step = 0;
  Driver driver{conversation,
                [&](Bytes sent) {
                  auto reply = server(sent);
                  if (++step != 3) return reply;
                  auto text = std::string{as_text(Bytes{reply})}.substr(9);
                  text.replace(text.find("i=1"), 3, "i=2000001");
                  WipedBytes out;
                  encode(out, AuthenticationSaslContinue{text});
                  return out;
                },
                verified()};
  const auto end = driver.run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::limit_exceeded);
  EXPECT_EQ(driver.pbkdf2_runs(), 0U);
}

TEST(ClientLoginHostile, AServerThatRepeatsTheTokenDoesNotGetItIntoTheError) {
  ClientLogin conversation{request_of(CredentialKind::token)};
  FakePostgres server{asks(Ask::cleartext)};
  std::size_t step = 0;
  Driver driver{conversation,
                [&](Bytes sent) {
                  if (++step != 3) return server(sent);
                  return test::bytes_of(FakePostgres::error("28P01", "no: " + std::string{canary}));
                },
                verified()};
  const auto end = driver.run();
  ASSERT_FALSE(end);
  expect_canary_absent(describe(end.error()));
}

// ---- Which credential may be used how -----------------------------------------------------------

TEST(ClientLogin, TokenGoesInClearToAVerifiedServerOnly) {
  const auto outcome = login(request_of(CredentialKind::token), asks(Ask::cleartext));
  ASSERT_TRUE(outcome.end) << describe(outcome.end.error());
  EXPECT_EQ(outcome.greeting.login_method, "cleartext");
  EXPECT_EQ(outcome.sent_before_tls.find(canary), std::string::npos);

  auto unverified = verified();
  unverified.tls.peer_verified = false;
  const auto refused = login(request_of(CredentialKind::token), asks(Ask::cleartext), unverified);
  ASSERT_FALSE(refused.end);
  expect_canary_absent(refused.sent);
}

TEST(ClientLogin, TokenGoesInClearOverACheckedUnixSocketOnly) {
  auto settings = asks(Ask::cleartext);
  settings.tls = false;
  for (const bool checked : {true, false}) {
    auto request = request_of(CredentialKind::token);
    request.tls = LoginTls::disable;
    request.unix_peer_checked = checked;
    const auto outcome = login(std::move(request), settings);
    EXPECT_EQ(outcome.end.has_value(), checked);
    if (!checked) expect_canary_absent(outcome.sent);
  }
}

TEST(ClientLogin, PasswordMethodsNeedTheirSettingAndClearNeedsVerifiedTls) {
  auto request = request_of();
  request.methods.cleartext_password = true;
  EXPECT_TRUE(login(std::move(request), asks(Ask::cleartext)).end);

  request = request_of();
  request.methods.cleartext_password = true;
  auto unverified = verified();
  unverified.tls.peer_verified = false;
  const auto refused = login(std::move(request), asks(Ask::cleartext), unverified);
  EXPECT_FALSE(refused.end);
  expect_canary_absent(refused.sent);

  request = request_of();
  request.methods.md5 = true;
  const auto md5 = login(std::move(request), asks(Ask::md5));
  ASSERT_TRUE(md5.end) << describe(md5.end.error());
  EXPECT_EQ(md5.greeting.login_method, "md5");
  expect_canary_absent(md5.sent);
}

TEST(ClientLogin, ClientCertificateIsLetInAtOnceOverTlsAndSendsNoSecret) {
  auto outcome = login(request_of(CredentialKind::client_certificate), asks(Ask::nothing));
  ASSERT_TRUE(outcome.end) << describe(outcome.end.error());
  EXPECT_EQ(outcome.greeting.login_method, "certificate");
  for (const auto ask : {Ask::scram, Ask::cleartext, Ask::md5}) {
    auto request = request_of(CredentialKind::client_certificate);
    request.methods = {true, true};
    outcome = login(std::move(request), asks(ask));
    ASSERT_FALSE(outcome.end);
    expect_canary_absent(outcome.sent);
  }
  auto request = request_of(CredentialKind::client_certificate);
  request.tls = LoginTls::disable;
  auto settings = asks(Ask::nothing);
  settings.tls = false;
  EXPECT_FALSE(login(std::move(request), settings).end);
}

TEST(ClientLogin, EmptyPasswordAndMissingUserAreConfigurationErrors) {
  auto request = request_of();
  request.credential = credential_of(CredentialKind::password, "");
  auto outcome = login(std::move(request), asks(Ask::scram));
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::bad_config);
  request = request_of();
  request.credential = std::make_shared<Credential>();
  outcome = login(std::move(request), asks(Ask::scram));
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::bad_config);
  EXPECT_TRUE(outcome.sent.empty());
}

// ---- threat 16: bytes before TLS, bytes out of turn ----------------------------------------------

TEST(ClientLoginHostile, AnyByteBehindTheSslAnswerFailsTheLogin) {
  for (int byte = 0; byte < 256; ++byte) {
    auto settings = asks(Ask::scram);
    settings.ssl_answer = std::string{"S"} + static_cast<char>(byte);
    const auto outcome = login(request_of(), settings);
    ASSERT_FALSE(outcome.end) << byte;
    EXPECT_EQ(outcome.end.error().code, ErrorCode::peer_misbehaved);
    EXPECT_EQ(outcome.sent.size(), 8U) << "nothing but the SSLRequest was sent";
  }
}

TEST(ClientLoginHostile, OtherSslAnswersAreRefusedWithoutRepeatingTheirText) {
  const std::pair<std::string, ErrorCode> rows[] = {
      {"N", ErrorCode::peer_unsupported},
      {FakePostgres::error("XX000", "injected text"), ErrorCode::peer_unsupported},
      {"H", ErrorCode::invalid_message},
      {std::string(1, '\0'), ErrorCode::invalid_message}};
  for (const auto& [answer, code] : rows) {
    auto settings = asks(Ask::scram);
    settings.ssl_answer = answer;
    const auto outcome = login(request_of(), settings);
    ASSERT_FALSE(outcome.end);
    EXPECT_EQ(outcome.end.error().code, code);
    EXPECT_EQ(describe(outcome.end.error()).find("injected"), std::string::npos);
    EXPECT_EQ(outcome.sent.size(), 8U);
  }
}

TEST(ClientLoginHostile, BytesBehindReadyForQueryAreAnError) {
  auto settings = asks(Ask::scram);
  settings.after_ready = "C";
  const auto outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::peer_misbehaved);
}

TEST(ClientLoginHostile, AServerThatDoesNotWaitForOurAnswerIsRefused) {
  ClientLogin conversation{request_of()};
  FakePostgres server{asks(Ask::scram)};
  std::size_t step = 0;
  Driver driver{conversation,
                [&](Bytes sent) {
                  auto reply = server(sent);
                  if (++step == 2) encode(reply, AuthenticationOk{});
                  return reply;
                },
                verified()};
  const auto end = driver.run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::peer_misbehaved);
}

TEST(ClientLogin, NoticesAreSkippedAndOtherMessagesRefused) {
  ErrorFields fields;
  fields.add('M', "hello");
  WipedBytes notice;
  encode_notice_response(notice, fields);
  auto settings = asks(Ask::scram);
  settings.before_authentication = as_text(Bytes{notice});
  EXPECT_TRUE(login(request_of(), settings).end);
  WipedBytes row;
  FrameWriter{row, 'D'}.finish();
  settings.before_authentication = as_text(Bytes{row});
  const auto outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::peer_misbehaved);
}

TEST(ClientLogin, LimitsHoldForOneMessageAndForAll) {
  auto settings = asks(Ask::scram);
  settings.before_authentication = std::string{"N\x7f\xff\xff\xff", 5};
  auto outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::limit_exceeded);

  ErrorFields fields;
  fields.add('M', std::string(60'000, 'x'));
  WipedBytes notices;
  for (int i = 0; i < 20; ++i) encode_notice_response(notices, fields);
  settings.before_authentication = as_text(Bytes{notices});
  outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::limit_exceeded);

  WipedBytes many;
  for (int i = 0; i < 300; ++i) encode(many, ParameterStatus{"p" + std::to_string(i), "v"});
  settings = asks(Ask::scram);
  settings.greeting_override = as_text(Bytes{many});
  outcome = login(request_of(), settings);
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::limit_exceeded);
}

TEST(ClientLogin, TakesTheVersionThatTheServerOffersAndNoOther) {
  const auto with_offer = [](std::uint32_t asked, std::uint32_t offered) {
    WipedBytes offer;
    encode(offer, NegotiateProtocolVersion{offered, {}});
    auto settings = asks(Ask::scram);
    settings.before_authentication = as_text(Bytes{offer});
    auto request = request_of();
    request.protocol = asked;
    return login(std::move(request), settings);
  };
  const auto down = with_offer(protocol_3_2, protocol_3_0);
  ASSERT_TRUE(down.end);
  EXPECT_EQ(down.greeting.protocol, protocol_3_0);
  EXPECT_FALSE(with_offer(protocol_3_0, protocol_3_2).end);
  EXPECT_FALSE(with_offer(protocol_3_2, 0x0003'0001).end);
  EXPECT_FALSE(with_offer(protocol_3_2, 0x0002'0000).end);
}

TEST(ClientLogin, TakesACancelKeyOf256Bytes) {
  WipedBytes greeting;
  const std::vector<std::uint8_t> key(256, 9);
  encode(greeting, BackendKeyData{1, key});
  encode(greeting, ReadyForQuery{});
  auto settings = asks(Ask::scram);
  settings.greeting_override = as_text(Bytes{greeting});
  const auto outcome = login(request_of(), settings);
  ASSERT_TRUE(outcome.end);
  EXPECT_EQ(outcome.greeting.cancel_key, key);
}

TEST(ClientLogin, HostileTextInAServersErrorIsCleanedAndCut) {
  ClientLogin conversation{request_of()};
  const auto message = "bad\x1b[31m\nline \xff" + std::string(5'000, 'x');
  Driver driver{conversation,
                [&, step = 0](Bytes) mutable {
                  return test::bytes_of(++step == 1 ? "S" : FakePostgres::error("28000", message));
                },
                verified()};
  const auto end = driver.run();
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().what.find('\x1b'), std::string::npos);
  EXPECT_EQ(end.error().what.find('\n'), std::string::npos);
  EXPECT_LE(end.error().what.size(), 1'010U);
}

TEST(ClientLogin, TooLongStartupParametersAreRefusedBeforeSending) {
  auto request = request_of();
  request.parameters.emplace_back("options", std::string(10'000, 'x'));
  const auto outcome = login(std::move(request), asks(Ask::scram));
  ASSERT_FALSE(outcome.end);
  EXPECT_EQ(outcome.end.error().code, ErrorCode::limit_exceeded);
}

std::string kind_row(std::string_view recovery, std::string_view read_only) {
  WipedBytes out;
  FrameWriter row{out, 'D'};
  row.i16(2);
  for (const auto text : {recovery, read_only}) {
    row.i32(static_cast<std::int32_t>(text.size()));
    row.bytes(as_bytes(text));
  }
  row.finish();
  return std::string{as_text(out)};
}

std::string ready_for_query() {
  WipedBytes out;
  encode(out, ReadyForQuery{});
  return std::string{as_text(out)};
}

TEST(ClientLoginKind, IsWhatTheServerReports) {
  for (const auto* value : {"on", "off"}) {
    auto settings = asks(Ask::scram);
    WipedBytes greeting;
    encode(greeting, ParameterStatus{"in_hot_standby", value});
    encode(greeting, ParameterStatus{"default_transaction_read_only", "off"});
    encode(greeting, ReadyForQuery{});
    settings.greeting_override = as_text(greeting);
    auto request = request_of();
    request.ask_kind = true;
    const auto outcome = login(std::move(request), settings);
    ASSERT_TRUE(outcome.end) << describe(outcome.end.error());
    EXPECT_EQ(outcome.greeting.in_hot_standby, value == std::string_view{"on"});
    EXPECT_EQ(outcome.greeting.read_only, false);
    EXPECT_EQ(outcome.sent.find("pg_is_in_recovery"), std::string::npos);
  }
}

TEST(ClientLoginKind, IsAskedOfServersThatDoNotReportIt) {
  for (const bool asked : {false, true}) {
    auto settings = asks(Ask::scram);
    settings.answer = kind_row("true", "on") + ready_for_query();
    auto request = request_of();
    request.ask_kind = asked;
    const auto outcome = login(std::move(request), settings);
    ASSERT_TRUE(outcome.end) << describe(outcome.end.error());
    EXPECT_EQ(outcome.sent.find("pg_is_in_recovery") != std::string::npos, asked);
    EXPECT_EQ(outcome.greeting.in_hot_standby, asked ? std::optional{true} : std::nullopt);
    EXPECT_EQ(outcome.greeting.read_only, asked ? std::optional{true} : std::nullopt);
  }
}

TEST(ClientLoginHostile, AnAnswerThatIsNoneFailsTheLogin) {
  const auto row = kind_row("false", "off");
  for (const auto& answer :
       {ready_for_query(), row + row + ready_for_query(), kind_row("maybe", "off") + ready_for_query(),
        row.substr(0, 6) + ready_for_query(), FakePostgres::error("42501", "no"), std::string{"R"},
        row + ready_for_query() + ready_for_query()}) {
    auto settings = asks(Ask::scram);
    settings.answer = answer;
    auto request = request_of();
    request.ask_kind = true;
    EXPECT_FALSE(login(std::move(request), settings).end) << answer.size();
  }
}

}  // namespace
}  // namespace sallyport::client_login_test
