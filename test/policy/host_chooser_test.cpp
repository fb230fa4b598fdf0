// The order in which hosts are tried.
#include "policy/host_chooser.h"

#include <gtest/gtest.h>

#include <set>

namespace sallyport::policy::host_chooser_test {
namespace {

using Found = HostChooser::Found;
using Order = std::vector<std::size_t>;
using namespace std::chrono_literals;

const std::vector<std::string> three{"a", "b", "c"};
constexpr MonotonicTime start{1000s};

TEST(HostChooser, KeepsTheConfiguredOrderWhileNothingIsKnown) {
  const HostChooser chooser;
  EXPECT_EQ(chooser.order(three, start, false, 1), (Order{0, 1, 2}));
}

TEST(HostChooser, AHostThatFailedIsTriedLastForAWhile) {
  HostChooser chooser;
  chooser.note("a", Found::failed, start, 7);
  EXPECT_EQ(chooser.order(three, start, false, 1), (Order{1, 2, 0}));
  EXPECT_EQ(chooser.order(three, start + 400ms, false, 1), (Order{1, 2, 0}));
  EXPECT_EQ(chooser.order(three, start + 1s, false, 1), (Order{0, 1, 2}));
}

TEST(HostChooser, OneOfTheWrongKindIsTriedBehindTheOthersButBeforeADeadOne) {
  HostChooser chooser;
  chooser.note("a", Found::failed, start, 7);
  chooser.note("b", Found::unsuited, start, 7);
  EXPECT_EQ(chooser.order(three, start, false, 1), (Order{2, 1, 0}));
  // That it was a standby is not forgotten by time, only by a login that ends there.
  EXPECT_EQ(chooser.order(three, start + 24h, false, 1), (Order{0, 2, 1}));
  chooser.note("b", Found::served, start, 7);
  EXPECT_EQ(chooser.order(three, start + 24h, false, 1), (Order{0, 1, 2}));
}

TEST(HostChooser, WhenAllHaveFailedTheOneThatFailedLongestAgoComesFirst) {
  HostChooser chooser;
  chooser.note("c", Found::failed, start, 7);
  chooser.note("a", Found::failed, start + 100ms, 7);
  chooser.note("b", Found::failed, start + 200ms, 7);
  EXPECT_EQ(chooser.order(three, start + 300ms, false, 1), (Order{2, 0, 1}));
}

/// How long "a" is behind "b" after its nth failure in a row.
Duration back_off(HostChooser& chooser, MonotonicTime at, std::uint64_t random) {
  chooser.note("a", Found::failed, at, random);
  Duration waited{};
  while (chooser.order({"a", "b"}, at + waited, false, 1).front() == 1) waited += 10ms;
  return waited;
}

TEST(HostChooser, BackOffDoublesHasJitterAndALimit) {
  HostChooser chooser;
  auto at = start;
  auto nominal = Duration{HostChooser::back_off_first};
  std::set<Duration> seen;
  for (int i = 0; i < 12; ++i) {
    const auto waited = back_off(chooser, at, static_cast<std::uint64_t>(i));
    EXPECT_GE(waited, nominal / 2) << i;
    EXPECT_LE(waited, nominal + 10ms) << i;
    if (nominal == Duration{HostChooser::back_off_max}) seen.insert(waited);
    nominal = std::min<Duration>(nominal * 2, HostChooser::back_off_max);
    at += waited;
  }
  EXPECT_GT(seen.size(), 2u) << "jitter";
  chooser.note("a", Found::served, at, 0);
  EXPECT_LE(back_off(chooser, at, 0), HostChooser::back_off_first + 10ms) << "a success ends it";
}

TEST(HostChooser, RandomOrderReachesEveryOrderAndKeepsFailedOnesLast) {
  HostChooser chooser;
  std::set<Order> seen;
  for (std::uint64_t random = 0; random < 200; ++random)
    seen.insert(chooser.order(three, start, true, random));
  EXPECT_EQ(seen.size(), 6u);
  chooser.note("b", Found::failed, start, 7);
  for (std::uint64_t random = 0; random < 50; ++random)
    EXPECT_EQ(chooser.order(three, start, true, random).back(), 1u);
}

TEST(HostChooser, RemembersALimitedNumberOfPlaces) {
  HostChooser chooser;
  chooser.note("a", Found::failed, start, 7);
  for (std::size_t i = 0; i < HostChooser::places_max; ++i)
    chooser.note(std::to_string(i), Found::served, start + 1ms, 7);
  EXPECT_EQ(chooser.order(three, start, false, 1), (Order{0, 1, 2})) << "the oldest is forgotten";
}

}  // namespace
}  // namespace sallyport::policy::host_chooser_test
