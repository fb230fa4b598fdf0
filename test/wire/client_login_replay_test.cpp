// Every way a login can go (SCRAM, MD5, clear, certificate; let in and refused), replayed: the server's bytes cut at
// each place, ended at each byte, and a failure at each step.
#include "test/wire/client_login_scene.h"

#include <functional>
#include <ostream>

namespace sallyport::client_login_replay_test {
namespace {

using namespace postgres;
using namespace sallyport::test;

struct Way {
  const char* name;
  Ask ask;
  CredentialKind kind = CredentialKind::password;
  LoginMethods methods = {};
  LoginTls tls = LoginTls::require;
  bool presented = false;        ///< the connection has a client certificate, beside the credential
  bool peer_checked = false;     ///< over a Unix socket
  std::string_view method = {};  ///< empty: refused, with `code`
  ErrorCode code = ErrorCode::internal;
  bool sends_clear = false;  ///< the secret goes to the server as it is

  [[nodiscard]] bool lets_in() const { return !method.empty(); }
};

std::string name_of_way(const testing::TestParamInfo<Way>& info) { return info.param.name; }

void PrintTo(const Way& way, std::ostream* out) { *out << way.name; }

const Way ways[] = {
    {.name = "scram", .ask = Ask::scram, .method = "scram-sha-256"},
    {.name = "scram_plus", .ask = Ask::scram_and_plus, .method = "scram-sha-256-plus"},
    {.name = "scram_without_tls", .ask = Ask::scram, .tls = LoginTls::disable, .method = "scram-sha-256"},
    {.name = "md5", .ask = Ask::md5, .methods = {.md5 = true}, .method = "md5"},
    {.name = "md5_not_allowed", .ask = Ask::md5, .code = ErrorCode::peer_unsupported},
    {.name = "clear",
     .ask = Ask::cleartext,
     .methods = {.cleartext_password = true},
     .method = "cleartext",
     .sends_clear = true},
    {.name = "clear_not_allowed", .ask = Ask::cleartext, .code = ErrorCode::peer_unsupported},
    {.name = "clear_without_tls",
     .ask = Ask::cleartext,
     .methods = {.cleartext_password = true},
     .tls = LoginTls::disable,
     .code = ErrorCode::peer_unsupported},
    {.name = "token",
     .ask = Ask::cleartext,
     .kind = CredentialKind::token,
     .method = "cleartext",
     .sends_clear = true},
    {.name = "token_over_checked_socket",
     .ask = Ask::cleartext,
     .kind = CredentialKind::token,
     .tls = LoginTls::disable,
     .peer_checked = true,
     .method = "cleartext",
     .sends_clear = true},
    {.name = "certificate",
     .ask = Ask::nothing,
     .kind = CredentialKind::client_certificate,
     .method = "certificate"},
    {.name = "certificate_beside_password", .ask = Ask::nothing, .presented = true, .method = "certificate"},
    {.name = "certificate_and_scram", .ask = Ask::scram, .presented = true, .method = "scram-sha-256"},
    {.name = "certificate_without_tls",
     .ask = Ask::nothing,
     .kind = CredentialKind::client_certificate,
     .tls = LoginTls::disable,
     .code = ErrorCode::peer_misbehaved},
    {.name = "certificate_asked_for_md5",
     .ask = Ask::md5,
     .kind = CredentialKind::client_certificate,
     .methods = {.md5 = true},
     .code = ErrorCode::peer_unsupported},
    {.name = "ok_without_proof", .ask = Ask::nothing, .code = ErrorCode::peer_misbehaved},
    {.name = "gss", .ask = Ask::gss, .code = ErrorCode::peer_unsupported},
    {.name = "server_says_no", .ask = Ask::error, .code = ErrorCode::denied},
};

class ClientLoginReplay : public testing::TestWithParam<Way> {
 protected:
  static ClientLoginRequest request() {
    const auto& way = GetParam();
    auto out = request_of(way.kind);
    out.methods = way.methods;
    out.tls = way.tls;
    out.certificate_presented = way.presented;
    out.unix_peer_checked = way.peer_checked;
    return out;
  }

  static FakePostgresSettings settings() {
    auto out = asks(GetParam().ask);
    out.tls = GetParam().tls == LoginTls::require;
    out.error_sqlstate = "28P01";
    return out;
  }

  static Outcome replay(const DriverOptions& options = verified()) {
    return login(request(), settings(), options);
  }

  /// What holds however it ends.
  static void expect_no_secret(const Outcome& outcome) {
    if (!outcome.end) expect_canary_absent(describe(outcome.end.error()));
    if (!GetParam().sends_clear) expect_canary_absent(outcome.sent);
    if (GetParam().tls == LoginTls::require) expect_canary_absent(outcome.sent_before_tls);
  }
};

INSTANTIATE_TEST_SUITE_P(Ways, ClientLoginReplay, testing::ValuesIn(ways), name_of_way);

TEST_P(ClientLoginReplay, EndsAsItsTableSays) {
  const auto outcome = replay();
  ASSERT_EQ(outcome.end.has_value(), GetParam().lets_in());
  if (outcome.end) {
    EXPECT_EQ(outcome.greeting.login_method, GetParam().method);
  } else {
    EXPECT_EQ(outcome.end.error().code, GetParam().code) << describe(outcome.end.error());
    EXPECT_EQ(outcome.end.error().hop, Hop::login);
  }
  EXPECT_EQ(outcome.sent.find(canary) != std::string::npos, GetParam().sends_clear);
  expect_no_secret(outcome);
}

TEST_P(ClientLoginReplay, SplitAtEveryByteGivesTheSame) {
  const auto whole = replay();
  const auto expect_same = [&](const DriverOptions& options) {
    const auto split = replay(options);
    ASSERT_EQ(split.end.has_value(), whole.end.has_value());
    if (!whole.end) {
      EXPECT_EQ(describe(split.end.error()), describe(whole.end.error()));
    }
    EXPECT_EQ(split.sent, whole.sent);
    EXPECT_EQ(split.greeting.parameters, whole.greeting.parameters);
    EXPECT_EQ(split.greeting.cancel_key, whole.greeting.cancel_key);
    EXPECT_EQ(split.greeting.login_method, whole.greeting.login_method);
  };
  for (std::size_t cut = 1; cut < 200; ++cut) {
    SCOPED_TRACE(cut);
    auto options = verified();
    options.first_chunk_bytes = cut;
    expect_same(options);
  }
  for (const std::size_t size : {1, 2, 3, 5, 7}) {
    auto options = verified();
    options.chunk_bytes = size;
    expect_same(options);
  }
}

TEST_P(ClientLoginReplay, FailureAtEveryStepEndsIt) {
  const auto steps = replay().steps;
  for (std::size_t step = 0; step < steps; ++step) {
    SCOPED_TRACE(step);
    auto options = verified();
    options.close_at_step = step;
    const auto closed = replay(options);
    ASSERT_FALSE(closed.end);
    EXPECT_EQ(closed.end.error().code, ErrorCode::retry_later);
    EXPECT_EQ(closed.end.error().hop, Hop::login);
    expect_no_secret(closed);
    options = verified();
    options.fail_at_step = step;
    const auto failed = replay(options);
    ASSERT_FALSE(failed.end);
    EXPECT_EQ(failed.end.error().code, ErrorCode::timed_out);
    expect_no_secret(failed);
  }
}

// The same, with each byte of the server's in a step of its own: between any two bytes.
TEST_P(ClientLoginReplay, FailureBetweenAnyTwoBytesEndsIt) {
  auto options = verified();
  options.chunk_bytes = 1;
  const auto steps = replay(options).steps;
  for (std::size_t step = 0; step < steps; ++step) {
    SCOPED_TRACE(step);
    auto closing = options;
    closing.close_at_step = step;
    const auto closed = replay(closing);
    ASSERT_FALSE(closed.end);
    EXPECT_EQ(closed.end.error().code, ErrorCode::retry_later);
    expect_no_secret(closed);
  }
}

TEST_P(ClientLoginReplay, AServerWhoseBytesEndAnywhereLetsNobodyIn) {
  std::size_t total = 0;
  const auto ended_after = [&](std::size_t bytes_max) {
    ClientLogin conversation{request()};
    FakePostgres server{settings()};
    auto options = verified();
    options.close_after_last_reply = true;
    std::size_t left = bytes_max;
    total = 0;
    Driver driver{conversation,
                  [&](Bytes sent) {
                    auto reply = server(sent);
                    total += reply.size();
                    reply.resize(std::min(reply.size(), left));
                    left -= reply.size();
                    return reply;
                  },
                  options};
    auto end = driver.run();
    return Outcome{std::move(end), conversation.greeting(), driver.sent(), driver.sent_before_tls(),
                   driver.steps()};
  };
  ended_after(std::numeric_limits<std::size_t>::max());
  const auto whole = total;
  ASSERT_GT(whole, 0U);
  for (std::size_t bytes = 0; bytes < whole; ++bytes) {
    SCOPED_TRACE(bytes);
    const auto outcome = ended_after(bytes);
    ASSERT_FALSE(outcome.end);
    if (GetParam().lets_in()) {
      EXPECT_EQ(outcome.end.error().code, ErrorCode::retry_later) << describe(outcome.end.error());
    }
    expect_no_secret(outcome);
  }
}

}  // namespace
}  // namespace sallyport::client_login_replay_test
