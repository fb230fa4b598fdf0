// Two versions of Sallyport understand one another, or say that they do not; what is hostile is refused.
#include "cli/handover_messages.h"

#include <gtest/gtest.h>

namespace sallyport::cli::handover::handover_messages_test {
namespace {

template <class Kind>
Kind sent(const Kind& message) {
  const auto packet = encode_message(message);
  EXPECT_FALSE(packet.empty());
  auto read = decode_message(as_bytes(packet));
  EXPECT_TRUE(read) << describe(read.error());
  EXPECT_TRUE(std::holds_alternative<Kind>(*read));
  return std::get<Kind>(*read);
}

Cancel whole_cancel() {
  policy::ClientCertificate certificate;
  certificate.subject = "CN=app";
  certificate.dns_names = {"a.example.com", "b.example.com"};
  certificate.spiffe_id = "spiffe://example.org/app";
  Cancel message;
  message.number = 0x1122334455667788;
  message.claim.pid = -7;
  message.claim.key = {1, 2, 3, 4, 0, 255};
  auto& asker = message.claim.asker;
  asker = {"unix:/run/x:5432", 1000, "10.0.0.1", nullptr};
  asker.certificate = std::make_shared<const policy::ClientCertificate>(certificate);
  asker.secured = asker.counted = true;
  return message;
}

TEST(HandoverMessages, AreReadAsTheyWereWritten) {
  EXPECT_EQ(sent(Hello{"0.2.0", "/etc/s.yaml"}).config_file, "/etc/s.yaml");
  EXPECT_EQ(sent(Welcome{"0.1.0"}).version, "0.1.0");
  EXPECT_EQ(sent(Refusal{"no", "do this"}).fix, "do this");
  EXPECT_EQ(sent(Socket{"/run/s/.s.PGSQL.5432"}).path, "/run/s/.s.PGSQL.5432");
  EXPECT_EQ(sent(Socket{}).path, "");
  const auto end = sent(AllGiven{3, {"db/app", "db/ro"}});
  EXPECT_EQ(end.count, 3U);
  EXPECT_EQ(end.credentials, (std::vector<std::string>{"db/app", "db/ro"}));
  EXPECT_EQ(sent(Released{{"db"}}).paused, std::vector<std::string>{"db"});
  EXPECT_TRUE(sent(CancelDone{9, true}).found);
  (void)sent(Give{});
  (void)sent(Serving{});
  (void)sent(Reloaded{});
}

TEST(HandoverMessages, ACancelCarriesAllThatIsKnownOfWhoAsks) {
  const auto read = sent(whole_cancel());
  EXPECT_EQ(read.number, 0x1122334455667788U);
  EXPECT_EQ(read.claim.pid, -7);
  EXPECT_EQ(read.claim.key, (std::vector<std::uint8_t>{1, 2, 3, 4, 0, 255}));
  const auto& asker = read.claim.asker;
  EXPECT_EQ(asker.route, "unix:/run/x:5432");
  EXPECT_EQ(asker.uid, 1000U);
  EXPECT_EQ(asker.address, "10.0.0.1");
  EXPECT_TRUE(asker.secured && !asker.clear && !asker.local && asker.counted);
  ASSERT_NE(asker.certificate, nullptr);
  EXPECT_EQ(asker.certificate->dns_names.size(), 2U);
  EXPECT_EQ(asker.certificate->spiffe_id, "spiffe://example.org/app");
}

TEST(HandoverMessages, WhatIsNotKnownOfWhoAsksIsNotMadeUp) {
  auto message = whole_cancel();
  message.claim.asker.uid.reset();
  message.claim.asker.certificate.reset();
  const auto read = sent(message);
  EXPECT_FALSE(read.claim.asker.uid);
  EXPECT_EQ(read.claim.asker.certificate, nullptr);
}

TEST(HandoverMessages, AFieldOfALaterVersionIsPassedOver) {
  auto packet = encode_message(Welcome{"9.0"});
  packet += std::string{"\xF0\x00\x03new", 6};
  const auto read = decode_message(as_bytes(packet));
  ASSERT_TRUE(read);
  EXPECT_EQ(std::get<Welcome>(*read).version, "9.0");
}

TEST(HandoverMessages, APacketCutInsideAFieldIsRefused) {
  const auto packet = encode_message(Hello{"0.1.0", "/etc/s.yaml"});
  for (std::size_t size = 0; size < packet.size(); ++size)
    EXPECT_FALSE(decode_message(as_bytes(std::string_view{packet}.substr(0, size)))) << size;
}

TEST(HandoverMessages, WhatIsNotOursIsRefused) {
  const auto refused = [](std::string_view bytes) { return !decode_message(as_bytes(bytes)); };
  EXPECT_TRUE(refused(""));
  EXPECT_TRUE(refused("GET / HTTP/1.1\r\n"));
  EXPECT_TRUE(refused(std::string{"SPHO\x02\x04", 6})) << "a form that we do not know";
  EXPECT_TRUE(refused(std::string{"SPHO\x01\x00", 6})) << "no kind";
  EXPECT_TRUE(refused(std::string{"SPHO\x01\x7F", 6})) << "a kind that we do not know";
  EXPECT_TRUE(refused(std::string{"SPHO\x01\x02", 6})) << "without its field";
  EXPECT_FALSE(refused(std::string{"SPHO\x01\x04", 6}));
}

TEST(HandoverMessages, AFieldTwiceIsRefused) {
  auto packet = encode_message(Welcome{"1"});
  packet += packet.substr(6);
  EXPECT_FALSE(decode_message(as_bytes(packet)));
}

TEST(HandoverMessages, TextThatATerminalWouldObeyIsRefused) {
  EXPECT_FALSE(decode_message(as_bytes(encode_message(Refusal{"\x1b[2J", ""}))));
  EXPECT_FALSE(decode_message(as_bytes(encode_message(Hello{"1", "/etc/\n"}))));
  EXPECT_FALSE(decode_message(as_bytes(encode_message(Released{{"a\tb"}}))));
}

TEST(HandoverMessages, KeysThatNobodyHasAreRefused) {
  auto message = whole_cancel();
  message.claim.key.resize(3);
  EXPECT_FALSE(decode_message(as_bytes(encode_message(message))));
  message.claim.key.assign(257, 0);
  EXPECT_FALSE(decode_message(as_bytes(encode_message(message))));
}

TEST(HandoverMessages, WhatIsTooLongIsNotSent) {
  EXPECT_EQ(encode_message(Welcome{std::string(text_bytes_max + 1, 'x')}), "");
  EXPECT_EQ(encode_message(Released{std::vector<std::string>(names_max + 1, "x")}), "");
  EXPECT_EQ(encode_message(Released{std::vector<std::string>(names_max, std::string(63, 'x'))}), "");
  EXPECT_NE(encode_message(Released{std::vector<std::string>(400, std::string(63, 'x'))}), "");
}

}  // namespace
}  // namespace sallyport::cli::handover::handover_messages_test
