#include "credentials/journal_entry.h"

#include <gtest/gtest.h>

namespace sallyport::credentials::journal_entry_test {
namespace {

using namespace std::chrono_literals;

JournalLease entry(std::string id = "database/creds/app/abc", std::string role = "database/creds/app") {
  JournalLease entry;
  entry.lease.id = std::move(id);
  entry.lease.mount_and_role = std::move(role);
  entry.lease.address = "https://vault.example:8200";
  entry.lease.name_space = "team/one";
  entry.lease.accessor = "acc";
  entry.run_id = "run-1";
  entry.granted_until = WallTime{} + 1'700'000'000s;
  return entry;
}

JournalContents decode(std::string_view text) { return decode_journal(as_bytes(text)); }

std::string with(std::string line, std::string_view from, std::string_view to) {
  const auto at = line.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return line.replace(at, from.size(), to);
}

TEST(LeaseJournalText, ReadsBackWhatItWrote) {
  const auto contents = decode(encode_lease_line(entry()));
  ASSERT_EQ(contents.leases.size(), 1u);
  EXPECT_TRUE(contents.complaints.empty());
  const auto& read = contents.leases[0];
  EXPECT_EQ(read.lease.id, "database/creds/app/abc");
  EXPECT_EQ(read.lease.mount_and_role, "database/creds/app");
  EXPECT_EQ(read.lease.address, "https://vault.example:8200");
  EXPECT_EQ(read.lease.name_space, "team/one");
  EXPECT_EQ(read.lease.accessor, "acc");
  EXPECT_EQ(read.run_id, "run-1");
  EXPECT_EQ(read.granted_until, entry().granted_until);
}

TEST(LeaseJournalText, KeepsAddressesOfEveryKind) {
  for (const char* address : {"https://[2001:db8::1]:8200", "http://127.0.0.1:8200", "https://v/{x}\"\\"}) {
    JournalLease written = entry();
    written.lease.address = address;
    const auto contents = decode(encode_lease_line(written));
    ASSERT_EQ(contents.leases.size(), 1u) << address;
    EXPECT_EQ(contents.leases[0].lease.address, address);
  }
}

TEST(LeaseJournalText, AForgottenLeaseIsLeftOut) {
  const auto contents =
      decode(encode_lease_line(entry()) + encode_lease_line(entry("database/creds/app/def")) +
             encode_forgotten_line("database/creds/app/abc"));
  ASSERT_EQ(contents.leases.size(), 1u);
  EXPECT_EQ(contents.leases[0].lease.id, "database/creds/app/def");
}

TEST(LeaseJournalText, EveryCutIsAPrefixOfTheTruth) {
  const std::string first = encode_lease_line(entry());
  const std::string whole = first + encode_forgotten_line("database/creds/app/abc");
  for (std::size_t cut = 0; cut <= whole.size(); ++cut) {
    const auto contents = decode(std::string_view{whole}.substr(0, cut));
    EXPECT_TRUE(contents.complaints.empty()) << cut;
    EXPECT_EQ(contents.leases.size(), cut >= first.size() && cut < whole.size() ? 1u : 0u) << cut;
  }
}

TEST(LeaseJournalText, AnIdOutsideItsRoleIsNeitherWrittenNorRead) {
  const std::pair<const char*, const char*> bad[] = {
      {"database/creds/application/x", "database/creds/app"},  // another role with the same beginning
      {"database/creds/app", "database/creds/app"},
      {"database/creds/app/", "database/creds/app"},
      {"auth/token/create/x", "database/creds/app"},
      {"database/creds/app/../admin/x", "database/creds/app"},
      {"database/creds/app/./x", "database/creds/app"},
      {"database/creds/app//x", "database/creds/app"},
      {"/database/creds/app/x", "/database/creds/app"},
      {"x", ""},
      {"", ""},
      {"database/creds/app/x\n", "database/creds/app"},
      {"database/creds/app/x\x7f", "database/creds/app"},
  };
  for (const auto& [id, role] : bad) {
    EXPECT_EQ(encode_lease_line(entry(id, role)), "") << id;
    std::string line = with(encode_lease_line(entry()), "\"lease\":\"database/creds/app/abc\"",
                            std::string("\"lease\":\"") + id + "\"");
    line = with(line, "\"mount_and_role\":\"database/creds/app\"",
                std::string("\"mount_and_role\":\"") + role + "\"");
    const auto contents = decode(line);
    EXPECT_TRUE(contents.leases.empty()) << id;
    EXPECT_FALSE(contents.complaints.empty()) << id;
  }
}

TEST(LeaseJournalText, WrongTypesMissingAndExtraMembersAreRefused) {
  const std::string good = encode_lease_line(entry());
  const std::pair<const char*, const char*> changes[] = {
      {"\"v\":1", "\"v\":2"},
      {"\"v\":1", "\"v\":\"1\""},
      {"\"accessor\":\"acc\"", "\"accessor\":7"},
      {"\"accessor\":\"acc\",", ""},
      {"\"v\":1", "\"v\":1,\"x\":1"},
      {"1700000000", "-1"},
      {"1700000000", "99999999999999"},
      {"1700000000", "1.5"},
      {"1700000000", "18446744073709551615"},
      {"https://vault.example:8200", ""},
      {"run-1", ""},
      {"\"acc\"", "\"\\u0000\""},
      {"\"acc\"", "[]"},
      {"\"acc\"", "{}"},
      {"{", "[{"},
  };
  for (const auto& [from, to] : changes) {
    const auto contents = decode(with(good, from, to));
    EXPECT_TRUE(contents.leases.empty()) << from << " -> " << to;
    EXPECT_EQ(contents.complaints.size(), 1u) << from << " -> " << to;
  }
}

TEST(LeaseJournalText, GarbageBetweenLinesIsToleratedAndNotQuoted) {
  const std::string text = "hunter2 is the password\n" + encode_lease_line(entry()) + "\n\x01\xff\xfe\n" +
                           std::string(20'000, '[') + "\n" +
                           encode_lease_line(entry("database/creds/app/def"));
  const auto contents = decode(text);
  EXPECT_EQ(contents.leases.size(), 2u);
  EXPECT_GE(contents.complaints.size(), 3u);
  for (const auto& complaint : contents.complaints) EXPECT_EQ(complaint.find("hunter2"), std::string::npos);
}

TEST(LeaseJournalText, AnotherRunsLinesInTheSameFileAreRefused) {
  JournalLease other = entry("database/creds/app/def");
  other.run_id = "run-2";
  const auto contents = decode(encode_lease_line(entry()) + encode_lease_line(other));
  EXPECT_EQ(contents.leases.size(), 1u);
  EXPECT_EQ(contents.complaints.size(), 1u);
}

TEST(LeaseJournalText, ComplaintsAreBounded) {
  std::string text;
  for (int i = 0; i < 100'000; ++i) text += "x\n";
  EXPECT_LE(decode(text).complaints.size(), 10u);
}

TEST(LeaseJournalText, LeasesAndBytesAreBounded) {
  std::string text;
  for (std::size_t i = 0; i < journal_leases_max + 10; ++i) {
    text += encode_lease_line(entry("database/creds/app/" + std::to_string(i)));
  }
  EXPECT_LE(decode(text).leases.size(), journal_leases_max);
  EXPECT_FALSE(decode(std::string(journal_bytes_max + 1, 'x')).complaints.empty());
}

}  // namespace
}  // namespace sallyport::credentials::journal_entry_test
