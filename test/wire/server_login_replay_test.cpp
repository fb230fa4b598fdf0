// Every way a client can log in to us (trusted, SCRAM with and without binding, unknown, wrong), replayed: the
// client's bytes cut at each place, ended at each byte, and a failure at each step.
#include "test/wire/fake_client.h"

#include <limits>
#include <ostream>

namespace sallyport::server_login_replay_test {
namespace {

using namespace postgres;
using namespace sallyport::test;

struct Way {
  const char* name;
  bool trust = false;
  bool plus = false;
  bool mock = false;
  bool negotiated = false;
  const char* password = "token";
  bool lets_in = true;
};

std::string name_of_way(const testing::TestParamInfo<Way>& info) { return info.param.name; }

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

const Way ways[] = {
    {.name = "trust", .trust = true},
    {.name = "trust_negotiated", .trust = true, .negotiated = true},
    {.name = "scram"},
    {.name = "scram_negotiated", .negotiated = true},
    {.name = "scram_plus", .plus = true},
    {.name = "scram_plus_negotiated", .plus = true, .negotiated = true},
    {.name = "unknown_user", .mock = true, .lets_in = false},
    {.name = "unknown_user_plus", .plus = true, .mock = true, .lets_in = false},
    {.name = "wrong_token", .password = "other", .lets_in = false},
};

struct Outcome {
  Result<void> end;
  std::string sent;
  bool proved = false;  ///< the last bytes prove to the client that we know its verifier
  std::size_t steps = 0;
  std::size_t client_bytes = 0;
};

class ServerLoginReplay : public testing::TestWithParam<Way> {
 protected:
  static ServerLoginRequest request() {
    const auto& way = GetParam();
    ServerLoginRequest out{ServerTrust{}, {}};
    if (!way.trust) out = scram_request(way.mock, end_point());
    if (way.negotiated) {
      StartupMessage startup;
      startup.protocol = protocol_grease;
      out.negotiation = negotiate(startup);
    }
    return out;
  }

  static std::vector<std::uint8_t> end_point() {
    return std::vector<std::uint8_t>(GetParam().plus ? 32 : 0, 5);
  }

  /// `bytes_max`: what the client sends before it falls silent.
  static Outcome replay(const DriverOptions& options = {},
                        std::size_t bytes_max = std::numeric_limits<std::size_t>::max()) {
    ServerLogin conversation{request()};
    FakeClient client{GetParam().password, GetParam().plus, end_point()};
    Outcome out;
    Driver driver{conversation,
                  [&](Bytes sent) {
                    auto reply = client(sent);
                    out.client_bytes += reply.size();
                    reply.resize(std::min(reply.size(), bytes_max));
                    bytes_max -= reply.size();
                    return reply;
                  },
                  options};
    out.end = driver.run();
    out.sent = driver.sent();
    out.steps = driver.steps();
    out.proved = out.end && !GetParam().trust && client.check_final(conversation.last_bytes());
    return out;
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, ServerLoginReplay, testing::ValuesIn(ways), name_of_way);

TEST_P(ServerLoginReplay, EndsAsItsTableSays) {
  const auto outcome = replay();
  ASSERT_EQ(outcome.end.has_value(), GetParam().lets_in);
  EXPECT_EQ(outcome.proved, GetParam().lets_in && !GetParam().trust);
  if (!outcome.end) {
    EXPECT_EQ(outcome.end.error().code, ErrorCode::denied);
    EXPECT_EQ(outcome.end.error().hop, Hop::identity);
    EXPECT_EQ(outcome.end.error().sqlstate, "28P01");
  }
}

TEST_P(ServerLoginReplay, SplitAtEveryByteGivesTheSame) {
  const auto whole = replay();
  const auto expect_same = [&](const DriverOptions& options) {
    const auto split = replay(options);
    ASSERT_EQ(split.end.has_value(), whole.end.has_value());
    if (!whole.end) {
      EXPECT_EQ(describe(split.end.error()), describe(whole.end.error()));
    }
    EXPECT_EQ(split.sent, whole.sent);
    EXPECT_EQ(split.proved, whole.proved);
  };
  for (std::size_t at = 1; at < 250; ++at) {
    SCOPED_TRACE(at);
    DriverOptions options;
    options.first_chunk_bytes = at;
    expect_same(options);
    options = {};
    options.chunk_bytes = at;
    expect_same(options);
  }
}

TEST_P(ServerLoginReplay, FailureAtEveryStepEndsIt) {
  for (const std::size_t chunk : {std::numeric_limits<std::size_t>::max(), std::size_t{1}}) {
    DriverOptions options;
    options.chunk_bytes = chunk;
    const auto steps = replay(options).steps;
    for (std::size_t step = 0; step < steps; ++step) {
      SCOPED_TRACE(step);
      auto closing = options;
      closing.close_at_step = step;
      const auto closed = replay(closing);
      ASSERT_FALSE(closed.end);
      EXPECT_EQ(closed.end.error().code, ErrorCode::cancelled);
      EXPECT_EQ(closed.end.error().hop, Hop::identity);
      auto failing = options;
      failing.fail_at_step = step;
      const auto failed = replay(failing);
      ASSERT_FALSE(failed.end);
      EXPECT_EQ(failed.end.error().code, ErrorCode::timed_out);
    }
  }
}

TEST_P(ServerLoginReplay, AClientWhoseBytesEndAnywhereIsNotLetIn) {
  DriverOptions options;
  options.close_after_last_reply = true;
  const auto total = replay(options).client_bytes;
  EXPECT_EQ(total == 0, GetParam().trust);
  for (std::size_t bytes = 0; bytes < total; ++bytes) {
    SCOPED_TRACE(bytes);
    const auto outcome = replay(options, bytes);
    ASSERT_FALSE(outcome.end);
    EXPECT_EQ(outcome.end.error().code, ErrorCode::cancelled) << describe(outcome.end.error());
  }
}

}  // namespace
}  // namespace sallyport::server_login_replay_test
