// What is kept for the trail is bounded, and denials go first.
#include "broker/kept_notes.h"

#include "base/limits.h"

#include <gtest/gtest.h>

#include <string>

namespace sallyport::broker::kept_notes_test {
namespace {

trail::Event record(trail::EventKind kind, std::string name, std::size_t bytes = 0) {
  trail::Event event;
  event.kind = kind;
  event.session = std::move(name);
  event.claimed["user"] = std::string(bytes, 'u');
  return event;
}
trail::Event end(std::string name, std::size_t bytes = 0) {
  return record(trail::EventKind::session_end, std::move(name), bytes);
}
trail::Event denial(std::string name, std::size_t bytes = 0) {
  return record(trail::EventKind::session_denied, std::move(name), bytes);
}

std::string names(const KeptNotes& notes, std::size_t bytes_max = limits::trail_kept_bytes_max) {
  std::string all;
  for (const auto* event : notes.first(bytes_max)) all += event->session;
  return all;
}

TEST(KeptNotes, ComeOutInTheirOrder) {
  KeptNotes notes;
  notes.add(end("a"));
  notes.add(denial("b"));
  notes.add(denial("c"));
  notes.add(end("d"));
  EXPECT_EQ(names(notes), "abcd");
  notes.remove_first(2);
  EXPECT_EQ(names(notes), "cd");
  notes.remove_first(2);
  EXPECT_TRUE(notes.empty());
  EXPECT_EQ(notes.bytes(), 0u);
}

TEST(KeptNotes, AChunkIsBoundedButNeverEmpty) {
  KeptNotes notes;
  for (const char* name : {"a", "b", "c"}) notes.add(end(name, 10'000));
  EXPECT_EQ(names(notes, 25'000), "ab");
  EXPECT_EQ(names(notes, 1), "a");
}

TEST(KeptNotes, BeyondTheirNumberTheLatestDenialGoesForAnEnd) {
  KeptNotes notes;
  for (const char* name : {"1", "2", "3"}) notes.add(denial(name));
  while (notes.size() < limits::trail_kept_max) notes.add(end("x"));
  notes.add(denial("4"));
  EXPECT_EQ(notes.lost().denials, 1u) << "a denial takes no other's place";
  notes.add(end("x"));
  EXPECT_EQ(notes.size(), limits::trail_kept_max);
  EXPECT_EQ(notes.lost().denials, 2u);
  EXPECT_EQ(notes.lost().others, 0u);
  EXPECT_EQ(names(notes).substr(0, 3), "12x");
}

TEST(KeptNotes, BeyondTheirBytesAsManyDenialsGoAsAreInTheWay) {
  KeptNotes notes;
  constexpr std::size_t part = limits::trail_kept_bytes_max / 16;
  for (int i = 0; i < 15; ++i) notes.add(denial("d", part));
  notes.add(end("e", 3 * part));
  EXPECT_LE(notes.bytes(), limits::trail_kept_bytes_max);
  EXPECT_EQ(notes.lost().denials, 3u);
  EXPECT_EQ(names(notes), std::string(12, 'd') + "e");
}

TEST(KeptNotes, WhatFindsNoRoomWithoutDenialsEitherLeavesThem) {
  KeptNotes notes;
  notes.add(denial("d"));
  notes.add(end("e", limits::trail_kept_bytes_max));
  EXPECT_EQ(names(notes), "d");
  EXPECT_EQ(notes.lost().others, 1u);
}

TEST(KeptNotes, ARecordWithACountLosesAllItStoodFor) {
  KeptNotes notes;
  auto counted = denial("d", limits::trail_kept_bytes_max);
  counted.count = 5000;
  notes.add(std::move(counted));
  EXPECT_EQ(notes.lost().denials, 5000u);
  notes.forget_lost();
  EXPECT_EQ(notes.lost().denials, 0u);
}

}  // namespace
}  // namespace sallyport::broker::kept_notes_test
