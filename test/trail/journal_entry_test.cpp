#include "trail_fixture.h"

#include "trail/journal_entry.h"

#include <map>
#include <vector>

namespace sallyport::trail::journal_entry_test {
namespace {

/// The fields of an entry, read as systemd's description says.
std::map<std::string, std::string> fields_of(std::string_view entry) {
  std::map<std::string, std::string> fields;
  while (!entry.empty()) {
    const auto line = entry.find('\n');
    std::string name{entry.substr(0, line)};
    entry.remove_prefix(line + 1);
    std::uint64_t size = 0;
    for (unsigned i = 0; i < 8; ++i) size |= std::uint64_t{static_cast<unsigned char>(entry[i])} << (8 * i);
    entry.remove_prefix(8);
    fields[name] = entry.substr(0, size);
    EXPECT_EQ(entry[size], '\n');
    entry.remove_prefix(size + 1);
  }
  return fields;
}

TEST(TrailJournalEntry, HoldsTheRecordAndALineForPeople) {
  const auto event = session_start();
  std::string record;
  encode_record(record, event, 7);
  const auto fields = fields_of(encode_journal_entry(event, record));
  EXPECT_EQ(fields.at("SALLYPORT_RECORD"), record);
  EXPECT_EQ(fields.at("MESSAGE"), "session_start · exec · app · v-token-app-rol-Xy3 · ok");
  EXPECT_EQ(fields.at("PRIORITY"), "6");
  EXPECT_EQ(fields.at("SYSLOG_IDENTIFIER"), "sallyport");
  EXPECT_EQ(fields.at("SALLYPORT_KIND"), "session_start");
  EXPECT_EQ(fields.at("SALLYPORT_SESSION"), event.session);
}

TEST(TrailJournalEntry, WordsOfOthersMakeNoFieldsOfTheirOwn) {
  auto event = denial("x\nPRIORITY=0\n_UID=0\n\x1b[31m");
  std::string record;
  encode_record(record, event, 1);
  const auto fields = fields_of(encode_journal_entry(event, record));
  EXPECT_EQ(fields.at("PRIORITY"), "4");
  EXPECT_EQ(fields.size(), 5u);
  EXPECT_EQ(fields.at("MESSAGE").find_first_of("\n\x1b"), std::string::npos);
}

using TrailCopy = TrailDirectory;

TEST_F(TrailCopy, GetsWhatWasAcceptedAndNothingElse) {
  std::vector<std::string> copies;
  Settings settings;
  settings.directory = base_ + "/audit";
  settings.copy = [&](std::string_view entry) { copies.emplace_back(entry); };
  auto writer = open_writer(settings);
  ASSERT_TRUE(writer);
  (*writer)->add(session_start(1));
  EXPECT_TRUE(copies.empty()) << "not accepted yet";
  ASSERT_TRUE((*writer)->commit());
  ASSERT_EQ(copies.size(), 1u);
  const auto record = decode_record(fields_of(copies[0]).at("SALLYPORT_RECORD"));
  ASSERT_TRUE(record);
  EXPECT_EQ(record->sequence, 1u);

  const std::string words(512, 'x');
  auto huge = session_start(2);
  for (int i = 0; i < 20'000; ++i) {
    huge.reason = words;
    (*writer)->add(huge);
  }
  ASSERT_FALSE((*writer)->commit()) << "more than one commit holds";
  EXPECT_EQ(copies.size(), 1u);
  (*writer)->add(session_start(3));
  ASSERT_TRUE((*writer)->commit());
  EXPECT_EQ(copies.size(), 2u) << "the refused ones do not come with the next";
}

}  // namespace
}  // namespace sallyport::trail::journal_entry_test
