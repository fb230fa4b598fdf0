// The worlds in which each registered source works. A new source adds at least one here: a scheme without any fails
// the suite.
#pragma once

#include "secrets/source.h"
#include "test/contract/aws_fixtures.h"
#include "test/contract/azure_fixtures.h"
#include "test/contract/gcp_fixtures.h"
#include "test/contract/kubernetes_fixtures.h"
#include "test/contract/source_world.h"
#include "test/contract/vault_login_fixtures.h"
#include "test/secrets/vault_replies.h"

#include <string_view>
#include <vector>

namespace sallyport::contract {

struct SourceFixture {
  std::string_view name;
  std::string_view reference;  ///< its scheme is the source's
  SourceWorld world;           ///< in which `reference` yields the password "canary-password"
  /// Beginnings of the requests that may fail for good and the conversation still ends well. All others must not.
  std::vector<std::string_view> may_fail;
  secrets::Purpose purpose = {};  ///< for what is signed for one host and user
  bool signed_here = false;       ///< its secret is a signature of ours, and differs each time
};

inline constexpr std::string_view pair = R"({"username":"app","password":"canary-password"})";

inline SourceFixture file_fixture() {
  SourceFixture fixture{"file", "file:/run/secrets/db", {}, {}};
  fixture.world.files["/run/secrets/db"] = pair;
  return fixture;
}

inline SourceFixture env_fixture() {
  SourceFixture fixture{"env", "env:DB", {}, {}};
  fixture.world.variables["DB"] = pair;
  return fixture;
}

inline SourceFixture systemd_fixture() {
  SourceFixture fixture{"systemd", "systemd:db", {}, {}};
  fixture.world.variables["CREDENTIALS_DIRECTORY"] = "/run/credentials/a.service";
  fixture.world.files["/run/credentials/a.service/db"] = pair;
  return fixture;
}

inline SourceFixture exec_fixture() {
  SourceFixture fixture{"exec", "exec:/usr/bin/pass show db", {}, {}};
  fixture.world.programs["/usr/bin/pass"] = pair;
  return fixture;
}

inline SourceFixture vault_fixture() {
  SourceFixture fixture{"vault", "vault:database/creds/app", {}, {}};
  auto& world = fixture.world;
  world.variables["VAULT_ADDR"] = "https://vault:8200";
  world.variables["VAULT_TOKEN"] = "s.canary-token";
  const std::string at = "https://vault:8200/v1/";
  world.http["GET " + at + "auth/token/lookup-self"] = {200, replies::lookup_self};
  world.http["GET " + at + "sys/internal/ui/mounts/database/creds/app"] = {200, replies::mount_database};
  world.http["GET " + at + "database/creds/app"] = {200, replies::creds};
  world.http["POST " + at + "sys/capabilities-self"] = {200, replies::capabilities};
  world.http["POST " + at + "sys/leases/renew"] = {200, replies::renewed};
  world.http["POST " + at + "sys/leases/revoke"] = {204, ""};
  // A credential that is there is not lost because a question about it failed.
  fixture.may_fail = {"POST https://vault:8200/v1/sys/capabilities-self"};
  return fixture;
}

inline constexpr std::string_view may_revoke =
    R"({"data":{"auth/token/revoke-self":["update"],"sys/leases/renew":["update"],"sys/leases/revoke":["update"]}})";

/// A token of our own: it has a keep-alive and an end. The secret_id comes out of a file.
inline SourceFixture approle_fixture() {
  auto fixture = vault_fixture();
  fixture.name = "vault_approle";
  fixture.reference = "vault:database/creds/app?role_id=role&secret_id_file=/run/secret_id";
  auto& world = fixture.world;
  world.variables.erase("VAULT_TOKEN");
  world.files["/run/secret_id"] = "canary-secret-id";
  const std::string at = "https://vault:8200/v1/";
  world.http["POST " + at + "auth/approle/login"] = {200, replies::login};
  world.http["POST " + at + "auth/token/renew-self"] = {200, replies::login};
  world.http["POST " + at + "auth/token/revoke-self"] = {204, ""};
  world.http["POST " + at + "sys/capabilities-self"] = {200, may_revoke};
  return fixture;
}

inline SourceFixture kv_fixture() {
  auto fixture = vault_fixture();
  fixture.name = "vault_kv";
  fixture.reference = "vault:secret/prod/db";
  const std::string at = "https://vault:8200/v1/";
  fixture.world.http["GET " + at + "sys/internal/ui/mounts/secret/prod/db"] = {200, replies::mount_kv2};
  fixture.world.http["GET " + at + "secret/data/prod/db"] = {200, replies::kv2};
  return fixture;
}

inline SourceFixture kubernetes_fixture() {
  return {"k8s", "k8s:prod/db", kubernetes_world(), {"variable "}};
}

inline SourceFixture kubernetes_key_fixture() {
  return {"k8s_own_namespace", "k8s:db#password", kubernetes_world(), {"variable "}};
}

/// Of the chain's questions most may fail, and the next provider is asked.
inline std::vector<SourceFixture> aws_fixtures() {
  const std::vector<std::string_view> may_fail{"variable ", "file "};
  const secrets::Purpose purpose{"postgresql", {{"db.c1.eu-west-1.rds.amazonaws.com", 5432}}, "app"};
  return {{"aws_sm", "aws-sm:prod/db", aws_world(), may_fail},
          {"aws_ssm", "aws-ssm:/prod/db", aws_world(), may_fail},
          {"aws_rds", "aws-rds-iam:", aws_world(), may_fail, purpose, true},
          {"aws_rds_container", "aws-rds-iam:", aws_container_world(), may_fail, purpose, true}};
}

inline std::vector<SourceFixture> all_fixtures() {
  std::vector<SourceFixture> all{file_fixture(), env_fixture(),        systemd_fixture(),
                                 exec_fixture(), vault_fixture(),      approle_fixture(),
                                 kv_fixture(),   kubernetes_fixture(), kubernetes_key_fixture()};
  for (auto& one : aws_fixtures()) all.push_back(std::move(one));
  for (auto& [name, reference, world] : azure_worlds()) {
    all.push_back({name, reference, std::move(world), {"variable "}});
  }
  for (auto& [name, reference, world] : gcp_worlds()) {
    all.push_back({name, reference, std::move(world), {"variable "}});
  }
  const auto approle = approle_fixture();
  for (auto& [name, reference, world] : login_worlds(approle.world, replies::login)) {
    all.push_back({name, reference, std::move(world), approle.may_fail});
    all.back().may_fail.emplace_back("variable AZURE_");
  }
  return all;
}

}  // namespace sallyport::contract
