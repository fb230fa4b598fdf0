// Vault's database engine: the difference, and making it.
#include "secrets/json_writer.h"
#include "secrets/vault/engine/engine.h"
#include "test/secrets/vault_engine_sample.h"
#include "test/secrets/vault_world.h"

#include <algorithm>

namespace sallyport::secrets::vault::engine::vault_engine_test {
namespace {

std::string json_list(const std::vector<std::string>& list) {
  JsonWriter writer;
  writer.list("list", list);
  const auto text = writer.finish();
  const auto seen = text.reveal();
  return std::string{seen.substr(8, seen.size() - 9)};  // {"list":[…]}
}

std::string role_reply(const DynamicRole& role) {
  return R"({"data":{"credential_type":"password","db_name":")" + role.connection +
         R"(","creation_statements":)" + json_list(role.creation) + R"(,"revocation_statements":)" +
         json_list(role.revocation) + R"(,"renew_statements":)" + json_list(role.renew) +
         R"(,"rollback_statements":)" + json_list(role.rollback) + R"(,"default_ttl":)" +
         std::to_string(role.default_seconds) + R"(,"max_ttl":)" + std::to_string(role.seconds_max) + "}}";
}

constexpr const char* connection_reply =
    R"({"data":{"allowed_roles":["fixed","app"],"connection_details":{"connection_url":"postgresql://{{username}}:{{password}}@db:5432/app?sslmode=verify-full","username":"vault_admin"},"plugin_name":"postgresql-database-plugin"}})";

constexpr const char* static_reply =
    R"({"data":{"credential_type":"password","db_name":"production","rotation_period":3600,"rotation_statements":[],"username":"reporting"}})";

constexpr const char* allowed_everything =
    R"({"data":{"database/config/production":["create","update"],"database/roles/app":["create","update"],"database/static-roles/fixed":["create","update"],"database/rotate-root/production":["update"],"sys/mounts/database":["update"]}})";

constexpr const char* unmounted =
    R"({"errors":["no handler for route \"database/config/production\". route entry not found."]})";

/// A Vault that has all of sample().
VaultWorld full_world() {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/database", {ok(replies::mount_database)});
  world.on("GET database/config/production", {ok(connection_reply)});
  world.on("GET database/roles/app", {ok(role_reply(sample().roles.at("app")))});
  world.on("GET database/static-roles/fixed", {ok(static_reply)});
  world.on("GET database/config?list=true", {ok(R"({"data":{"keys":["production"]}})")});
  world.on("GET database/roles?list=true", {ok(R"({"data":{"keys":["app","legacy"]}})")});
  world.on("POST sys/capabilities-self", {ok(allowed_everything)});
  for (const auto* path : {"sys/mounts/database", "database/config/production", "database/roles/app",
                           "database/static-roles/fixed", "database/rotate-root/production"}) {
    world.on(std::string{"POST "} + path, {refusal(204, "")});
  }
  return world;
}

class Vault {
 public:
  explicit Vault(VaultWorld& world, const Wanted& wanted = sample())
      : world_(world), objects_(objects_of(wanted)) {
    auto session = Session::open(*parse_reference("vault:database"), {});
    session_ = std::move(*session);
  }

  Result<Plan> plan() {
    auto read = session_->read(objects_);
    if (auto done = world_.run(*read); !done) return std::move(done).error();
    return read->take();
  }

  Result<void> apply(Plan plan, std::vector<std::string> rotate = {}) {
    Order order;
    order.objects = objects_;
    for (const auto& name : needs_password(plan))
      order.passwords.emplace(name, Secret::copy_of("canary-admin"));
    order.plan = std::move(plan);
    order.rotate_root = std::move(rotate);
    world_.seen.clear();
    auto apply = session_->apply(std::move(order));
    auto done = world_.run(*apply);
    made = apply->made();
    return done;
  }

  std::vector<std::string> made;

 private:
  VaultWorld& world_;
  std::vector<Object> objects_;
  std::unique_ptr<Session> session_;
};

std::vector<std::string> writes(const VaultWorld& world) {
  std::vector<std::string> out;
  for (const auto& request : world.seen) {
    const auto path = request.line.substr(request.line.find("/v1/") + 4);
    if (request.line.starts_with("POST") && path != "sys/capabilities-self") out.push_back(path);
  }
  return out;
}

TEST(VaultPlan, WhatIsAsWantedIsKept) {
  auto world = full_world();
  const auto plan = Vault{world}.plan();
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_TRUE(plan->nothing_to_do());
  EXPECT_EQ(plan->changes.size(), 3u);
  EXPECT_EQ(plan->unmanaged, std::vector<std::string>{"role legacy"});
  EXPECT_TRUE(writes(world).empty());
}

TEST(VaultPlan, NamesEachFieldThatDiffers) {
  auto world = full_world();
  world.on("GET database/roles/app",
           {ok(R"({"data":{"db_name":"production","creation_statements":"A; B","default_ttl":"7200"}})")});
  const auto plan = Vault{world}.plan();
  ASSERT_TRUE(plan) << describe(plan.error());
  const auto& change = plan->changes[1];
  EXPECT_EQ(change.effect, Effect::change);
  std::vector<std::string> fields;
  for (const auto& difference : change.differences) fields.push_back(difference.field);
  EXPECT_EQ(fields,
            (std::vector<std::string>{"creation_statements", "revocation_statements", "renew_statements",
                                      "rollback_statements", "default_ttl", "max_ttl"}));
  EXPECT_EQ(*change.differences[0].before, (Field::Value{std::vector<std::string>{"A; B"}}));
  EXPECT_EQ(*change.differences[4].before, (Field::Value{std::int64_t{7'200}}));
  EXPECT_FALSE(change.differences[5].before);
}

TEST(VaultPlan, WhatMayHoldAPasswordIsNeverCopied) {
  for (const auto* url :
       {"root:canary-x@tcp(h)/", "postgresql://u:canary-x@h/d", "host=h password=canary-x",
        "postgresql://{{username}}:{{password}}@h/d?password=canary-x",
        "postgresql://{{username}}:canary-x@h/d", "x{{username}}:{{password}}@canary-x:y@h"}) {
    auto world = full_world();
    world.on("GET database/config/production",
             {ok(R"({"data":{"plugin_name":"p","connection_details":{"connection_url":")" + std::string{url} +
                 R"("}}})")});
    world.on(
        "GET database/roles/app",
        {ok(R"({"data":{"db_name":"production","creation_statements":["A","CREATE ROLE x PASSWORD 'canary-x'"]}})")});
    const auto plan = Vault{world}.plan();
    ASSERT_TRUE(plan) << describe(plan.error());
    for (const auto& change : {plan->changes[0], plan->changes[1]}) {
      const auto& found = *std::ranges::find_if(change.differences, [](const auto& difference) {
        return difference.field == "connection_url" || difference.field == "creation_statements";
      });
      EXPECT_TRUE(found.hidden && !found.before) << url;
    }
  }
}

TEST(VaultPlan, AStaticRoleOfAnotherUserIsImpossible) {
  auto world = full_world();
  auto wanted = sample();
  wanted.static_roles.at("fixed").username = "other";
  const auto plan = Vault{world, wanted}.plan();
  ASSERT_TRUE(plan);
  EXPECT_NE(plan->changes[2].impossible.find("vault delete database/static-roles/fixed"), std::string::npos);
}

TEST(VaultPlan, AnotherEngineIsRefusedAndAMissingOneIsAdded) {
  auto world = full_world();
  world.on("GET sys/internal/ui/mounts/database", {ok(replies::mount_kv2)});
  const auto refused = Vault{world}.plan();
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().what, "another engine than database is mounted there");

  auto empty = full_world();
  empty.on("GET sys/internal/ui/mounts/database", {refusal(403, replies::mount_forbidden)});
  for (const auto* path : {"config/production", "roles/app", "static-roles/fixed"})
    empty.on(std::string{"GET database/"} + path, {refusal(404, unmounted)});
  Vault vault{empty};
  auto plan = vault.plan();
  ASSERT_TRUE(plan) << describe(plan.error());
  EXPECT_TRUE(plan->mount_missing);
  ASSERT_TRUE(vault.apply(std::move(*plan)));
  EXPECT_EQ(writes(empty), (std::vector<std::string>{"sys/mounts/database", "database/config/production",
                                                     "database/roles/app", "database/static-roles/fixed"}));
}

/// A key-value engine would keep the admin's password, for whoever may read there.
TEST(VaultPlan, WhereVaultHidesWhatIsMountedNothingIsPlanned) {
  auto world = full_world();
  world.on("GET sys/internal/ui/mounts/database", {refusal(403, replies::mount_forbidden)});
  world.on("GET database/config/production", {refusal(404, replies::nothing)});
  const auto plan = Vault{world}.plan();
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().what, "Vault does not tell which engine is mounted there");
}

TEST(VaultPlan, ADeniedTokenIsToldThePolicy) {
  auto world = full_world();
  world.on("GET database/roles/app", {refusal(403, replies::permission_denied)});
  const auto plan = Vault{world}.plan();
  ASSERT_FALSE(plan);
  EXPECT_EQ(plan.error().where, "vault:database/roles/app");
  for (const auto* line :
       {R"(path "database/config/production" { capabilities = ["create", "read", "update"] })",
        R"(path "database/static-roles" { capabilities = ["list"] })"}) {
    EXPECT_NE(plan.error().hint.find(line), std::string::npos) << plan.error().hint;
  }
}

TEST(VaultApply, ThePasswordIsSentWhereVaultHasNoneAndNowhereElse) {
  auto fresh = full_world();
  fresh.on("GET database/config/production", {refusal(404, replies::nothing)});
  Vault first{fresh};
  ASSERT_TRUE(first.apply(*first.plan()));
  EXPECT_NE(fresh.seen[1].body.find(R"("password":"canary-admin")"), std::string::npos);
  EXPECT_NE(fresh.seen[1].body.find(R"("verify_connection":true)"), std::string::npos);

  auto changed = full_world();
  auto wanted = sample();
  wanted.connections.at("production").open_connections_max = 4;
  Vault second{changed, wanted};
  ASSERT_TRUE(second.apply(*second.plan()));
  EXPECT_EQ(writes(changed), std::vector<std::string>{"database/config/production"});
  for (const auto& request : changed.seen) EXPECT_EQ(request.body.find("canary"), std::string::npos);

  auto other = full_world();
  wanted.connections.at("production").username = "another";
  Vault third{other, wanted};
  ASSERT_TRUE(third.apply(*third.plan()));
  EXPECT_NE(other.seen[1].body.find("canary-admin"), std::string::npos);
}

TEST(VaultApply, WhatIsNoLongerAllowedIsTakenAwayLast) {
  auto world = full_world();
  auto wanted = sample();
  wanted.connections.at("production").allowed_roles = {"app", "new"};
  wanted.roles.at("app").default_seconds = 60;
  Vault vault{world, wanted};
  ASSERT_TRUE(vault.apply(*vault.plan(), {"production"}));
  EXPECT_EQ(vault.made,
            (std::vector<std::string>{"connection production", "role app", "allowed_roles of production",
                                      "root password of production"}));
  EXPECT_NE(world.seen[1].body.find(R"("allowed_roles":["app","new","fixed"])"), std::string::npos)
      << world.seen[1].body;
  EXPECT_EQ(world.seen[3].body, R"({"allowed_roles":["app","new"],"verify_connection":true})");
}

TEST(VaultApply, WhatThePoliciesDoNotAllowIsSaidBeforeTheFirstWrite) {
  auto world = full_world();
  auto wanted = sample();
  wanted.roles.at("app").default_seconds = 60;
  world.on("POST sys/capabilities-self", {ok(R"({"data":{"database/roles/app":["read","create"]}})")});
  Vault vault{world, wanted};
  const auto done = vault.apply(*vault.plan());
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().hint.find(R"(path "database/roles/app" { capabilities = ["update"] })"),
            std::string::npos);
  EXPECT_TRUE(writes(world).empty());
}

TEST(VaultApply, ARotationIsNotRepeatedBlindly) {
  auto world = full_world();
  world.on("POST database/rotate-root/production", {refusal(503, "")});
  Vault vault{world};
  ASSERT_FALSE(vault.apply(*vault.plan(), {"production"}));
  EXPECT_EQ(writes(world), std::vector<std::string>{"database/rotate-root/production"});
}

TEST(VaultApply, AFailureAtAnyStepIsAnErrorAndTellsNoSecret) {
  for (int step = 1; step < 40; ++step) {
    auto world = full_world();
    world.on("GET database/config/production", {refusal(404, replies::nothing)});
    world.on("GET database/roles/app", {refusal(404, replies::nothing)});
    Vault vault{world};
    auto plan = vault.plan();
    ASSERT_TRUE(plan);
    Order order;
    order.objects = objects_of(sample());
    order.passwords.emplace("production", Secret::copy_of("canary-admin"));
    order.plan = std::move(*plan);
    auto session = Session::open(*parse_reference("vault:database"), {});
    auto apply = (*session)->apply(std::move(order));
    const auto done = world.run(*apply, step, ErrorCode::denied);
    if (world.steps < step) break;
    if (done) continue;  // questions that may fail
    EXPECT_EQ(describe(done.error()).find("canary"), std::string::npos);
    EXPECT_TRUE(done.error().where.starts_with("vault:")) << done.error().where;
  }
}

}  // namespace
}  // namespace sallyport::secrets::vault::engine::vault_engine_test
