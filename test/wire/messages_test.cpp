#include "wire/postgres/messages.h"

#include <gtest/gtest.h>

namespace sallyport::messages_test {
namespace {

using namespace postgres;

/// The body of the one message in `frame`.
Bytes body_of(const WipedBytes& frame, char type) {
  const auto message = decode_message(frame, 1'000'000);
  EXPECT_TRUE(message && *message);
  EXPECT_EQ((*message)->type, type);
  EXPECT_EQ((*message)->frame_bytes(), frame.size());
  return (*message)->body;
}

template <class T>
WipedBytes encoded(const T& message) {
  WipedBytes out;
  encode(out, message);
  return out;
}

TEST(PostgresWire, NeedsMoreUntilTheMessageIsWhole) {
  const auto frame = encoded(ParameterStatus{"a", "b"});
  for (std::size_t size = 0; size < frame.size(); ++size) {
    const auto message = decode_message(Bytes{frame}.first(size), 100);
    ASSERT_TRUE(message) << size;
    EXPECT_FALSE(*message) << size;
  }
}

TEST(PostgresWire, RejectsLengthBelowFour) {
  for (std::uint8_t length = 0; length < 4; ++length) {
    const std::vector<std::uint8_t> frame{'Z', 0, 0, 0, length};
    const auto message = decode_message(frame, 100);
    ASSERT_FALSE(message);
    EXPECT_EQ(message.error().code, ErrorCode::invalid_message);
  }
}

TEST(PostgresWire, RejectsABodyAboveTheLimitAtItsHeader) {
  const std::vector<std::uint8_t> frame{'Z', 0, 0, 0, 105};
  const auto message = decode_message(frame, 100);
  ASSERT_FALSE(message);
  EXPECT_EQ(message.error().code, ErrorCode::limit_exceeded);
  EXPECT_TRUE(decode_message(frame, 101));
  const std::vector<std::uint8_t> negative{'Z', 0xff, 0xff, 0xff, 0xff};
  EXPECT_FALSE(decode_message(negative, 0x3fffffff));
}

TEST(PostgresWire, EveryErrorFieldRoundTripsInOrder) {
  ErrorFields fields;
  for (const char letter : std::string_view{"SVCMDHPpqWstcdnFLR"})
    fields.add(letter, std::string{"text of "} + letter);
  WipedBytes error;
  encode_error_response(error, fields);
  const auto decoded = decode_error_fields(body_of(error, 'E'));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->fields, fields.fields);
  EXPECT_EQ(decoded->get(error_field::routine), "text of R");
  EXPECT_EQ(decoded->get('?'), "");
  WipedBytes notice;
  encode_notice_response(notice, fields);
  EXPECT_EQ(decode_error_fields(body_of(notice, 'N'))->fields, fields.fields);
}

TEST(PostgresWire, RefusesErrorFieldsThatAreCutOrTooMany) {
  ErrorFields fields;
  fields.add('M', "message");
  WipedBytes error;
  encode_error_response(error, fields);
  const auto body = body_of(error, 'E');
  for (std::size_t size = 0; size < body.size(); ++size)
    EXPECT_FALSE(decode_error_fields(body.first(size))) << size;
  for (int i = 0; i < 64; ++i) fields.add('x', "");
  error.clear();
  encode_error_response(error, fields);
  const auto many = decode_error_fields(body_of(error, 'E'));
  ASSERT_FALSE(many);
  EXPECT_EQ(many.error().code, ErrorCode::limit_exceeded);
}

TEST(PostgresWire, ServerMessagesRoundTrip) {
  const auto status = encoded(ParameterStatus{"TimeZone", "UTC"});
  EXPECT_EQ(decode_parameter_status(body_of(status, 'S'))->value, "UTC");

  for (const std::size_t size : {4U, 32U, 256U}) {
    const std::vector<std::uint8_t> key(size, 7);
    const auto data = encoded(BackendKeyData{-5, key});
    const auto decoded = decode_backend_key_data(body_of(data, 'K'));
    ASSERT_TRUE(decoded);
    EXPECT_EQ(decoded->pid, -5);
    EXPECT_EQ(decoded->key.size(), size);
  }
  for (const std::size_t size : {0U, 3U, 257U}) {
    const std::vector<std::uint8_t> key(size, 7);
    const auto data = encoded(BackendKeyData{1, key});
    EXPECT_FALSE(decode_backend_key_data(body_of(data, 'K'))) << size;
  }

  for (const auto state :
       {TransactionStatus::idle, TransactionStatus::in_transaction, TransactionStatus::failed}) {
    const auto ready = encoded(ReadyForQuery{state});
    EXPECT_EQ(decode_ready_for_query(body_of(ready, 'Z'))->status, state);
  }
  EXPECT_FALSE(decode_ready_for_query(as_bytes("X")));
  EXPECT_FALSE(decode_ready_for_query(as_bytes("")));
  EXPECT_FALSE(decode_ready_for_query(as_bytes("II")));

  const auto offer = encoded(NegotiateProtocolVersion{protocol_3_2, {"_pq_.a", "_pq_.b"}});
  const auto decoded_offer = decode_negotiate_protocol_version(body_of(offer, 'v'));
  ASSERT_TRUE(decoded_offer);
  EXPECT_EQ(decoded_offer->newest, protocol_3_2);
  EXPECT_EQ(decoded_offer->unsupported, (std::vector<std::string_view>{"_pq_.a", "_pq_.b"}));

  const auto complete = encoded(CommandComplete{"INSERT 0 1"});
  EXPECT_EQ(decode_command_complete(body_of(complete, 'C'))->tag, "INSERT 0 1");

  const auto notification = encoded(NotificationResponse{9, "channel", "payload"});
  EXPECT_EQ(decode_notification_response(body_of(notification, 'A'))->payload, "payload");
}

TEST(PostgresWire, NegotiationWithAHugeCountAllocatesNothing) {
  const std::vector<std::uint8_t> body{0, 3, 0, 0, 0x7f, 0xff, 0xff, 0xff};
  const auto decoded = decode_negotiate_protocol_version(body);
  ASSERT_FALSE(decoded);
  EXPECT_EQ(decoded.error().code, ErrorCode::limit_exceeded);
  const std::vector<std::uint8_t> negative{0, 3, 0, 0, 0xff, 0xff, 0xff, 0xff};
  EXPECT_FALSE(decode_negotiate_protocol_version(negative));
}

TEST(PostgresWire, ClientMessagesRoundTrip) {
  const auto query = encoded(Query{"SELECT 1"});
  EXPECT_EQ(decode_query(body_of(query, 'Q'))->sql, "SELECT 1");

  const auto parse = encoded(Parse{"s1", "SELECT $1", {23, 4'294'967'295U}});
  const auto decoded = decode_parse(body_of(parse, 'P'));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->statement, "s1");
  EXPECT_EQ(decoded->sql, "SELECT $1");
  EXPECT_EQ(decoded->parameter_types, (std::vector<std::uint32_t>{23, 4'294'967'295U}));

  const auto many = encoded(Parse{"", "", std::vector<std::uint32_t>(65'535, 1)});
  EXPECT_EQ(decode_parse(body_of(many, 'P'))->parameter_types.size(), 65'535U);

  const auto describe_message = encoded(Describe{Named::portal, "p"});
  EXPECT_EQ(decode_describe(body_of(describe_message, 'D'))->what, Named::portal);
  const auto close = encoded(Close{Named::statement, "s"});
  EXPECT_EQ(decode_close(body_of(close, 'C'))->name, "s");
  EXPECT_FALSE(decode_close(as_bytes("Xs")));
  const auto execute = encoded(Execute{"p", 10});
  EXPECT_EQ(decode_execute(body_of(execute, 'E'))->rows_max, 10);
  EXPECT_EQ(body_of(encoded(Sync{}), 'S').size(), 0U);
  EXPECT_EQ(body_of(encoded(Flush{}), 'H').size(), 0U);
  EXPECT_EQ(body_of(encoded(Terminate{}), 'X').size(), 0U);

  WipedBytes bind;
  FrameWriter writer{bind, 'B'};
  writer.c_string("portal");
  writer.c_string("statement");
  writer.i16(0);
  writer.finish();
  const auto names = decode_bind_names(body_of(bind, 'B'));
  ASSERT_TRUE(names);
  EXPECT_EQ(names->portal, "portal");
  EXPECT_EQ(names->statement, "statement");
}

TEST(PostgresWire, ParseWhoseTypesAreMissingIsRefused) {
  const std::vector<std::uint8_t> body{0, 0, 0xff, 0xff, 0, 0, 0, 1};
  EXPECT_FALSE(decode_parse(body));
}

TEST(PostgresWire, AuthenticationMessagesRoundTrip) {
  const auto decode = [](const WipedBytes& frame) { return decode_authentication(body_of(frame, 'R')); };
  EXPECT_TRUE(std::holds_alternative<AuthenticationOk>(*decode(encoded(AuthenticationOk{}))));
  EXPECT_TRUE(std::holds_alternative<AuthenticationCleartext>(*decode(encoded(AuthenticationCleartext{}))));
  const auto md5 = encoded(AuthenticationMd5{{1, 2, 3, 4}});
  EXPECT_EQ(std::get<AuthenticationMd5>(*decode(md5)).salt[3], 4);
  const auto sasl = encoded(AuthenticationSasl{{"A", "B"}});
  EXPECT_EQ(std::get<AuthenticationSasl>(*decode(sasl)).mechanisms,
            (std::vector<std::string_view>{"A", "B"}));
  const auto next = encoded(AuthenticationSaslContinue{"r=x"});
  EXPECT_EQ(std::get<AuthenticationSaslContinue>(*decode(next)).data, "r=x");
  const auto final = encoded(AuthenticationSaslFinal{"v=x"});
  EXPECT_EQ(std::get<AuthenticationSaslFinal>(*decode(final)).data, "v=x");
  const std::vector<std::uint8_t> gss{0, 0, 0, 7};
  EXPECT_EQ(std::get<AuthenticationOther>(*decode_authentication(gss)).code, 7);
  EXPECT_EQ(name_of_authentication(7), "GSSAPI");
}

TEST(PostgresWire, AuthenticationThatIsCutOrTooLongIsRefused) {
  EXPECT_FALSE(decode_authentication(as_bytes("")));
  const std::vector<std::uint8_t> ok_and_more{0, 0, 0, 0, 1};
  EXPECT_FALSE(decode_authentication(ok_and_more));
  const std::vector<std::uint8_t> short_salt{0, 0, 0, 5, 1, 2, 3};
  EXPECT_FALSE(decode_authentication(short_salt));
  const std::vector<std::uint8_t> unended{0, 0, 0, 10, 'A', 0};
  EXPECT_FALSE(decode_authentication(unended));
  const auto many = encoded(AuthenticationSasl{std::vector<std::string_view>(33, "A")});
  EXPECT_FALSE(decode_authentication(body_of(many, 'R')));
}

TEST(PostgresWire, PasswordMessagesRoundTrip) {
  const auto password = encoded(PasswordMessage{"secret"});
  EXPECT_EQ(decode_password_message(body_of(password, 'p'))->password, "secret");
  const auto initial = encoded(SaslInitialResponse{"SCRAM-SHA-256", "n,,n=,r=x"});
  const auto decoded = decode_sasl_initial_response(body_of(initial, 'p'));
  EXPECT_EQ(decoded->mechanism, "SCRAM-SHA-256");
  EXPECT_EQ(decoded->data, "n,,n=,r=x");
  const auto none = encoded(SaslInitialResponse{"X", std::nullopt});
  EXPECT_FALSE(decode_sasl_initial_response(body_of(none, 'p'))->data);
  const std::vector<std::uint8_t> bad_size{'X', 0, 0xff, 0xff, 0xff, 0xfe};
  EXPECT_FALSE(decode_sasl_initial_response(bad_size));
  const auto response = encoded(SaslResponse{"c=biws"});
  EXPECT_EQ(decode_sasl_response(body_of(response, 'p'))->data, "c=biws");
}

TEST(PostgresWire, Md5AnswerIsWhatPostgresqlExpects) {
  // Worked out with another MD5: md5 hex of ("secret" "app"), then of that and the salt.
  const auto answer = md5_answer("app", "secret", {1, 2, 3, 4});
  EXPECT_EQ(as_text(Bytes{answer}), "md5911f527656472583a006e7727877b33e");
}

TEST(PostgresWire, ZeroBytesInTextCannotSmuggleFields) {
  using namespace std::string_view_literals;
  const auto status = encoded(ParameterStatus{"a\0b"sv, "c\0d"sv});
  const auto decoded = decode_parameter_status(body_of(status, 'S'));
  ASSERT_TRUE(decoded);
  EXPECT_EQ(decoded->name, "a");
  EXPECT_EQ(decoded->value, "c");
}

}  // namespace
}  // namespace sallyport::messages_test
