// Leases and tokens after the fetch: renewed, revoked, kept alive, closed.
#include "secrets/revocable.h"
#include "test/secrets/vault_world.h"

namespace sallyport::vault_life_test {
namespace {

using namespace std::chrono_literals;

Lease fetch_lease(VaultWorld& world, secrets::SourceSession& session) {
  auto fetch = session.fetch();
  const auto result = world.run(*fetch);
  EXPECT_TRUE(result) << (result ? "" : describe(result.error()));
  auto fetched = fetch->take();
  EXPECT_TRUE(fetched.credential.lease);
  world.seen.clear();
  return fetched.credential.lease.value_or(Lease{});
}

TEST(VaultRenew, AsksForWhatWasGrantedAndReportsWhatItGot) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  auto lease = fetch_lease(world, *session);
  world.on("POST sys/leases/renew", {ok(replies::renewed_shorter)});
  lease.duration = 5s;  // as an earlier renewal left it
  auto renew = session->renew(lease);
  ASSERT_TRUE(world.run(*renew));
  const auto renewed = renew->take();
  EXPECT_EQ(renewed.duration, Duration{1s});
  EXPECT_EQ(renewed.id, lease.id);
  EXPECT_EQ(world.seen.back().body,
            R"({"lease_id":"database/creds/app/KrjAo2W91t9UtLNCg0PWqQXV","increment":3600})");
}

TEST(VaultRenew, TellsTheEndFromARefusalFromBadLuck) {
  struct Row {
    int status;
    std::string_view body;
    ErrorCode code;
  };
  for (const auto& row : {
           Row{400, replies::lease_not_found, ErrorCode::not_found},
           Row{400, R"({"errors":["lease expired"]})", ErrorCode::not_found},
           Row{400, R"({"errors":["lease is not renewable"]})", ErrorCode::denied},
           Row{400, R"({"errors":["past the max TTL, cannot renew"]})", ErrorCode::denied},
           Row{403, replies::permission_denied, ErrorCode::denied},
           Row{400, R"({"errors":["something else"]})", ErrorCode::denied},
           Row{503, replies::sealed, ErrorCode::retry_later},
           Row{500, R"({"errors":["internal error"]})", ErrorCode::retry_later},
           Row{502, "", ErrorCode::retry_later},
           Row{200, "<html>", ErrorCode::invalid_message},
           Row{200, "{}", ErrorCode::peer_misbehaved},
           Row{200, R"({"lease_id":"database/creds/app/other","lease_duration":60})",
               ErrorCode::peer_misbehaved},
       }) {
    auto world = database_world();
    auto session = open_vault("vault:database/creds/app");
    const auto lease = fetch_lease(world, *session);
    world.on("POST sys/leases/renew", {refusal(row.status, row.body)});
    auto renew = session->renew(lease);
    const auto result = world.run(*renew);
    ASSERT_FALSE(result) << row.body;
    EXPECT_EQ(result.error().code, row.code)
        << row.status << " " << row.body << ": " << describe(result.error());
  }
}

TEST(VaultRevoke, IsSynchronous) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  const auto lease = fetch_lease(world, *session);
  auto revoke = session->revoke(lease);
  ASSERT_TRUE(world.run(*revoke));
  EXPECT_EQ(world.seen.back().line, "POST https://vault:8200/v1/sys/leases/revoke");
  EXPECT_EQ(world.seen.back().body,
            R"({"lease_id":"database/creds/app/KrjAo2W91t9UtLNCg0PWqQXV","sync":true})");
}

TEST(VaultRevoke, AForbiddenOneIsAnError) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  const auto lease = fetch_lease(world, *session);
  world.on("POST sys/leases/revoke", {refusal(403, replies::permission_denied_by_policy)});
  auto revoke = session->revoke(lease);
  const auto result = world.run(*revoke);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::denied);
  EXPECT_NE(result.error().hint.find(R"(path "sys/leases/revoke" { capabilities = ["update"] })"),
            std::string::npos);
}

TEST(VaultRevoke, WhatHasEndedIsEnded) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  const auto lease = fetch_lease(world, *session);
  world.on("POST sys/leases/revoke", {refusal(400, replies::lease_not_found)});
  EXPECT_TRUE(world.run(*session->revoke(lease)));
}

// threat 10: a planted journal entry.
TEST(VaultRevoke, OnlyLeasesOfThisRoleAddressAndNamespace) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  const Lease good = fetch_lease(world, *session);
  for (const auto& change : std::initializer_list<std::function<void(Lease&)>>{
           [](Lease& l) { l.address = "https://evil:8200"; },
           [](Lease& l) { l.name_space = "other"; },
           [](Lease& l) { l.id = "database/creds/other/x"; },
           [](Lease& l) { l.id = "database/creds/app"; },
           [](Lease& l) { l.id = "database/creds/app/"; },
           [](Lease& l) { l.id = "database/creds/app/../other/x"; },
           [](Lease& l) { l.id = "database/creds/app/x/y"; },
           [](Lease& l) { l.mount_and_role = "database/creds/other", l.id = "database/creds/other/x"; },
           [](Lease& l) { l.mount_and_role = "", l.id = "/x"; },
           [](Lease& l) { l.mount_and_role = "auth/token/create", l.id = "auth/token/create/x"; },
       }) {
    Lease planted = good;
    change(planted);
    auto revoke = session->revoke(planted);
    const auto result = world.run(*revoke);
    ASSERT_FALSE(result) << planted.id;
    EXPECT_EQ(result.error().code, ErrorCode::denied);
  }
  EXPECT_TRUE(world.seen.empty());
}

TEST(VaultRevoke, AFreshSessionCanEndAnOrphan) {
  auto world = database_world();
  Lease lease;
  {
    auto dead = open_vault("vault:database/creds/app");
    lease = fetch_lease(world, *dead);
  }
  auto session = open_vault("vault:database/creds/app");
  ASSERT_TRUE(world.run(*session->revoke(lease)));
  EXPECT_EQ(world.seen.back().line, "POST https://vault:8200/v1/sys/leases/revoke");
}

TEST(Revocable, ChecksShapeAndPrefix) {
  auto revocable = [](const char* role, const char* id) {
    Lease lease;
    lease.mount_and_role = role;
    lease.id = id;
    return secrets::revocable(lease);
  };
  EXPECT_TRUE(revocable("database/creds/app", "database/creds/app/Abc-1._"));
  EXPECT_TRUE(revocable("team/db/creds/app", "team/db/creds/app/x.nsid"));
  EXPECT_FALSE(revocable("database/creds/app", "database/creds/app2/x"));
  EXPECT_FALSE(revocable("database/creds/app", "database/creds/app/x/y"));
  EXPECT_FALSE(revocable("database/creds/app", "database/creds/app/.."));
  EXPECT_FALSE(revocable("database/creds/app", "database/creds/app/x\n"));
  EXPECT_FALSE(revocable("database/creds/", "database/creds//x"));
  EXPECT_FALSE(revocable("/creds/app", "/creds/app/x"));
  EXPECT_FALSE(revocable("a/../b/creds/app", "a/../b/creds/app/x"));
  EXPECT_FALSE(revocable("database/static-creds/app", "database/static-creds/app/x"));
  EXPECT_FALSE(revocable("", ""));
}

// ---- a token of our own ---------------------------------------------------------------------------

TEST(VaultOwnToken, ComesFromAppRoleAndItsSecretLeavesNothing) {
  auto world = approle_world();
  auto session = open_vault("vault:database/creds/app");
  const auto lease = fetch_lease(world, *session);
  EXPECT_EQ(lease.accessor, "HEmGkj57PHmbfAQdatMUKtVe");
  EXPECT_TRUE(session->warnings().empty());  // revoke-self is allowed, and ends all leases
}

TEST(VaultOwnToken, LogsInWithWhatTheReferenceNames) {
  auto world = approle_world();
  world.variables = {{"VAULT_ADDR", "https://vault:8200"}, {"VAULT_TOKEN", "s.other"}};
  world.files = {{"/r/role", "role\n"}, {"/r/secret", "sec\"ret\n"}};
  world.on("POST auth/team/approle/login", {ok(replies::login)});
  auto session = open_vault(
      "vault:database/creds/app?auth=approle&role_id_file=/r/role&secret_id_file=/r/secret&mount=team/"
      "approle");
  auto fetch = session->fetch();
  ASSERT_TRUE(world.run(*fetch));
  EXPECT_EQ(world.seen.front().line, "POST https://vault:8200/v1/auth/team/approle/login");
  EXPECT_EQ(world.seen.front().body, R"({"role_id":"role","secret_id":"sec\"ret"})");
  EXPECT_EQ(world.seen.front().token, "");
}

TEST(VaultOwnToken, ARefusedLoginSaysSo) {
  for (const auto& answer : {refusal(400, replies::bad_approle), refusal(403, replies::permission_denied)}) {
    auto world = approle_world();
    world.on("POST auth/approle/login", {answer});
    auto session = open_vault("vault:database/creds/app");
    auto fetch = session->fetch();
    const auto result = world.run(*fetch);
    ASSERT_FALSE(result);
    EXPECT_EQ(result.error().code, ErrorCode::denied);
    EXPECT_EQ(describe(result.error()).find("canary"), std::string::npos);
    EXPECT_NE(describe(result.error()).find("AppRole"), std::string::npos) << describe(result.error());
  }
}

TEST(VaultOwnToken, IsKeptAliveAtTwoThirds) {
  auto world = approle_world();
  auto session = open_vault("vault:database/creds/app");
  EXPECT_EQ(session->keep_alive(), nullptr);
  fetch_lease(world, *session);
  ASSERT_TRUE(session->keep_alive_at());
  EXPECT_EQ(*session->keep_alive_at(), world.now.wall + 2400s);
  world.now.wall += 2400s;
  auto keep = session->keep_alive();
  ASSERT_NE(keep, nullptr);
  ASSERT_TRUE(world.run(*keep));
  EXPECT_EQ(world.seen.back().line, "POST https://vault:8200/v1/auth/token/renew-self");
  EXPECT_EQ(world.seen.back().token, "s.canary-own-1");
  EXPECT_EQ(*session->keep_alive_at(), world.now.wall + 2400s);
}

TEST(VaultOwnToken, NearItsMaximumTheNextFetchLogsInAnewAndBothAreEnded) {
  auto world = approle_world();
  world.on("POST auth/token/renew-self", {ok(R"({"auth":{"lease_duration":600,"renewable":true}})")});
  auto session = open_vault("vault:database/creds/app");
  fetch_lease(world, *session);
  world.now.wall += 2400s;
  ASSERT_TRUE(world.run(*session->keep_alive()));
  EXPECT_FALSE(session->keep_alive_at());
  EXPECT_EQ(fetch_lease(world, *session).accessor, "AueJi1dwWELE1fnpiKyZGr5p");
  EXPECT_TRUE(session->keep_alive_at());

  auto close = session->close();
  ASSERT_NE(close, nullptr);
  ASSERT_TRUE(world.run(*close));
  std::vector<std::string> ended;
  for (const auto& request : world.seen) {
    EXPECT_EQ(request.line, "POST https://vault:8200/v1/auth/token/revoke-self");
    ended.push_back(request.token);
  }
  EXPECT_EQ(ended, (std::vector<std::string>{"s.canary-own-2", "s.canary-own-1"}));
  EXPECT_EQ(session->close(), nullptr);
}

TEST(VaultOwnToken, ADeadOneIsReplacedOnce) {
  auto world = approle_world();
  auto session = open_vault("vault:database/creds/app");
  fetch_lease(world, *session);
  world.on("GET database/creds/app", {refusal(403, replies::permission_denied), ok(replies::creds)});
  world.on("GET auth/token/lookup-self", {refusal(403, replies::permission_denied)});
  EXPECT_EQ(fetch_lease(world, *session).accessor, "AueJi1dwWELE1fnpiKyZGr5p");
}

TEST(VaultOwnToken, ALivingOneThatIsNotAllowedIsNotReplaced) {
  auto world = approle_world();
  auto session = open_vault("vault:database/creds/app");
  fetch_lease(world, *session);
  world.on("GET database/creds/app", {refusal(403, replies::permission_denied_by_policy)});
  auto fetch = session->fetch();
  const auto result = world.run(*fetch);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::denied);
  EXPECT_EQ(world.lines(), (std::vector<std::string>{"GET https://vault:8200/v1/database/creds/app",
                                                     "GET https://vault:8200/v1/auth/token/lookup-self"}));
}

TEST(VaultOwnToken, ItsSingleLeaseEndsWithItWhenThePoliciesSaySo) {
  auto world = approle_world();
  auto session = open_vault("vault:database/creds/app");
  const auto lease = fetch_lease(world, *session);
  const auto result = world.run(*session->revoke(lease));
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().code, ErrorCode::denied);
  EXPECT_TRUE(world.seen.empty());
}

TEST(VaultOwnToken, ThatCouldNotBeEndedIsKept) {
  auto world = approle_world();
  auto session = open_vault("vault:database/creds/app");
  fetch_lease(world, *session);
  world.on("POST auth/token/revoke-self", {refusal(503, replies::sealed)});
  EXPECT_EQ(world.run(*session->close()).error().code, ErrorCode::retry_later);
  world.on("POST auth/token/revoke-self", {refusal(204, "")});
  auto again = session->close();
  ASSERT_NE(again, nullptr);
  EXPECT_TRUE(world.run(*again));
}

TEST(VaultUserToken, IsNeitherRenewedNorEnded) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  fetch_lease(world, *session);
  EXPECT_EQ(session->keep_alive(), nullptr);
  EXPECT_FALSE(session->keep_alive_at());
  EXPECT_EQ(session->close(), nullptr);
}

}  // namespace
}  // namespace sallyport::vault_life_test
