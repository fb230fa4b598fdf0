// threats 1, 3 and 14: what a reference from the environment may not say, and may be said on the command line.
#include "cli/environment_reference.h"

#include "cli/exec_target.h"
#include "secrets/attributes.h"
#include "secrets/schemes.h"
#include "secrets/source.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

namespace sallyport::environment_reference_test {
namespace {

constexpr auto now = WallTime{std::chrono::seconds{1'700'000'000}};

/// Empty: accepted.
std::string refusal(const std::string& text) {
  const auto checked =
      cli::check_environment_reference("DATABASE_URL", text, cli::fix_for_exec("DATABASE_URL"));
  if (checked) return {};
  EXPECT_EQ(checked.error().code, ErrorCode::bad_config) << text;
  EXPECT_EQ(checked.error().hop, Hop::config) << text;
  EXPECT_EQ(checked.error().where, "DATABASE_URL") << text;
  EXPECT_NE(checked.error().hint.find("-e DATABASE_URL="), std::string::npos) << checked.error().hint;
  EXPECT_NE(checked.error().hint.find("sallyport.yaml"), std::string::npos) << checked.error().hint;
  EXPECT_EQ(describe(checked.error()).find('\n'), std::string::npos) << "one line";
  return checked.error().what;
}

TEST(EnvironmentReference, MayWeakenNothing) {
  struct Row {
    const char* text;
    const char* names;
  };
  const Row rows[] = {
      {"file:/p?host=h&sslmode=require&tls_reason=old&tls_until=2023-12-31", "sslmode=require"},
      {"file:/p?host=h&sslmode=verify-ca&tls_reason=old&tls_until=2023-12-31", "sslmode=verify-ca"},
      {"file:/p?host=h&sslmode=disable&tls_reason=old&tls_until=2023-12-31", "sslmode=disable"},
      {"file:/p?host=h&tls_reason=old", "tls_reason"},
      {"file:/p?host=h&tls_until=2023-12-31", "tls_until"},
      {"file:/p?host=h&login_methods=md5&login_reason=old", "login_methods"},
      {"file:/p?host=h&login_reason=old", "login_reason"},
      {"file:/p?host=h&allow_world_readable=true", "allow_world_readable"},
      {"vault:database/creds/app?host=h&allow_root_token=true", "allow_root_token"},
      {"vault:database/creds/app?host=h&insecure_reason=test", "insecure_reason"},
      {"vault:database/creds/app?host=h&insecure_reason=false", "insecure_reason"},
      {"vault:database/creds/app?host=h&redirect_to=https://evil:8200", "redirect_to"},
      {"vault:database/creds/app?host=h&addr=https://evil:8200&token_file=/home/u/.vault-token", "addr"},
      {"exec:/bin/true?host=h", "exec:"},
      {"k8s:prod/db?host=h&server=https://evil:6443", "server"},
      {"k8s:prod/db?host=h&token_file=/t", "token_file"},
      {"k8s:prod/db?host=h&ca_file=/ca", "ca_file"},
      {"azure-kv:v/s?host=h&authority=https://evil", "authority"},
      {"azure-kv:v/s?host=h&vault_url=https://evil", "vault_url"},
      {"azure-kv:v/s?host=h&ca_file=/ca", "ca_file"},
      {"azure-kv:v/s?host=h&az_path=/tmp/az", "az_path"},
      {"azure-entra:?host=s.postgres.database.azure.com&authority=https://evil", "authority"},
      {"gcp-sm:p/s?host=h&endpoint=https://evil", "endpoint"},
      {"gcp-cloudsql-iam:?instance=p:r:i&endpoint=https://evil", "endpoint"},
      {"aws-rds-iam:?host=h&user=u&sign_host=other", "sign_host"},
  };
  for (const auto& [text, names] : rows) {
    const auto reference = secrets::parse_reference(text);
    ASSERT_TRUE(reference) << text;
    EXPECT_NE(refusal(text).find(names), std::string::npos) << text << ": " << refusal(text);
  }
}

// What may stand there, written down a second time: a new attribute is refused until it is in its source's table as one that
// selects, and here.
TEST(EnvironmentReference, OnlyTheseAttributesOfASourceMayStandThere) {
  const std::map<std::string_view, std::set<std::string_view>> allowed{
      {"vault",
       {"version", "auth", "mount", "namespace", "shape", "token_file", "role_id", "role_id_file",
        "secret_id_file", "secret_id_wrapped", "role", "jwt_file", "client_cert", "client_key", "username",
        "password_file", "client_id", "region", "profile"}},
      {"file", {"shape"}},
      {"env", {"shape"}},
      {"systemd", {"shape"}},
      {"exec", {}},
      {"aws-sm", {"region", "profile", "stage", "version", "shape"}},
      {"aws-ssm", {"region", "profile", "shape"}},
      {"aws-rds-iam", {"region", "profile"}},
      {"gcp-sm", {"shape"}},
      {"gcp-cloudsql-iam", {"instance", "ip_type"}},
      {"azure-kv", {"tenant", "client_id", "object_id", "msi_res_id", "credential", "shape"}},
      {"azure-entra", {"tenant", "client_id", "object_id", "msi_res_id", "credential"}},
      {"k8s", {"shape"}},
  };
  const std::map<std::string_view, std::string> complete{
      {"gcp-cloudsql-iam", "gcp-cloudsql-iam:?instance=p:r:i&"},
      {"azure-entra", "azure-entra:?host=a.postgres.database.azure.com&"}};
  const auto sources = secrets::register_all();
  ASSERT_EQ(sources.all().size(), allowed.size());
  for (const auto* source : sources.all()) {
    std::string example{secrets::find_scheme(source->scheme())->example};
    const auto found = complete.find(source->scheme());
    const auto base = found != complete.end() ? found->second : example.substr(0, example.find('#')) + "?";
    for (const auto& attribute : source->attributes()) {
      if (base.find(std::string{attribute.name} + "=") != std::string::npos) continue;  // is there already
      const bool may = allowed.at(source->scheme()).contains(attribute.name);
      EXPECT_EQ(refusal(base + std::string{attribute.name} + "=x").empty(), may) << base << attribute.name;
    }
  }
}

TEST(EnvironmentReference, SendsATokenToItsCloudOnly) {
  for (const auto* text : {
           "azure-entra:?host=evil.example.com&user=u",
           "azure-entra:?host=10.0.0.1&user=u",
           "azure-entra:?host=postgres.database.azure.com.evil.example&user=u",
           "azure-entra:?host=a.postgres.database.azure.com,evil.example.com&user=u",
           "azure-entra:?host=v.vault.azure.net&user=u",
           "azure-entra:?host=a.postgres.database.azure.com&user=u&scope=https://vault.azure.net/.default",
           "azure-entra:?host=a.postgres.database.azure.com&user=u&sslrootcert=/ca.pem",
           "azure-entra:?host=a.postgres.database.azure.com&user=u&server_name=evil.example.com",
           "gcp-cloudsql-iam:?host=10.0.0.3&dbname=d",
           "gcp-cloudsql-iam:?instance=&host=evil.example.com&user=u",
           "aws-rds-iam:?host=db.abc.eu-west-1.rds.amazonaws.com&user=u&server_name=evil.example.com",
           "vault:database/creds/app?host=h&auth=aws&iam_server_id=vault.example.com",
           "gcp-cloudsql-iam:?instance=p:r:i&dbname=d&sslrootcert=/ca.pem",
           "vault:database/creds/app?host=h&auth=azure&resource=https://management.azure.com",
       }) {
    EXPECT_NE(refusal(text).find("token"), std::string::npos) << text << ": " << refusal(text);
  }
  for (const auto* text :
       {"azure-entra:?host=shop.postgres.database.azure.com&user=u",
        "azure-entra:?host=a.Postgres.Database.Azure.com,b.postgres.database.azure.com&user=u",
        "azure-entra:?host=s.postgres.database.chinacloudapi.cn&user=u&client_id=c",
        "gcp-cloudsql-iam:?instance=p:r:i&dbname=d",
        "aws-rds-iam:?host=db.example.com&user=u&sslrootcert=/rds.pem"}) {
    EXPECT_EQ(refusal(text), "") << text;
  }
}

TEST(EnvironmentReference, AnAttributesNameIsNotWrittenInAnotherWay) {
  EXPECT_FALSE(
      secrets::parse_reference("file:/p?host=h&sslm%6fde=disable&tls_reason=old&tls_until=2023-12-31"));
}

TEST(EnvironmentReference, TheValuesOfItsAttributesAreNotRepeated) {
  EXPECT_EQ(refusal("file:/p?host=h&login_reason=canary-4711").find("canary"), std::string::npos);
}

TEST(EnvironmentReference, MaySayWhereAndWhich) {
  for (const auto* text : {
           "vault:database/creds/app?engine=postgresql&host=h&port=5433&dbname=d&user=u&run_as=r&namespace=n",
           "file:/p?host=h&sslmode=verify-full&sslrootcert=/ca&sslcrl=/crl&sslcert=/c&sslkey=/"
           "k&server_name=n",
           "file:/p?host=h&allow_world_readable=false&dialect=pgx&shape=password",
           "vault:database/creds/app?host=h&allow_root_token=false&token_file=/t",
       }) {
    EXPECT_EQ(refusal(text), "") << text;
  }
}

TEST(EnvironmentReference, WhatIsNoModeIsLeftToWhoeverReadsModes) {
  constexpr const char* text = "file:/p?host=h&sslmode=prefer";
  EXPECT_EQ(refusal(text), "");
  EXPECT_FALSE(cli::target_from_text("DATABASE_URL", text, std::nullopt, "", now));
}

TEST(EnvironmentReference, OnTheCommandLineTheSameIsAllowed) {
  for (const auto* text : {"file:/p?host=h&sslmode=require&tls_reason=old&tls_until=2023-12-31",
                           "file:/p?host=h&login_methods=md5&login_reason=old", "exec:/bin/true?host=h",
                           "file:/p?host=h&allow_world_readable=true"}) {
    EXPECT_NE(refusal(text), "") << text;
    const auto made = cli::target_from_text("DATABASE_URL", text, std::nullopt, "", now);
    EXPECT_TRUE(made) << text << ": " << describe(made.error());
  }
}

}  // namespace
}  // namespace sallyport::environment_reference_test
