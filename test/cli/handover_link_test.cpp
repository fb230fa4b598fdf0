// What is asked of a predecessor is answered, or given up: it may hang.
#include "cli/handover_link.h"

#include <gtest/gtest.h>
#include <sys/socket.h>

#include <optional>

namespace sallyport::cli::handover_link_test {
namespace {

using namespace std::chrono_literals;

/// The successor's end; the test is the predecessor.
struct Asking {
  explicit Asking(Duration within = PredecessorLink::answer_max) {
    int ends[2];
    EXPECT_EQ(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends), 0);
    predecessor.emplace(net::UniqueFd{ends[0]});
    link.emplace(
        net::PacketChannel{net::UniqueFd{ends[1]}}, loop, [this] { gone = true; }, within);
  }

  bool ask() {
    return link->ask({100, {1, 2, 3, 4}, {}}, [this](bool found) { (found ? yes : no) += 1; });
  }
  /// The numbers of all that was asked.
  std::vector<std::uint64_t> asked() {
    std::vector<std::uint64_t> numbers;
    for (;;) {
      const auto packet = predecessor->try_receive();
      if (!packet || !*packet) return numbers;
      const auto message = handover::decode_message(as_bytes((*packet)->bytes));
      if (message) numbers.push_back(std::get<handover::Cancel>(*message).number);
    }
  }
  void answer(std::uint64_t number, bool found) {
    EXPECT_TRUE(predecessor->try_send(handover::encode_message(handover::CancelDone{number, found})));
  }
  void run(Duration time) {
    loop.after(time, [this] { loop.stop(); });
    loop.run();
  }

  SystemClock clock;
  net::EpollLoop loop{clock};
  std::optional<net::PacketChannel> predecessor;
  std::optional<PredecessorLink> link;
  unsigned yes = 0, no = 0;
  bool gone = false;
};

TEST(PredecessorLink, EachIsAnsweredOnce) {
  Asking it;
  EXPECT_TRUE(it.ask() && it.ask());
  const auto numbers = it.asked();
  ASSERT_EQ(numbers.size(), 2U);
  for (const auto number : {numbers[1], numbers[0], numbers[0]}) it.answer(number, number == numbers[1]);
  it.run(20ms);
  EXPECT_EQ(it.yes, 1U);
  EXPECT_EQ(it.no, 1U);
}

TEST(PredecessorLink, OneThatDoesNotAnswerHoldsNoPlaceForEver) {
  Asking it{10ms};
  for (std::size_t i = 0; i < PredecessorLink::cancels_max; ++i) {
    ASSERT_TRUE(it.ask());
    EXPECT_EQ(it.asked().size(), 1U);
  }
  EXPECT_FALSE(it.ask());
  it.run(100ms);
  EXPECT_EQ(it.no, PredecessorLink::cancels_max);
  EXPECT_TRUE(it.ask());
  it.answer(1, true);
  it.run(5ms);
  EXPECT_EQ(it.yes, 0U) << "too late";
}

TEST(PredecessorLink, WhenItIsGoneTheAnswerIsNo) {
  Asking it;
  EXPECT_TRUE(it.ask());
  it.predecessor.reset();
  it.run(20ms);
  EXPECT_EQ(it.no, 1U);
  EXPECT_TRUE(it.gone);
  EXPECT_FALSE(it.ask());
}

}  // namespace
}  // namespace sallyport::cli::handover_link_test
