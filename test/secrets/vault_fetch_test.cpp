// Fetching through a Vault: each engine, each way to a token, each refusal.
#include "test/secrets/vault_world.h"

namespace sallyport::vault_fetch_test {
namespace {

using namespace std::chrono_literals;

secrets::Fetched fetched_by(VaultWorld& world, secrets::SourceSession& session) {
  auto fetch = session.fetch();
  const auto result = world.run(*fetch);
  EXPECT_TRUE(result) << (result ? "" : describe(result.error()));
  return result ? fetch->take() : secrets::Fetched{};
}

Error refused_by(VaultWorld& world, secrets::SourceSession& session) {
  auto fetch = session.fetch();
  const auto result = world.run(*fetch);
  EXPECT_FALSE(result);
  return result ? Error{} : result.error();
}

TEST(VaultFetch, DynamicCredentialComesWithItsLease) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app?engine=postgresql&host=h&dbname=d");
  const auto fetched = fetched_by(world, *session);
  const auto& credential = fetched.credential;
  EXPECT_EQ(credential.user, "v-token-app-Mf7OcS2Lyrjp098LDLa3-1795604410");
  EXPECT_TRUE(credential.secret.equals("canary-password"));
  EXPECT_EQ(credential.kind, CredentialKind::password);
  ASSERT_TRUE(credential.lease);
  EXPECT_EQ(credential.lease->id, "database/creds/app/KrjAo2W91t9UtLNCg0PWqQXV");
  EXPECT_EQ(credential.lease->address, "https://vault:8200");
  EXPECT_EQ(credential.lease->mount_and_role, "database/creds/app");
  EXPECT_EQ(credential.lease->accessor, "ENYJH64BpJNdfSm48sODYBf3");
  EXPECT_EQ(credential.lease->duration, Duration{3600s});
  EXPECT_TRUE(credential.lease->renewable);
  EXPECT_EQ(credential.expires, world.now.wall + 3600s);
  EXPECT_EQ(world.lines(), (std::vector<std::string>{
                               "GET https://vault:8200/v1/auth/token/lookup-self",
                               "GET https://vault:8200/v1/sys/internal/ui/mounts/database/creds/app",
                               "GET https://vault:8200/v1/database/creds/app",
                               "POST https://vault:8200/v1/sys/capabilities-self",
                           }));
  for (const auto& request : world.seen) {
    EXPECT_EQ(request.token, "s.canary-token");
    EXPECT_EQ(request.line.find("canary"), std::string::npos);
    EXPECT_FALSE(request.plain_http_allowed);
  }
}

TEST(VaultFetch, SecondFetchAsksForTheSecretOnly) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  fetched_by(world, *session);
  world.seen.clear();
  world.read.clear();
  fetched_by(world, *session);
  // Whether leases may be revoked is known; the token is looked at again only after a minute.
  EXPECT_EQ(world.lines(), std::vector<std::string>{"GET https://vault:8200/v1/database/creds/app"});
  EXPECT_TRUE(world.read.empty());
}

TEST(VaultFetch, NamespaceAndAuthorityAreSent) {
  auto world = database_world();
  world.variables["VAULT_NAMESPACE"] = "team1/";
  world.variables["VAULT_CACERT"] = "/etc/ca.pem";
  auto session = open_vault("vault:database/creds/app");
  EXPECT_EQ(fetched_by(world, *session).credential.lease->name_space, "team1");
  for (const auto& request : world.seen) {
    EXPECT_EQ(request.name_space, "team1");
    EXPECT_EQ(request.ca_file, "/etc/ca.pem");
  }
  auto other = open_vault("vault:database/creds/app?namespace=team2");
  world.seen.clear();
  EXPECT_EQ(fetched_by(world, *other).credential.lease->name_space, "team2");
}

TEST(VaultFetch, HiddenMountIsGuessedFromThePath) {
  auto world = database_world();
  world.on("GET sys/internal/ui/mounts/database/creds/app", {refusal(403, replies::mount_forbidden)});
  auto session = open_vault("vault:database/creds/app");
  EXPECT_TRUE(fetched_by(world, *session).credential.lease);

  VaultWorld kv;
  kv.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  kv.on("GET sys/internal/ui/mounts/secret/prod/db", {refusal(403, replies::mount_forbidden)});
  const auto error = refused_by(kv, *open_vault("vault:secret/prod/db"));
  EXPECT_EQ(error.code, ErrorCode::denied);
  EXPECT_NE(error.hint.find(R"(path "secret/prod/db" { capabilities = ["read"] })"), std::string::npos);
}

TEST(VaultFetch, StaticRoleIsFetchedAgainWhenItIsRotated) {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/database/static-creds/st", {ok(replies::mount_database)});
  world.on("GET database/static-creds/st", {ok(replies::static_creds)});
  auto session = open_vault("vault:database/static-creds/st");
  const auto fetched = fetched_by(world, *session);
  EXPECT_EQ(fetched.credential.user, "stuser");
  EXPECT_FALSE(fetched.credential.lease);
  EXPECT_FALSE(fetched.credential.expires);
  EXPECT_EQ(fetched.credential.version, "2026-11-25T10:56:49.397123189Z");
  EXPECT_EQ(fetched.refetch_after, Duration{3399s});

  for (const auto& [ttl, after] :
       {std::pair{R"("ttl":0)", Duration{2s}}, std::pair{R"("ttl":-5)", Duration{2s}},
        std::pair{R"("x":1)", Duration{300s}}}) {
    world.on(
        "GET database/static-creds/st",
        {ok(std::string{
                R"({"data":{"username":"u","password":"p","last_openbao_rotation":"2026-01-01T00:00:00Z",)"} +
            ttl + "}}")});
    const auto again = fetched_by(world, *session);
    EXPECT_EQ(again.refetch_after, after);
    EXPECT_EQ(again.credential.version, "2026-01-01T00:00:00Z");
  }
}

TEST(VaultFetch, KeyValueVersionIsDetected) {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/secret/prod/db", {ok(replies::mount_kv2)});
  world.on("GET secret/data/prod/db", {ok(replies::kv2)});
  world.on("GET secret/data/prod/db?version=1", {ok(replies::kv2)});
  world.on("GET sys/internal/ui/mounts/kv1/prod/db", {ok(replies::mount_kv1)});
  world.on("GET kv1/prod/db", {ok(replies::kv1)});
  for (const auto* text : {"vault:secret/prod/db", "vault:secret/prod/db?version=1"}) {
    const auto fetched = fetched_by(world, *open_vault(text));
    EXPECT_EQ(fetched.credential.user, "app");
    EXPECT_TRUE(fetched.credential.secret.equals("canary-password"));
    EXPECT_EQ(fetched.credential.version, "1");
    EXPECT_FALSE(fetched.credential.lease);
  }
  EXPECT_TRUE(fetched_by(world, *open_vault("vault:kv1/prod/db#password"))
                  .credential.secret.equals("canary-password"));
  EXPECT_EQ(refused_by(world, *open_vault("vault:kv1/prod/db?version=1")).code, ErrorCode::bad_config);
}

TEST(VaultFetch, DeletedVersionAndMissingSecretAreToldApart) {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/secret/prod/db", {ok(replies::mount_kv2)});
  world.on("GET secret/data/prod/db", {refusal(404, replies::kv2_deleted), refusal(404, replies::nothing)});
  auto session = open_vault("vault:secret/prod/db");
  auto error = refused_by(world, *session);
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_NE(error.what.find("was deleted at 2026-11-25T10:56:50"), std::string::npos) << error.what;
  error = refused_by(world, *session);
  EXPECT_EQ(error.code, ErrorCode::not_found);
  EXPECT_NE(error.what.find("no secret at this path"), std::string::npos) << error.what;

  world.on("GET sys/internal/ui/mounts/secret/data/prod/db", {ok(replies::mount_kv2)});
  EXPECT_NE(refused_by(world, *open_vault("vault:secret/data/prod/db")).hint.find("without data/"),
            std::string::npos);
}

TEST(VaultFetch, PathIsPercentEncoded) {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/secret/a%20b%3Fc", {ok(replies::mount_kv2)});
  world.on("GET secret/data/a%20b%3Fc", {ok(replies::kv2)});
  EXPECT_EQ(fetched_by(world, *open_vault("vault:secret/a b%3fc")).credential.user, "app");
}

TEST(VaultFetch, OtherEnginesAndPathsAreRefused) {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/database/roles/app", {ok(replies::mount_database)});
  EXPECT_EQ(refused_by(world, *open_vault("vault:database/roles/app")).code, ErrorCode::bad_config);
  world.on("GET sys/internal/ui/mounts/database", {ok(replies::mount_database)});
  EXPECT_EQ(refused_by(world, *open_vault("vault:database")).code, ErrorCode::bad_config);
  world.on("GET sys/internal/ui/mounts/other/creds/app", {ok(replies::mount_database)});
  EXPECT_EQ(refused_by(world, *open_vault("vault:other/creds/app")).code, ErrorCode::peer_misbehaved);
}

// ---- warnings -------------------------------------------------------------------------------------

TEST(VaultFetch, SaysWhenLeasesCannotBeRevokedAndWhatToAdd) {
  auto world = database_world();
  auto session = open_vault("vault:database/creds/app");
  fetched_by(world, *session);
  ASSERT_EQ(session->warnings().size(), 1U);
  EXPECT_NE(session->warnings()[0].find(R"(path "sys/leases/revoke" { capabilities = ["update"] })"),
            std::string::npos);
  EXPECT_NE(session->warnings()[0].find("60 min"), std::string::npos) << session->warnings()[0];
}

TEST(VaultFetch, IsSilentWhenAllIsAllowed) {
  auto world = database_world();
  world.on(
      "POST sys/capabilities-self",
      {ok(R"({"data":{"auth/token/revoke-self":["update"],"sys/leases/renew":["update"],"sys/leases/revoke":["update"]}})")});
  auto session = open_vault("vault:database/creds/app");
  fetched_by(world, *session);
  EXPECT_TRUE(session->warnings().empty());
}

TEST(VaultFetch, ACredentialIsNotLostBecauseTheQuestionAfterItFailed) {
  for (const auto& answer :
       {refusal(403, replies::permission_denied), refusal(500, ""), ok("<html>"), ok("{}")}) {
    auto world = database_world();
    world.on("POST sys/capabilities-self", {answer});
    auto session = open_vault("vault:database/creds/app");
    EXPECT_TRUE(fetched_by(world, *session).credential.lease) << answer.status;
  }
}

TEST(VaultFetch, LeaseEndsWithAUsersTokenThatEndsFirst) {
  auto world = database_world();
  std::string soon{replies::lookup_self};
  soon.replace(soon.find("\"ttl\":7000"), 10, "\"ttl\":600");
  world.on("GET auth/token/lookup-self", {ok(soon)});
  auto session = open_vault("vault:database/creds/app");
  EXPECT_EQ(fetched_by(world, *session).credential.expires, world.now.wall + 600s);
  EXPECT_EQ(session->warnings().size(), 2U);
  // Somebody renews it: the next look sees that.
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.now.wall += 120s;
  EXPECT_EQ(fetched_by(world, *session).credential.expires, world.now.wall + 3600s);
}

// ---- where Vault is -------------------------------------------------------------------------------

TEST(VaultAddress, WithoutOneNothingIsSent) {
  auto world = database_world();
  world.variables.erase("VAULT_ADDR");
  EXPECT_NE(refused_by(world, *open_vault("vault:database/creds/app")).what.find("VAULT_ADDR is not set"),
            std::string::npos);
  EXPECT_TRUE(world.seen.empty());
}

TEST(VaultAddress, PlainHttpIsForALoopbackLiteralWithAReason) {
  struct Row {
    const char* address;
    const char* reason;
    bool works;
  };
  for (const auto& row : {
           Row{"http://127.0.0.1:8200", "test", true},
           Row{"http://127.9.9.9:8200", "test", true},
           Row{"http://[::1]:8200", "test", true},
           Row{"http://127.0.0.1:8200", "", false},
           Row{"http://localhost:8200", "test", false},
           Row{"http://127.1:8200", "test", false},
           Row{"http://0127.0.0.1:8200", "test", false},
           Row{"http://127.00.0.1:8200", "test", false},
           Row{"http://127.0.0.1.example:8200", "test", false},
           Row{"http://10.0.0.1:8200", "test", false},
           Row{"http://vault:8200", "test", false},
           Row{"http://[::2]:8200", "test", false},
       }) {
    auto world = database_world();
    world.variables["VAULT_ADDR"] = row.address;
    auto session = open_vault(std::string{"vault:database/creds/app?insecure_reason="} + row.reason);
    auto fetch = session->fetch();
    const auto result = world.run(*fetch);
    EXPECT_EQ(result.has_value(), row.works) << row.address;
    EXPECT_EQ(world.seen.empty(), !row.works) << row.address;
    for (const auto& request : world.seen) EXPECT_TRUE(request.plain_http_allowed);
    if (!row.works) {
      EXPECT_EQ(result.error().code, ErrorCode::bad_config) << row.address;
    } else {
      EXPECT_NE(session->warnings().front().find("plain http"), std::string::npos);
    }
  }
}

TEST(VaultEnvironment, LoosensNothing) {
  auto plain = database_world();
  plain.variables["VAULT_ADDR"] = "http://127.0.0.1:8200";
  auto root = database_world();
  root.on("GET auth/token/lookup-self", {ok(replies::lookup_root)});
  const std::pair<VaultWorld*, const char*> cases[] = {{&plain, "vault:database/creds/app"},
                                                       {&root, "vault:database/creds/app"}};
  for (const auto& [world, text] : cases) {
    for (const auto* name :
         {"SALLYPORT_VAULT_INSECURE_REASON", "SALLYPORT_ALLOW_ROOT_TOKEN", "SALLYPORT_VAULT_ADDRS"}) {
      world->variables[name] = "https://b:8200";
    }
    EXPECT_EQ(refused_by(*world, *open_vault(text)).code, ErrorCode::bad_config) << text;
    for (const auto& name : world->read) EXPECT_FALSE(name.starts_with("SALLYPORT_")) << name;
  }
}

TEST(VaultAddress, MalformedOnesAreRefusedUnquoted) {
  for (const auto* address :
       {"vault:8200", "ftp://vault", "https://", "https://u:canary@vault", "https://vault/v1",
        "https://vault?x", "https://vault:0", "https://vault:99999", "https://vault:80x", "https://[::1",
        "https://[]", "https://va ult", "https://vault#x", "canary"}) {
    auto world = database_world();
    world.variables["VAULT_ADDR"] = address;
    const auto error = refused_by(world, *open_vault("vault:database/creds/app"));
    EXPECT_EQ(error.code, ErrorCode::bad_config) << address;
    EXPECT_EQ(describe(error).find("canary"), std::string::npos);
    EXPECT_TRUE(world.seen.empty());
  }
}

TEST(VaultAddress, AReferencesOwnComesBeforeTheEnvironments) {
  for (const auto* variable : {"https://other:8200", ""}) {
    auto world = database_world();
    world.variables["VAULT_ADDR"] = variable;
    fetched_by(world, *open_vault("vault:database/creds/app?addr=https://VAULT:8200/"));
    EXPECT_FALSE(world.seen.empty());
    for (const auto& request : world.seen)
      EXPECT_NE(request.line.find(" https://vault:8200/"), std::string::npos) << request.line;
  }
}

// ---- who we are there -----------------------------------------------------------------------------

TEST(VaultToken, IsLookedForInTheDocumentedOrder) {
  auto world = database_world();
  world.files = {
      {"/t/attribute", "s.attribute\n"}, {"/t/variable", "s.variable"}, {"/home/u/.vault-token", "s.home"}};
  world.variables["HOME"] = "/home/u";
  fetched_by(world, *open_vault("vault:database/creds/app?token_file=/t/attribute"));
  EXPECT_EQ(world.seen.back().token, "s.attribute");

  world.variables["VAULT_TOKEN_FILE"] = "/t/variable";
  fetched_by(world, *open_vault("vault:database/creds/app"));
  EXPECT_EQ(world.seen.back().token, "s.canary-token");

  world.variables.erase("VAULT_TOKEN");
  fetched_by(world, *open_vault("vault:database/creds/app"));
  EXPECT_EQ(world.seen.back().token, "s.variable");

  world.variables.erase("VAULT_TOKEN_FILE");
  fetched_by(world, *open_vault("vault:database/creds/app"));
  EXPECT_EQ(world.seen.back().token, "s.home");

  world.files.clear();
  world.variables["VAULT_ROLE_ID"] = "role";
  world.variables["VAULT_SECRET_ID"] = "secret";
  world.on("POST auth/approle/login", {ok(replies::login)});
  fetched_by(world, *open_vault("vault:database/creds/app"));
  EXPECT_EQ(world.seen.back().token, "s.canary-own-1");

  world.variables.erase("VAULT_ROLE_ID");
  EXPECT_EQ(refused_by(world, *open_vault("vault:database/creds/app")).code, ErrorCode::bad_config);
}

TEST(VaultToken, MalformedOnesAreNotSent) {
  for (const auto& token : {std::string("  "), std::string("a b"), std::string("a\nb"), std::string("a\x01"),
                            std::string(9000, 'a')}) {
    auto world = database_world();
    world.variables["VAULT_TOKEN"] = token;
    EXPECT_EQ(refused_by(world, *open_vault("vault:database/creds/app")).code, ErrorCode::bad_config);
    EXPECT_TRUE(world.seen.empty());
  }
}

TEST(VaultToken, ARootTokenIsRefusedUnlessAllowed) {
  auto world = database_world();
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_root)});
  const auto error = refused_by(world, *open_vault("vault:database/creds/app"));
  EXPECT_EQ(error.code, ErrorCode::bad_config);
  EXPECT_NE(error.what.find("root token"), std::string::npos);
  EXPECT_EQ(world.seen.size(), 1U);

  auto session = open_vault("vault:database/creds/app?allow_root_token=true");
  fetched_by(world, *session);
  EXPECT_NE(session->warnings().front().find("root token"), std::string::npos);

  const auto by_flag = secrets::vault_source({.allow_root_token = true});
  fetched_by(world, **by_flag->open(*secrets::parse_reference("vault:database/creds/app"), {}));
}

TEST(VaultToken, OneThatMayNotLookAtItselfStillFetches) {
  auto world = database_world();
  world.on("GET auth/token/lookup-self", {refusal(403, replies::permission_denied_by_policy)});
  EXPECT_EQ(fetched_by(world, *open_vault("vault:database/creds/app")).credential.lease->accessor, "");
}

TEST(VaultToken, OneThatIsRefusedEverywhereIsCalledInvalid) {
  auto world = database_world();
  for (const auto* path : {"GET auth/token/lookup-self", "GET sys/internal/ui/mounts/database/creds/app",
                           "GET database/creds/app"}) {
    world.on(path, {refusal(403, replies::permission_denied)});
  }
  const auto error = refused_by(world, *open_vault("vault:database/creds/app"));
  EXPECT_EQ(error.code, ErrorCode::denied);
  EXPECT_NE(error.what.find("not valid"), std::string::npos) << error.what;
}

TEST(VaultToken, ANewOneInTheFileIsTriedOnce) {
  auto world = database_world();
  world.variables.erase("VAULT_TOKEN");
  world.variables["VAULT_TOKEN_FILE"] = "/t";
  world.files["/t"] = "s.old";
  auto session = open_vault("vault:database/creds/app");
  fetched_by(world, *session);

  world.on("GET database/creds/app", {refusal(403, replies::permission_denied), ok(replies::creds)});
  world.files["/t"] = "s.new";
  fetched_by(world, *session);
  EXPECT_EQ(world.seen.back().token, "s.new");

  world.on("GET database/creds/app", {refusal(403, replies::permission_denied)});
  const auto before = world.seen.size();
  EXPECT_EQ(refused_by(world, *session).code, ErrorCode::denied);  // the same token again
  EXPECT_LE(world.seen.size() - before, 2U);
}

}  // namespace
}  // namespace sallyport::vault_fetch_test
