#include "wire/postgres/first_packet.h"

#include "base/limits.h"

#include <gtest/gtest.h>

namespace sallyport::first_packet_test {
namespace {

using namespace postgres;

template <class T>
WipedBytes encoded(const T& message) {
  WipedBytes out;
  encode(out, message);
  return out;
}

WipedBytes packet_of(std::uint32_t code, std::string_view body, std::optional<std::uint32_t> length = {}) {
  std::vector<std::uint8_t> out;
  ByteWriter writer{out};
  writer.u32(length.value_or(static_cast<std::uint32_t>(body.size() + 8)));
  writer.u32(code);
  writer.text(body);
  return {out.begin(), out.end()};
}

/// Decodes `packet` after making sure that every shorter piece asks for more.
Result<std::optional<FirstPacket>> decode_split(Bytes packet) {
  for (std::size_t size = 0; size < packet.size(); ++size) {
    const auto part = decode_first_packet(packet.first(size));
    EXPECT_TRUE(part && !*part) << size;
  }
  return decode_first_packet(packet);
}

TEST(FirstPacket, KnowsDirectTlsByItsFirstByte) {
  const std::vector<std::uint8_t> hello{0x16, 3, 1};
  const auto packet = decode_first_packet(Bytes{hello}.first(1));
  ASSERT_TRUE(packet && *packet);
  EXPECT_TRUE(std::holds_alternative<DirectTls>((*packet)->message));
  EXPECT_EQ((*packet)->bytes, 0U);
}

TEST(FirstPacket, SslAndGssRequestsRoundTrip) {
  const auto ssl = decode_split(encoded(SslRequest{}));
  ASSERT_TRUE(ssl && *ssl);
  EXPECT_TRUE(std::holds_alternative<SslRequest>((*ssl)->message));
  EXPECT_EQ((*ssl)->bytes, 8U);
  const auto gss = decode_split(encoded(GssencRequest{}));
  ASSERT_TRUE(gss && *gss);
  EXPECT_TRUE(std::holds_alternative<GssencRequest>((*gss)->message));
}

TEST(FirstPacket, CancelKeysOfFourTo256BytesRoundTrip) {
  for (const std::size_t size : {4U, 5U, 32U, 256U}) {
    const auto bytes = encoded(CancelRequest{77, std::vector<std::uint8_t>(size, 3)});
    const auto packet = decode_split(bytes);
    ASSERT_TRUE(packet && *packet) << size;
    const auto& request = std::get<CancelRequest>((*packet)->message);
    EXPECT_EQ(request.pid, 77);
    EXPECT_EQ(request.key.size(), size);
  }
  EXPECT_FALSE(decode_first_packet(encoded(CancelRequest{1, std::vector<std::uint8_t>(3)})));
  const auto long_key = decode_first_packet(encoded(CancelRequest{1, std::vector<std::uint8_t>(257)}));
  ASSERT_FALSE(long_key);
  EXPECT_EQ(long_key.error().code, ErrorCode::limit_exceeded);
}

TEST(FirstPacket, StartupRoundTripsForEachMinorVersion) {
  for (const auto protocol : {protocol_3_0, protocol_3_2, protocol_grease}) {
    StartupMessage startup;
    startup.protocol = protocol;
    startup.parameters = {{"user", "app"}, {"database", "db"}, {"options", "-c a=b"}, {"empty", ""}};
    const auto packet = decode_split(encoded(startup));
    ASSERT_TRUE(packet && *packet);
    const auto& decoded = std::get<StartupMessage>((*packet)->message);
    EXPECT_EQ(decoded.protocol, protocol);
    EXPECT_EQ(decoded.parameters, startup.parameters);
  }
}

TEST(FirstPacket, DatabaseDefaultsToTheUserAndTheLastValueCounts) {
  StartupMessage startup;
  startup.parameters = {{"user", "first"}, {"user", "app"}};
  EXPECT_EQ(startup.user(), "app");
  EXPECT_EQ(startup.database(), "app");
  EXPECT_EQ(startup.find("options"), nullptr);
  startup.parameters.emplace_back("database", "");
  EXPECT_EQ(startup.database(), "app");
  EXPECT_EQ(StartupMessage{}.user(), "");
}

TEST(FirstPacket, TwoPacketsInOneReadAreTakenOneByOne) {
  auto bytes = encoded(SslRequest{});
  StartupMessage startup;
  startup.parameters = {{"user", "app"}};
  encode(bytes, startup);
  const auto first = decode_first_packet(bytes);
  ASSERT_TRUE(first && *first);
  EXPECT_EQ((*first)->bytes, 8U);
  const auto second = decode_first_packet(Bytes{bytes}.subspan(8));
  ASSERT_TRUE(second && *second);
  EXPECT_TRUE(std::holds_alternative<StartupMessage>((*second)->message));
}

TEST(FirstPacket, RefusesOtherProtocolsAtTheEighthByte) {
  using namespace std::string_view_literals;
  for (const auto text :
       {"GET / HTTP/1.1\r\n"sv, "SSH-2.0-OpenSSH"sv, "\x03\x00\x00\x13\x0e\xe0\x00\x00\x00"sv}) {
    EXPECT_FALSE(decode_first_packet(as_bytes(text).first(8))) << text;
  }
  const auto old = decode_first_packet(packet_of(0x0002'0000, ""));
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, ErrorCode::peer_unsupported);
}

TEST(FirstPacket, RefusesLengthsOutOfRangeBeforeTheBodyArrives) {
  for (const std::uint32_t length : {0U, 4U, 7U, 10'001U, 0x7fffffffU, 0xffffffffU}) {
    EXPECT_FALSE(decode_first_packet(packet_of(protocol_3_0, "", length))) << length;
    EXPECT_TRUE(has_impossible_length(Bytes{packet_of(protocol_3_0, "", length)}.first(4))) << length;
  }
  EXPECT_FALSE(decode_first_packet(packet_of(ssl_request_code, "x")));
  EXPECT_TRUE(decode_first_packet(packet_of(protocol_3_0, "", 10'000)));
}

TEST(FirstPacket, RefusesParameterListsThatAreCutOrGoOn) {
  using namespace std::string_view_literals;
  for (const auto body :
       {""sv, "user\0app\0"sv, "user\0app"sv, "user\0"sv, "user"sv, "\0x"sv, "user\0app\0\0\0"sv}) {
    EXPECT_FALSE(decode_first_packet(packet_of(protocol_3_0, body)));
  }
  EXPECT_TRUE(decode_first_packet(packet_of(protocol_3_0, "\0"sv)));
}

TEST(FirstPacket, RefusesMoreParametersThanTheLimit) {
  StartupMessage startup;
  for (std::size_t i = 0; i < startup_parameters_max; ++i) startup.parameters.emplace_back("a", "");
  EXPECT_TRUE(decode_first_packet(encoded(startup)));
  startup.parameters.emplace_back("a", "");
  EXPECT_FALSE(decode_first_packet(encoded(startup)));
}

}  // namespace
}  // namespace sallyport::first_packet_test
