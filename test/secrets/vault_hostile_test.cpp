// What a Vault, or whoever answers in its place, may do to us: retries, redirects, garbage, failures at every step.
// One table of hostile answers (threat 12), and the canary in all of it.
#include "test/secrets/vault_world.h"

namespace sallyport::vault_hostile_test {
namespace {

using namespace std::chrono_literals;

std::size_t count_of(const VaultWorld& world, std::string_view end) {
  std::size_t count = 0;
  for (const auto& request : world.seen) count += request.line.ends_with(end) ? 1 : 0;
  return count;
}

TEST(VaultRetry, WaitsAndAsksAgainAtMostTwice) {
  for (const int status : {412, 429, 500, 502, 503}) {
    VaultWorld world;
    world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
    world.on("GET sys/internal/ui/mounts/kv1/prod/db",
             {refusal(status, ""), refusal(status, ""), ok(replies::mount_kv1)});
    world.on("GET kv1/prod/db", {refusal(status, "")});
    auto session = open_vault("vault:kv1/prod/db");
    auto fetch = session->fetch();
    const auto result = world.run(*fetch);
    ASSERT_FALSE(result) << status;
    EXPECT_EQ(result.error().code, ErrorCode::retry_later) << status;
    EXPECT_EQ(count_of(world, "mounts/kv1/prod/db"), 3U) << status;
    EXPECT_EQ(count_of(world, "v1/kv1/prod/db"), 3U) << status;
    EXPECT_GE(world.waited, Duration{6s});  // twice 1 s + 2 s, and jitter
    EXPECT_LE(world.waited, Duration{9s});
  }
}

TEST(VaultRetry, KeepsToRetryAfterWithinReason) {
  VaultWorld world;
  world.on(
      "GET auth/token/lookup-self",
      {Answer{429, R"({"errors":["request path \"x\": rate limit quota exceeded"]})", {{"retry-after", "7"}}},
       ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/kv1/prod/db", {ok(replies::mount_kv1)});
  world.on("GET kv1/prod/db", {ok(replies::kv1)});
  ASSERT_TRUE(world.run(*open_vault("vault:kv1/prod/db#password")->fetch()));
  EXPECT_EQ(world.waited, Duration{7s});

  world.on("GET auth/token/lookup-self", {Answer{429, "", {{"retry-after", "3600"}}}});
  world.waited = {};
  auto session = open_vault("vault:kv1/prod/db");
  auto fetch = session->fetch();
  EXPECT_EQ(world.run(*fetch).error().code, ErrorCode::retry_later);
  EXPECT_EQ(world.waited, Duration{});
}

TEST(VaultRetry, SealedIsToldAtOnce) {
  auto world = database_world();
  world.on("GET auth/token/lookup-self", {refusal(503, replies::sealed)});
  auto session = open_vault("vault:database/creds/app");
  auto fetch = session->fetch();
  const auto result = world.run(*fetch);
  EXPECT_EQ(result.error().code, ErrorCode::retry_later);
  EXPECT_EQ(result.error().what, "Vault is sealed");
  EXPECT_EQ(world.seen.size(), 1U);
}

TEST(VaultRetry, ALostReplyOfCredsIsNeverAskedForAgainBlindly) {
  for (const auto code : {ErrorCode::timed_out, ErrorCode::peer_misbehaved, ErrorCode::retry_later}) {
    auto world = database_world();
    auto session = open_vault("vault:database/creds/app");
    ASSERT_TRUE(world.run(*session->fetch()));
    world.seen.clear();
    auto fetch = session->fetch();
    const auto result = world.run(*fetch, 1, code);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::retry_later);
    EXPECT_NE(result.error().what.find("may have a user"), std::string::npos);
    EXPECT_EQ(world.waited, Duration{});
  }
  for (const int status : {500, 502, 504}) {
    auto world = database_world();
    world.on("GET database/creds/app", {refusal(status, "")});
    auto session = open_vault("vault:database/creds/app");
    auto fetch = session->fetch();
    EXPECT_EQ(world.run(*fetch).error().code, ErrorCode::retry_later);
    EXPECT_EQ(count_of(world, "v1/database/creds/app"), 1U) << status;
  }
}

TEST(VaultRetry, ARefusedRequestForCredsIsAskedAgain) {
  for (const int status : {412, 429, 503}) {
    auto world = database_world();
    world.on("GET database/creds/app", {refusal(status, ""), ok(replies::creds)});
    auto session = open_vault("vault:database/creds/app");
    EXPECT_TRUE(world.run(*session->fetch())) << status;
  }
}

TEST(VaultRetry, WhatWasNotSentIsSentAgain) {
  auto session = open_vault("vault:database/creds/app");
  auto world = database_world();
  ASSERT_TRUE(world.run(*session->fetch()));
  auto fetch = session->fetch();
  expect_action<HttpRequest>(fetch->resume({world.now, started()}));
  auto error = test_failure(ErrorCode::retry_later, "vault:8200, not sent");
  expect_action<WaitUntil>(fetch->resume({world.now, ActionFailed{error}}));
  expect_action<HttpRequest>(fetch->resume({world.now, Woken{}}));
}

// ---- redirects ------------------------------------------------------------------------------------

Answer redirect(int status, std::string to) { return {status, "", {{"location", std::move(to)}}}; }

TEST(VaultRedirect, IsFollowedOnceToAConfiguredAddressOnly) {
  struct Row {
    const char* reference;
    Answer answer;
    bool works;
  };
  const char* plain = "vault:database/creds/app";
  const char* configured = "vault:database/creds/app?redirect_to=https://node2:8200,https://node3";
  for (const auto& row : std::initializer_list<Row>{
           {configured, redirect(307, "https://node2:8200/v1/database/creds/app"), true},
           {configured, redirect(308, "https://node3/v1/database/creds/app"), true},
           {plain, redirect(307, "https://vault:8200/v1/database/creds/app"), true},
           {plain, redirect(307, "https://vault:8210/v1/database/creds/app"), false},
           {plain, redirect(307, "https://node2:8200/v1/database/creds/app"), false},
           {configured, redirect(307, "https://node2:8201/v1/database/creds/app"), false},
           {configured, redirect(307, "http://node2:8200/v1/database/creds/app"), false},
           {configured, redirect(307, "https://node2:8200/v1/database/creds/other"), false},
           {configured, redirect(307, "https://node2:8200/"), false},
           {configured, redirect(307, "https://u:p@node2:8200/v1/database/creds/app"), false},
           {configured, redirect(307, "//node2:8200/v1/database/creds/app"), false},
           {configured, redirect(307, "/v1/database/creds/app"), false},
           {configured, redirect(307, ""), false},
           {configured, redirect(301, "https://node2:8200/v1/database/creds/app"), false},
           {configured, redirect(302, "https://node2:8200/v1/database/creds/app"), false},
           {configured, redirect(304, ""), false},
           {configured, refusal(307, ""), false},
           {plain, redirect(307, "https://evil/v1/https://vault:8200/v1/database/creds/app"), false},
       }) {
    auto world = database_world();
    world.on("GET database/creds/app", {row.answer, ok(replies::creds)});
    auto session = open_vault(row.reference);
    const auto result = world.run(*session->fetch());
    EXPECT_EQ(result.has_value(), row.works) << row.reference << " " << row.answer.status;
    if (!row.works) {
      EXPECT_EQ(result.error().code, ErrorCode::peer_misbehaved) << describe(result.error());
      for (const auto& request : world.seen)
        EXPECT_TRUE(request.line.find(" https://vault:8200/") != std::string::npos);
    }
  }
}

TEST(VaultRedirect, ASecondOneIsRefused) {
  auto world = database_world();
  world.on("GET database/creds/app", {redirect(307, "https://node2:8200/v1/database/creds/app")});
  auto session = open_vault("vault:database/creds/app?redirect_to=https://node2:8200");
  EXPECT_EQ(world.run(*session->fetch()).error().code, ErrorCode::peer_misbehaved);
  EXPECT_EQ(count_of(world, "v1/database/creds/app"), 2U);
}

TEST(VaultRedirect, PlainHttpFollowsNone) {
  auto world = database_world();
  world.variables["VAULT_ADDR"] = "http://127.0.0.1:8200";
  world.on("GET database/creds/app", {redirect(307, "https://127.0.0.1:8200/v1/database/creds/app")});
  auto session = open_vault("vault:database/creds/app?insecure_reason=test");
  EXPECT_EQ(world.run(*session->fetch()).error().code, ErrorCode::peer_misbehaved);
}

// ---- meanings -------------------------------------------------------------------------------------

TEST(VaultMeaning, KnownSentencesAreTold) {
  struct Row {
    int status;
    std::string_view body;
    ErrorCode code;
    const char* says;
  };
  for (
      const auto& row : {
          Row{400, replies::unknown_role, ErrorCode::bad_config, "does not know this role"},
          Row{500, replies::not_allowed_role, ErrorCode::bad_config, "allowed_roles"},
          Row{403, replies::permission_denied, ErrorCode::denied, "permission denied"},
          Row{403, replies::permission_denied_by_policy, ErrorCode::denied, "permission denied"},
          Row{404, replies::no_namespace, ErrorCode::bad_config, "namespace"},
          Row{404, R"({"errors":["no handler for route \"database/creds/app\". route entry not found."]})",
              ErrorCode::bad_config, "mounted"},
          Row{404, replies::nothing, ErrorCode::not_found, "nothing at this path"},
          Row{405, R"({"errors":["unsupported operation"]})", ErrorCode::bad_config, "cannot do that"},
          Row{500,
              R"({"errors":["1 error occurred: failed to connect: dial tcp 10.0.0.1:5432: connect: connection refused"]})",
              ErrorCode::retry_later, "reach the database"},
          Row{500, R"({"errors":["pq: password authentication failed for user \"root\""]})",
              ErrorCode::retry_later, "own login"},
          Row{500, R"({"errors":["canary-text"]})", ErrorCode::retry_later, "500"},
          Row{418, R"({"errors":["canary-text"]})", ErrorCode::peer_misbehaved, "418"},
          Row{400, "Client sent an HTTP request to an HTTPS server.\n", ErrorCode::bad_config,
              "speaks https"},
          Row{473, "", ErrorCode::retry_later, "standby"},
          Row{100, "", ErrorCode::peer_misbehaved, "100"},
          Row{-1, "", ErrorCode::peer_misbehaved, "-1"},
      }) {
    auto world = database_world();
    world.on("GET database/creds/app", {refusal(row.status, row.body)});
    auto session = open_vault("vault:database/creds/app");
    const auto result = world.run(*session->fetch());
    ASSERT_FALSE(result) << row.status;
    const auto text = describe(result.error());
    EXPECT_EQ(result.error().code, row.code) << row.status << ": " << text;
    EXPECT_NE(text.find(row.says), std::string::npos) << text;
    EXPECT_EQ(text.find("canary"), std::string::npos) << text;
  }
}

// ---- garbage --------------------------------------------------------------------------------------

/// Every reply of the way to a credential, cut at many places and changed into many things.
std::vector<Answer> hostile_versions(std::string_view good) {
  std::vector<Answer> out;
  const std::size_t step = std::max<std::size_t>(1, good.size() / 97);
  for (std::size_t cut = 0; cut < good.size(); cut += step) out.push_back(ok(good.substr(0, cut)));
  for (
      const std::string& body : std::initializer_list<std::string>{
          "",
          " ",
          "null",
          "[]",
          "\"x\"",
          "0",
          "true",
          "{}",
          R"({"data":null})",
          R"({"data":[]})",
          R"({"data":"canary"})",
          R"({"data":{}})",
          R"({"data":{"data":{}}})",
          R"({"auth":null})",
          R"({"auth":{"client_token":""}})",
          R"({"auth":{"client_token":7}})",
          R"({"auth":{"client_token":"a b"}})",
          R"({"errors":"canary"})",
          R"({"errors":[{"canary":1}]})",
          "<html><body>canary</body></html>",
          std::string(64, '\0'),
          std::string(100'000, '['),
          std::string(2'000'000, 'a'),
          "{\"data\":{\"username\":\"u\",\"password\":\"canary\"}}",
          R"({"lease_id":"auth/token/create/x","lease_duration":10,"data":{"username":"u","password":"canary"}})",
          R"({"lease_id":"database/creds/app/x","lease_duration":0,"data":{"username":"u","password":"canary"}})",
          R"({"lease_id":"database/creds/app/x","lease_duration":-1,"data":{"username":"u","password":"canary"}})",
          R"({"lease_id":"database/creds/app/x\n","lease_duration":9,"data":{"username":"u","password":"canary"}})",
          R"({"lease_id":"database/creds/app/x","lease_duration":9,"data":{"username":"","password":"canary"}})",
          R"({"lease_id":"database/creds/app/x","lease_duration":9,"data":{"username":"u\u0000","password":"canary"}})",
          R"({"lease_id":"database/creds/app/x","lease_duration":9,"data":{"username":"u","password":"canary\u0000"}})",
      }) {
    out.push_back(ok(body));
    out.push_back(refusal(404, body));
    out.push_back(refusal(500, body));
  }
  out.push_back(refusal(204, ""));
  out.push_back(refusal(0, ""));
  return out;
}

TEST(VaultHostile, NoAnswerCrashesHangsOrShowsASecret) {
  const std::map<std::string, std::string_view> ways{
      {"POST auth/approle/login", replies::login},
      {"GET sys/internal/ui/mounts/database/creds/app", replies::mount_database},
      {"GET database/creds/app", replies::creds},
      {"POST sys/capabilities-self", replies::capabilities},
  };
  for (const auto& [request, good] : ways) {
    for (const auto& answer : hostile_versions(good)) {
      auto world = approle_world();
      world.on(request, {answer});
      auto session = open_vault("vault:database/creds/app");
      auto fetch = session->fetch();
      const auto result = world.run(*fetch);
      EXPECT_LT(world.steps, 40);
      if (!result) {
        EXPECT_NE(result.error().code, ErrorCode::internal) << describe(result.error());
        EXPECT_EQ(describe(result.error()).find("canary"), std::string::npos) << describe(result.error());
      } else {
        EXPECT_TRUE(fetch->take().credential.lease);
      }
      for (const auto& warning : session->warnings()) EXPECT_EQ(warning.find("canary"), std::string::npos);
    }
  }
}

TEST(VaultHostile, NoAnswerToARenewalOrAnEndCrashesOrShowsASecret) {
  for (const auto& answer : hostile_versions(replies::renewed)) {
    auto world = approle_world();
    auto session = open_vault("vault:database/creds/app");
    auto fetch = session->fetch();
    ASSERT_TRUE(world.run(*fetch));
    const auto lease = *fetch->take().credential.lease;
    for (const auto* path :
         {"sys/leases/renew", "sys/leases/revoke", "auth/token/renew-self", "auth/token/revoke-self"}) {
      world.on(std::string{"POST "} + path, {answer});
    }
    auto keep = session->keep_alive();
    auto renew = session->renew(lease);
    auto revoke = session->revoke(lease);
    for (Conversation* conversation : {static_cast<Conversation*>(renew.get()), revoke.get(), keep.get()}) {
      const auto result = world.run(*conversation);
      EXPECT_EQ(shown(result).find("canary"), std::string::npos);
    }
    if (auto close = session->close()) {
      const auto result = world.run(*close);
      EXPECT_EQ(shown(result).find("canary"), std::string::npos);
    }
  }
}

// ---- failure at every step ------------------------------------------------------------------------

TEST(VaultHostile, FailsCleanlyAtEveryStepAndWorksTheNextTime) {
  for (auto make : {database_world, approle_world}) {
    for (const auto code : {ErrorCode::retry_later, ErrorCode::timed_out, ErrorCode::denied,
                            ErrorCode::cancelled, ErrorCode::limit_exceeded}) {
      auto probe = make();
      ASSERT_TRUE(probe.run(*open_vault("vault:database/creds/app")->fetch()));
      const int steps = probe.steps;
      ASSERT_GT(steps, 5);
      for (int step = 1; step <= steps; ++step) {
        auto world = make();
        auto session = open_vault("vault:database/creds/app");
        auto fetch = session->fetch();
        const auto result = world.run(*fetch, step, code);
        EXPECT_EQ(shown(result).find("canary"), std::string::npos);
        EXPECT_TRUE(result || result.error().code != ErrorCode::internal) << shown(result);
        auto again = session->fetch();
        const auto second = world.run(*again);
        EXPECT_TRUE(second) << "after step " << step << ": " << (second ? "" : describe(second.error()));
      }
    }
  }
}

TEST(VaultHostile, AnAnswerThatWasNotAskedIsAnErrorNotACrash) {
  for (const bool http : {false, true}) {
    auto world = database_world();
    auto session = open_vault("vault:database/creds/app");
    if (http) {
      ASSERT_TRUE(world.run(*session->fetch()));
    }
    auto expect_refused = [&](Event event) {
      auto fetch = session->fetch();
      ASSERT_TRUE(fetch->resume({world.now, started()}));
      EXPECT_EQ(expect_error(fetch->resume({world.now, std::move(event)})).code, ErrorCode::internal);
    };
    expect_refused(PeerClosed{});
    expect_refused(FileRead{Secret::copy_of("canary")});
    expect_refused(ProgramEnded{});
    if (http) expect_refused(VariableRead{Secret::copy_of("canary")});
  }
}

TEST(VaultOptions, WrongAttributesAreRefused) {
  const auto source = secrets::vault_source();
  for (const auto* text :
       {"vault:a/b?version=0", "vault:a/b?version=x", "vault:a/b?auth=ldap", "vault:a/b?token_file=x",
        "vault:a/b?token_file=/a/../b", "vault:a/b?mount=a//b", "vault:a/b?auth=token&role_id=x",
        "vault:a/b?role_id=x&token_file=/x", "vault:a/b?namespace=a%20b", "vault:a/b?addr=vault",
        "vault:a/b?redirect_to=http://a", "vault:a/b?allow_root_token=1", "vault:a/b?token_fiel=/x",
        "vault:a/b?shape=x"}) {
    auto reference = secrets::parse_reference(text);
    ASSERT_TRUE(reference) << text;
    auto session = source->open(*reference, {});
    ASSERT_FALSE(session) << text;
    EXPECT_EQ(session.error().code, ErrorCode::bad_config) << text;
  }
}

TEST(VaultSource, SaysWhatItConsumes) {
  const auto source = secrets::vault_source();
  const auto authority = source->authority_for(*secrets::parse_reference("vault:a/b?secret_id_file=/s"));
  EXPECT_EQ(authority.files, (std::vector<std::string>{"~/.vault-token", "$VAULT_TOKEN_FILE", "/s"}));
  EXPECT_NE(std::find(authority.variables.begin(), authority.variables.end(), "VAULT_TOKEN"),
            authority.variables.end());
}

}  // namespace
}  // namespace sallyport::vault_hostile_test
