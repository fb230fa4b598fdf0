// Logging in to a Vault in memory by each method: what is sent where, what is kept, and what a wrapped secret id survives.
#include "crypto/hash.h"
#include "secrets/aws/sigv4.h"
#include "secrets/json.h"
#include "test/secrets/vault_world.h"

#include <gtest/gtest.h>

namespace sallyport::vault_auth_test {
namespace {

constexpr std::string_view wrapped_at =
    R"({"data":{"creation_path":"auth/approle/role/app/secret-id","creation_time":"2026-11-30T06:00:00Z","creation_ttl":60}})";
constexpr std::string_view unwrapped = R"({"data":{"secret_id":"canary-inside","secret_id_accessor":"a"}})";
constexpr std::string_view not_valid = R"({"errors":["wrapping token is not valid or does not exist"]})";

/// Without a token, with `path` as the login.
VaultWorld login_world(const std::string& path) {
  auto world = approle_world();
  world.variables = {{"VAULT_ADDR", "https://vault:8200"}};
  world.on("POST " + path, {ok(replies::login), ok(replies::second_login)});
  return world;
}

Result<secrets::Fetched> fetch(VaultWorld& world, secrets::SourceSession& session) {
  auto conversation = session.fetch();
  auto done = world.run(*conversation);
  if (!done) return std::move(done).error();
  return conversation->take();
}

Seen login_of(const VaultWorld& world) {
  for (const auto& seen : world.seen) {
    if (seen.line.starts_with("POST https://vault:8200/v1/auth/") && seen.token.empty()) return seen;
  }
  return {};
}

struct Method {
  std::string query;
  std::string path;
  std::string body;
};

TEST(VaultLogin, EachMethodSendsWhatItsDocumentationSays) {
  const Method methods[] = {
      {"auth=kubernetes&role=app", "auth/kubernetes/login", R"({"role":"app","jwt":"a.b.c"})"},
      {"auth=kubernetes&role=app&mount=k8s/eu", "auth/k8s/eu/login", R"({"role":"app","jwt":"a.b.c"})"},
      {"auth=jwt&role=app&jwt_file=/run/jwt", "auth/jwt/login", R"({"role":"app","jwt":"d.e.f"})"},
      {"auth=jwt&mount=oidc&jwt_file=/run/jwt", "auth/oidc/login", R"({"jwt":"d.e.f"})"},
      {"auth=cert&client_cert=/run/c.pem&client_key=/run/k.pem", "auth/cert/login", "{}"},
      {"auth=cert&role=app&client_cert=/run/c.pem&client_key=/run/k.pem", "auth/cert/login",
       R"({"name":"app"})"},
      {"auth=userpass&username=app&password_file=/run/pw", "auth/userpass/login/app",
       R"({"password":"canary \"pw"})"},
  };
  for (const auto& method : methods) {
    auto world = login_world(method.path);
    world.files = {{"/var/run/secrets/kubernetes.io/serviceaccount/token", "a.b.c\n"},
                   {"/run/jwt", "d.e.f\n"},
                   {"/run/pw", "canary \"pw\n"},
                   {"/run/c.pem", "-----BEGIN CERTIFICATE-----\nx"},
                   {"/run/k.pem", "canary-key"}};
    const auto session = open_vault("vault:database/creds/app?" + method.query);
    const auto got = fetch(world, *session);
    ASSERT_TRUE(got) << method.query << ": " << describe(got.error());
    const auto seen = login_of(world);
    EXPECT_EQ(seen.line, "POST https://vault:8200/v1/" + method.path);
    EXPECT_EQ(seen.body, method.body);
    EXPECT_NE(session->close(), nullptr) << "the token is ours to end";
  }
}

TEST(VaultLogin, ATokenThatEndedIsReplacedByALoginWithTheFileAsItIsNow) {
  auto world = login_world("auth/jwt/login");
  world.files["/run/jwt"] = "first";
  const auto session = open_vault("vault:database/creds/app?auth=jwt&jwt_file=/run/jwt");
  ASSERT_TRUE(fetch(world, *session));
  world.files["/run/jwt"] = "second";
  world.now = test_moment(std::chrono::hours{2});
  world.seen.clear();
  ASSERT_TRUE(fetch(world, *session));
  EXPECT_EQ(login_of(world).body, R"({"jwt":"second"})");
}

TEST(VaultLogin, ARefusalNamesTheMethodTheMountAndWhatToCheck) {
  for (const int status : {400, 403}) {
    auto world = login_world("auth/oidc/login");
    world.files["/run/jwt"] = "canary.jwt";
    world.on("POST auth/oidc/login", {refusal(status, R"({"errors":["error validating token: canary"]})")});
    const auto session = open_vault("vault:database/creds/app?auth=jwt&mount=oidc&jwt_file=/run/jwt");
    const auto got = fetch(world, *session);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::denied);
    EXPECT_EQ(got.error().what, "Vault refused the jwt login (" + std::to_string(status) + ")");
    EXPECT_NE(got.error().hint.find("mount=oidc"), std::string::npos);
    EXPECT_EQ(describe(got.error()).find("canary"), std::string::npos);
    EXPECT_TRUE(session->take_events().empty());
  }
}

TEST(VaultLogin, ABusyOrSealedVaultIsNoRefusal) {
  for (const auto& [status, body] : {std::pair{503, replies::sealed}, std::pair{429, replies::nothing}}) {
    auto world = login_world("auth/jwt/login");
    world.files["/run/jwt"] = "j";
    world.on("POST auth/jwt/login", {refusal(status, body)});
    const auto session = open_vault("vault:database/creds/app?auth=jwt&jwt_file=/run/jwt");
    const auto got = fetch(world, *session);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::retry_later);
  }
}

TEST(VaultLogin, AttributesOfAnotherMethodOrMissingOnesAreRefused) {
  const auto source = secrets::vault_source();
  for (const auto* query : {"auth=jwt", "auth=kubernetes", "auth=cert&client_cert=/c",
                            "auth=userpass&username=a", "auth=nonsense", "auth=gcp", "role=app",
                            "jwt_file=/x", "auth=token&role_id=r", "auth=approle&token_file=/t",
                            "auth=jwt&jwt_file=relative", "auth=userpass&username=a/../b&password_file=/p",
                            "auth=kubernetes&role=a/b", "auth=jwt&jwt_file=/j&mount=a//b",
                            "auth=kubernetes&role=a&secret_id_file=/s", "secret_id_wrapped=perhaps"}) {
    const auto reference = secrets::parse_reference("vault:database/creds/app?" + std::string{query});
    ASSERT_TRUE(reference) << query;
    const auto session = source->open(*reference, {});
    ASSERT_FALSE(session) << query;
    EXPECT_EQ(session.error().code, ErrorCode::bad_config) << query;
  }
}

/// The request that Vault is given is the one that GetCallerIdentity needs, signed with our keys as it stands there.
TEST(VaultLogin, AwsGivesVaultASignedRequestThatWasNotSent) {
  struct Row {
    std::string query;
    std::string url;
    std::string region;
    std::string server_id;
  };
  for (const auto& row :
       {Row{"", "https://sts.amazonaws.com/", "us-east-1", ""},
        Row{"&region=eu-west-1&iam_server_id=vault.example.com", "https://sts.eu-west-1.amazonaws.com/",
            "eu-west-1", "vault.example.com"},
        Row{"&region=cn-north-1", "https://sts.cn-north-1.amazonaws.com.cn/", "cn-north-1", ""}}) {
    auto world = login_world("auth/aws/login");
    world.variables["AWS_ACCESS_KEY_ID"] = "AKIDEXAMPLE";
    world.variables["AWS_SECRET_ACCESS_KEY"] = "canary/K7MDENG";
    world.variables["AWS_SESSION_TOKEN"] = "canary-session";
    const auto session = open_vault("vault:database/creds/app?auth=aws&role=app" + row.query);
    const auto got = fetch(world, *session);
    ASSERT_TRUE(got) << describe(got.error());
    const auto json = secrets::Json::parse(login_of(world).body, "body");
    ASSERT_TRUE(json);
    const auto decoded = [&](const char* name) {
      const auto bytes = crypto::base64_decode(json->root()[name].text());
      return bytes ? std::string{as_text(*bytes)} : std::string{};
    };
    EXPECT_EQ(json->root()["role"].text(), "app");
    EXPECT_EQ(json->root()["iam_http_request_method"].text(), "POST");
    EXPECT_EQ(decoded("iam_request_url"), row.url);
    EXPECT_EQ(decoded("iam_request_body"), "Action=GetCallerIdentity&Version=2011-06-15");
    const auto headers = secrets::Json::parse(decoded("iam_request_headers"), "headers");
    ASSERT_TRUE(headers);
    EXPECT_EQ(headers->root()["X-Vault-AWS-IAM-Server-ID"].text(), row.server_id);
    EXPECT_FALSE(headers->root()["Host"].present());
    const auto given = headers->root()["Authorization"].text();
    EXPECT_EQ(given.find("x-vault-aws-iam-server-id") != std::string_view::npos, !row.server_id.empty());
    HttpRequest again{"POST", row.url};
    for (const auto name : headers->root().keys()) {
      if (name == "Authorization" || name == "X-Amz-Date" || name == "X-Amz-Security-Token") continue;
      again.headers.push_back({std::string{name}, Secret::copy_of(headers->root()[name].text())});
    }
    again.body = Secret::copy_of(decoded("iam_request_body"));
    secrets::aws::Keys keys;
    keys.access_key_id = "AKIDEXAMPLE";
    keys.secret_access_key = Secret::copy_of("canary/K7MDENG");
    keys.session_token = Secret::copy_of("canary-session");
    secrets::aws::sign(again, keys, {row.region, "sts", world.now.wall});
    for (const auto& header : again.headers) {
      if (header.name == "Authorization") EXPECT_TRUE(header.value.equals(given));
    }
    for (const auto& line : world.lines()) EXPECT_EQ(line.find("amazonaws"), std::string::npos) << line;
  }
}

// ---- Wrapped secret ids ----------------------------------------------------------------------

constexpr std::string_view wrapped_reference =
    "vault:database/creds/app?role_id=r&secret_id_file=/run/wrapped&secret_id_wrapped=true&role=app";

VaultWorld wrapped_world() {
  auto world = login_world("auth/approle/login");
  world.files["/run/wrapped"] = "s.canary-wrapping\n";
  world.on("POST sys/wrapping/lookup", {ok(wrapped_at)});
  world.on("POST sys/wrapping/unwrap", {ok(unwrapped)});
  return world;
}

int count(const VaultWorld& world, std::string_view ending) {
  int found = 0;
  for (const auto& seen : world.seen) found += seen.line.ends_with(ending) ? 1 : 0;
  return found;
}

TEST(VaultWrapping, TheSecretIdIsTakenOutOnceAndKeptForTheNextLogin) {
  auto world = wrapped_world();
  const auto session = open_vault(wrapped_reference);
  ASSERT_TRUE(fetch(world, *session));
  EXPECT_EQ(login_of(world).body, R"({"role_id":"r","secret_id":"canary-inside"})");
  world.now = test_moment(std::chrono::hours{2});
  ASSERT_TRUE(fetch(world, *session));
  EXPECT_EQ(count(world, "auth/approle/login"), 2);
  EXPECT_EQ(count(world, "sys/wrapping/unwrap"), 1);
  world.files["/run/wrapped"] = "s.another-wrapping";
  world.now = test_moment(std::chrono::hours{4});
  ASSERT_TRUE(fetch(world, *session));
  EXPECT_EQ(count(world, "sys/wrapping/unwrap"), 2);
}

TEST(VaultWrapping, TheWrappingTokenIsAskedAboutInTheBodyAndOpensAsTheClientToken) {
  auto world = wrapped_world();
  ASSERT_TRUE(fetch(world, *open_vault(wrapped_reference)));
  for (const auto& seen : world.seen) {
    if (seen.line.ends_with("sys/wrapping/lookup")) {
      EXPECT_EQ(seen.body, R"({"token":"s.canary-wrapping"})");
      EXPECT_TRUE(seen.token.empty());
    }
    if (seen.line.ends_with("sys/wrapping/unwrap")) {
      EXPECT_TRUE(seen.body.empty());
      EXPECT_EQ(seen.token, "s.canary-wrapping");
    }
  }
}

void expect_alarm(VaultWorld& world, std::string_view says, std::string_view reference = wrapped_reference) {
  const auto session = open_vault(reference);
  const auto got = fetch(world, *session);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::denied);
  EXPECT_NE(got.error().what.find(says), std::string::npos) << got.error().what;
  const auto events = session->take_events();
  ASSERT_EQ(events.size(), 1U);
  EXPECT_EQ(events[0].kind, secrets::SourceEvent::Kind::unwrap_failed);
  EXPECT_NE(events[0].text.find(says), std::string::npos);
  EXPECT_EQ(events[0].text.find("canary"), std::string::npos);
  EXPECT_TRUE(session->take_events().empty());
  EXPECT_EQ(count(world, "auth/approle/login"), 0);
}

TEST(VaultWrapping, ATokenThatWasOpenedBeforeIsAnAlarm) {
  auto world = wrapped_world();
  world.on("POST sys/wrapping/lookup", {refusal(400, not_valid)});
  expect_alarm(world, "was opened before, or has expired");
  EXPECT_EQ(count(world, "sys/wrapping/unwrap"), 0);
  auto raced = wrapped_world();
  raced.on("POST sys/wrapping/unwrap", {refusal(400, not_valid)});
  expect_alarm(raced, "opened by somebody else in this moment");
  auto empty = wrapped_world();
  empty.on("POST sys/wrapping/unwrap", {ok(R"({"data":{"password":"canary"}})")});
  expect_alarm(empty, "no secret id in the wrapping");
}

TEST(VaultWrapping, OnlyWhatAppRoleMadeForThisRoleIsOpened) {
  for (const auto* made_at :
       {"sys/wrapping/wrap", "auth/approle/role/other/secret-id", "auth/evil/role/app/secret-id",
        "cubbyhole/response", "auth/approle/role//secret-id", "auth/approle/role/app/secret-id/x", "",
        "auth/approle/role/app/secret-id\\n"}) {
    auto world = wrapped_world();
    const std::string body = R"({"data":{"creation_path":")" + std::string{made_at} + "\"}}";
    world.on("POST sys/wrapping/lookup", {ok(body)});
    expect_alarm(world, "the wrapping token was made at");
    EXPECT_EQ(count(world, "sys/wrapping/unwrap"), 0) << made_at;
  }
}

TEST(VaultWrapping, WithoutARoleAnyRoleOfTheMountWillDo) {
  constexpr std::string_view any =
      "vault:database/creds/app?role_id=r&secret_id_file=/run/wrapped&secret_id_wrapped=true";
  auto world = wrapped_world();
  EXPECT_TRUE(fetch(world, *open_vault(any)));
  auto other = wrapped_world();
  other.on("POST sys/wrapping/lookup",
           {ok(R"({"data":{"creation_path":"auth/approle/role/a/b/secret-id"}})")});
  expect_alarm(other, "made at", any);
}

TEST(VaultWrapping, AVaultThatCannotAnswerIsNoAlarm) {
  for (const auto* path : {"POST sys/wrapping/lookup", "POST sys/wrapping/unwrap"}) {
    auto world = wrapped_world();
    world.on(path, {refusal(503, replies::sealed)});
    const auto session = open_vault(wrapped_reference);
    const auto got = fetch(world, *session);
    ASSERT_FALSE(got);
    EXPECT_EQ(got.error().code, ErrorCode::retry_later);
    EXPECT_TRUE(session->take_events().empty());
  }
}

/// Whether it was opened nobody knows: asking again at once would find it used up, and accuse somebody.
TEST(VaultWrapping, ALostAnswerToTheUnwrappingIsNotAskedForAgainAndRememberedInTheAlarm) {
  constexpr int unwrapping = 6;  // three variables, the file, the lookup
  auto world = wrapped_world();
  const auto session = open_vault(wrapped_reference);
  auto conversation = session->fetch();
  const auto lost = world.run(*conversation, unwrapping, ErrorCode::timed_out);
  ASSERT_FALSE(lost);
  EXPECT_EQ(lost.error().code, ErrorCode::timed_out);
  EXPECT_NE(lost.error().what.find("whether the secret id's wrapping was opened is not known"),
            std::string::npos)
      << lost.error().what;
  EXPECT_EQ(world.steps, unwrapping);
  EXPECT_TRUE(session->take_events().empty());
  world.on("POST sys/wrapping/lookup", {refusal(400, not_valid)});
  conversation = session->fetch();
  const auto used_up = world.run(*conversation);
  ASSERT_FALSE(used_up);
  EXPECT_NE(used_up.error().what.find("perhaps by ourselves"), std::string::npos) << used_up.error().what;
  EXPECT_EQ(session->take_events().size(), 1U);
}

// ---- Kinds of database credentials -----------------------------------------------------------

TEST(VaultCredentials, ADynamicClientCertificateIsOneAndAKeyPairIsRefusedWithTheFix) {
  const auto creds = [](const std::string& data) {
    return R"({"lease_id":"database/creds/app/abc","renewable":true,"lease_duration":3600,"data":{)" + data +
           "}}";
  };
  auto world = database_world();
  world.on(
      "GET database/creds/app",
      {ok(creds(
          R"("username":"v-app","client_certificate":"-----BEGIN CERTIFICATE-----\nx","private_key":"canary-k",)"
          R"("private_key_type":"rsa")"))});
  const auto got = fetch(world, *open_vault("vault:database/creds/app"));
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_EQ(got->credential.kind, CredentialKind::client_certificate);
  EXPECT_EQ(got->credential.user, "v-app");
  EXPECT_TRUE(got->credential.lease);
  auto pair = database_world();
  pair.on("GET database/creds/app", {ok(creds(R"("username":"v-app","rsa_private_key":"canary-k")"))});
  const auto refused = fetch(pair, *open_vault("vault:database/creds/app"));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::peer_unsupported);
  EXPECT_NE(refused.error().hint.find("credential_type=password"), std::string::npos);
}

TEST(VaultCredentials, AStaticRolesRotationIsItsVersionInBothDialects) {
  for (const auto* name : {"last_vault_rotation", "last_openbao_rotation"}) {
    auto world = database_world();
    world.on("GET sys/internal/ui/mounts/database/static-creds/st", {ok(replies::mount_database)});
    const auto body = R"({"data":{")" + std::string{name} +
                      R"(":"2026-11-25T10:56:49Z","password":"canary","ttl":30,"username":"st"}})";
    world.on("GET database/static-creds/st", {ok(body)});
    const auto got = fetch(world, *open_vault("vault:database/static-creds/st"));
    ASSERT_TRUE(got) << describe(got.error());
    EXPECT_EQ(got->credential.version, "2026-11-25T10:56:49Z");
    EXPECT_EQ(got->refetch_after, std::chrono::seconds{31});
  }
}

}  // namespace
}  // namespace sallyport::vault_auth_test
