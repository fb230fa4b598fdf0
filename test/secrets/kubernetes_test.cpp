// `k8s:` against an API server in memory.
#include "secrets/kubernetes/kubernetes.h"

#include "crypto/base64_pem.h"
#include "crypto/hash.h"
#include "test/secrets/cloud_world.h"

#include <gtest/gtest.h>

namespace sallyport::kubernetes_test {
namespace {

const std::string mount = "/var/run/secrets/kubernetes.io/serviceaccount/";
const std::string path = "GET https://10.96.0.1:443/api/v1/namespaces/prod/secrets/db";

std::string b64(std::string_view text) { return crypto::base64_encode(as_bytes(text)); }

std::string token_with(std::string_view claims) {
  return "eyJhbGciOiJSUzI1NiJ9." + crypto::base64url_encode(as_bytes(claims)) + ".c2lnbmF0dXJl";
}

/// `data` is the inside of the JSON object.
std::string secret_with(const std::string& data) {
  return R"({"kind":"Secret","metadata":{"name":"db","namespace":"prod","resourceVersion":"4711"},"data":{)" +
         data + "}}";
}

std::string member(std::string_view key, std::string_view value) {
  return "\"" + std::string{key} + "\":\"" + b64(value) + "\"";
}

CloudWorld pod(const std::string& data = member("username", "app") + "," + member("password", "canary-pw")) {
  CloudWorld world;
  world.variables = {{"KUBERNETES_SERVICE_HOST", "10.96.0.1"}, {"KUBERNETES_SERVICE_PORT", "443"}};
  world.files[mount + "token"] =
      token_with(R"({"sub":"system:serviceaccount:home:app","exp":1800003600})") + "\n";
  world.files[mount + "ca.crt"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  world.files[mount + "namespace"] = "prod";
  world.on(path, {200, secret_with(data), {}});
  return world;
}

std::unique_ptr<secrets::SourceSession> open_k8s(std::string_view text) {
  const auto reference = secrets::parse_reference(text);
  EXPECT_TRUE(reference) << (reference ? "" : describe(reference.error()));
  auto session = secrets::kubernetes_source()->open(*reference, {});
  EXPECT_TRUE(session) << (session ? "" : describe(session.error()));
  return session ? std::move(*session) : nullptr;
}

Error refused(std::string_view text) {
  const auto reference = secrets::parse_reference(text);
  if (!reference) return reference.error();
  auto session = secrets::kubernetes_source()->open(*reference, {});
  EXPECT_FALSE(session) << text;
  return session ? Error{} : session.error();
}

Result<secrets::Fetched> fetched(CloudWorld& world, std::string_view reference = "k8s:prod/db") {
  return world.fetch(*open_k8s(reference));
}

TEST(Kubernetes, SendsTheMountedTokenToThePodsOwnServerWithItsAuthorities) {
  auto world = pod();
  const auto got = fetched(world);
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_EQ(got->credential.user, "app");
  EXPECT_TRUE(got->credential.secret.equals("canary-pw"));
  EXPECT_EQ(got->credential.version, "4711");
  EXPECT_EQ(got->origin, "https://10.96.0.1:443");
  ASSERT_EQ(world.asked.size(), 1U);
  EXPECT_EQ(world.asked[0].line, path);
  EXPECT_TRUE(world.asked[0].header("authorization").starts_with("Bearer eyJhbGciOiJSUzI1NiJ9."));
  EXPECT_FALSE(world.asked[0].header("authorization").ends_with("\n"));
}

TEST(Kubernetes, ReadsTheTokenAnewForEachFetch) {
  auto world = pod();
  const auto session = open_k8s("k8s:prod/db");
  ASSERT_TRUE(world.fetch(*session));
  world.files[mount + "token"] = "second";
  ASSERT_TRUE(world.fetch(*session));
  EXPECT_EQ(world.asked[1].header("authorization"), "Bearer second");
}

TEST(Kubernetes, ATokenThatIsRefusedIsReadOnceMore) {
  auto world = pod();
  world.http[path] = [&world](const Asked& asked) -> Told {
    if (asked.header("authorization") == "Bearer second")
      return {200, secret_with(member("password", "x")), {}};
    world.files[mount + "token"] = "second";
    return {401, R"({"kind":"Status","reason":"Unauthorized"})", {}};
  };
  EXPECT_TRUE(fetched(world));
  auto stubborn = pod();
  stubborn.on(path, {401, "{}", {}});
  const auto got = fetched(stubborn);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::denied);
  EXPECT_EQ(stubborn.count("GET"), 2);
}

TEST(Kubernetes, AnExpiredTokenIsCalledSo) {
  auto world = pod();
  world.files[mount + "token"] = token_with(R"({"sub":"system:serviceaccount:home:app","exp":1799990000})");
  world.on(path, {401, "{}", {}});
  const auto got = fetched(world);
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().what.find("which expired at 2027-"), std::string::npos) << got.error().what;
}

TEST(Kubernetes, WithoutANamespaceItIsThePodsOwn) {
  auto world = pod();
  ASSERT_TRUE(fetched(world, "k8s:db"));
  EXPECT_EQ(world.asked[0].line, path);
  world.files[mount + "namespace"] = "../other";
  const auto got = fetched(world, "k8s:db");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::bad_config);
}

TEST(Kubernetes, AnIpv6AddressIsPutIntoBrackets) {
  auto world = pod();
  world.variables["KUBERNETES_SERVICE_HOST"] = "fd00::1";
  world.on("GET https://[fd00::1]:443/", {200, secret_with(member("password", "x")), {}});
  EXPECT_TRUE(fetched(world));
  world.variables["KUBERNETES_SERVICE_HOST"] = "evil/path";
  EXPECT_FALSE(fetched(world));
}

TEST(Kubernetes, ForbiddenNamesTheAccountAndTheRulesToAdd) {
  auto world = pod();
  world.on(path, {403, R"({"kind":"Status","reason":"Forbidden","message":"canary"})", {}});
  const auto got = fetched(world);
  ASSERT_FALSE(got);
  const auto text = describe(got.error());
  for (const auto* words :
       {"system:serviceaccount:home:app may not read", "resourceNames: [db], verbs: [get]",
        "name: app, namespace: home", "--serviceaccount=home:app", "namespace prod: rules"}) {
    EXPECT_NE(text.find(words), std::string::npos) << words << " in " << text;
  }
  EXPECT_EQ(text.find("canary"), std::string::npos);
}

TEST(Kubernetes, AMissingKeyNamesTheOthers) {
  auto world = pod(member("b", "1") + "," + member("a.txt", "canary"));
  const auto got = fetched(world, "k8s:prod/db#password");
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::not_found);
  EXPECT_NE(got.error().what.find("it has b, a.txt"), std::string::npos) << got.error().what;
}

TEST(Kubernetes, WhatIsNoBase64IsAnErrorThatNamesTheKey) {
  for (const auto* value : {"\"***\"", "\"abc\"", "17", "null", "{}"}) {
    auto world = pod("\"password\":" + std::string{value});
    const auto got = fetched(world, "k8s:prod/db#password");
    ASSERT_FALSE(got) << value;
    EXPECT_NE(got.error().what.find("\"password\""), std::string::npos) << got.error().what;
  }
}

TEST(Kubernetes, ABinaryValueIsNoPasswordAndIsPassedOverBesideOne) {
  auto world = pod(member("keystore", "\xff\xfe") + "," + member("password", "x"));
  EXPECT_TRUE(fetched(world));
  const auto got = fetched(world, "k8s:prod/db#keystore");
  ASSERT_FALSE(got);
  EXPECT_NE(got.error().what.find("binary"), std::string::npos);
}

TEST(Kubernetes, APasswordMayLookLikeAnything) {
  for (const auto* password : {"{\"a\"", "postgresql://x", "a\"b\\c", " spaces "}) {
    auto world = pod(member("password", password));
    for (const auto* reference : {"k8s:prod/db", "k8s:prod/db#password"}) {
      const auto got = fetched(world, reference);
      ASSERT_TRUE(got) << password << describe(got.error());
      EXPECT_TRUE(got->credential.secret.equals(password));
    }
  }
}

TEST(Kubernetes, ALastNewlineIsLeftOutOfEveryValue) {
  auto world = pod(member("username", "app\n") + "," + member("password", "x\r\n"));
  const auto got = fetched(world);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->credential.user, "app");
  EXPECT_TRUE(got->credential.secret.equals("x"));
}

TEST(Kubernetes, OperatorsNamesAreUnderstood) {
  struct Row {
    std::string data;
    std::string user, host, database;
    int port;
  };
  const Row rows[] = {
      {member("username", "cnpg") + "," + member("user", "cnpg") + "," + member("password", "p") + "," +
           member("dbname", "app") + "," + member("host", "cluster-rw") + "," + member("port", "5432") + "," +
           member("uri", "x") + "," + member("jdbc-uri", "x") + "," + member("pgpass", "x"),
       "cnpg", "cluster-rw", "app", 5432},
      {member("user", "crunchy") + "," + member("password", "p") + "," + member("dbname", "d") + "," +
           member("host", "h.svc") + "," + member("port", "5432") + "," + member("verifier", "SCRAM"),
       "crunchy", "h.svc", "d", 5432},
      {member("username", "zalando") + "," + member("password", "p"), "zalando", "", "", 0},
      {member("username", "xp") + "," + member("password", "p") + "," + member("endpoint", "db.example.com") +
           "," + member("port", "6000"),
       "xp", "db.example.com", "", 6000},
      {member("username", "kb") + "," + member("password", "p") + "," + member("endpoint", "kb.ns.svc:5433"),
       "kb", "kb.ns.svc", "", 5433},
      {member("POSTGRES_USER", "img") + "," + member("POSTGRES_PASSWORD", "p") + "," +
           member("POSTGRES_DB", "d"),
       "img", "", "d", 0},
      {member("DB_USERNAME", "e") + "," + member("DB_PASSWORD", "p") + "," + member("DB_HOST", "h") + "," +
           member("DB_PORT", "1"),
       "e", "h", "", 1},
  };
  for (const auto& row : rows) {
    auto world = pod(row.data);
    const auto got = fetched(world);
    ASSERT_TRUE(got) << row.user << ": " << describe(got.error());
    EXPECT_EQ(got->credential.user, row.user);
    EXPECT_EQ(got->endpoint.host, row.host);
    EXPECT_EQ(got->endpoint.port, row.port);
    EXPECT_EQ(got->endpoint.database, row.database);
  }
}

TEST(Kubernetes, ACertificateCountsWhereThereIsNoPassword) {
  const auto pair = member("tls.crt", "-----BEGIN CERTIFICATE-----\nx") + "," + member("tls.key", "key");
  auto world = pod(pair);
  auto got = fetched(world);
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_EQ(got->credential.kind, CredentialKind::client_certificate);
  auto both = pod(pair + "," + member("password", "p"));
  got = fetched(both);
  ASSERT_TRUE(got);
  EXPECT_EQ(got->credential.kind, CredentialKind::password);
}

TEST(Kubernetes, APathBehindAKeyLeadsIntoItsJson) {
  auto world = pod(member("config.json", R"({"db":{"password":"deep"}})"));
  const auto got = fetched(world, "k8s:prod/db#config.json.db.password");
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_TRUE(got->credential.secret.equals("deep"));
}

TEST(Kubernetes, AnAnswerThatIsAnotherSecretIsNotTaken) {
  for (const auto* body :
       {"{}", R"({"kind":"List"})",
        R"({"kind":"Secret","metadata":{"name":"other","namespace":"prod"},"data":{"password":"eA=="}})",
        R"({"kind":"Secret","metadata":{"name":"db","namespace":"evil"},"data":{"password":"eA=="}})",
        "<html>"}) {
    auto world = pod();
    world.on(path, {200, body, {}});
    const auto got = fetched(world);
    ASSERT_FALSE(got) << body;
    EXPECT_EQ(got.error().code, ErrorCode::peer_misbehaved);
  }
}

TEST(Kubernetes, OutsideAClusterItSaysHowToNameTheServer) {
  CloudWorld world;
  const auto got = fetched(world);
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code, ErrorCode::bad_config);
  EXPECT_NE(got.error().hint.find("server="), std::string::npos);
}

TEST(Kubernetes, WithoutAWholeAuthorityNobodyIsAsked) {
  for (const auto* pem : {"", "\n", "-----BEGIN CERTIFICATE-----\nAAAA\n", "-----BEGIN CERTIFICATE-----\n"}) {
    auto world = pod();
    world.files[mount + "ca.crt"] = pem;
    const auto got = fetched(world);
    ASSERT_FALSE(got) << pem;
    EXPECT_EQ(got.error().code, ErrorCode::bad_config);
    EXPECT_NE(got.error().what.find("no whole certificate in " + mount + "ca.crt"), std::string::npos);
    EXPECT_TRUE(world.asked.empty());
  }
}

TEST(Kubernetes, ANamedServerGetsItsOwnTokenAndAuthorities) {
  CloudWorld world;
  world.files["/etc/token"] = "outside-token";
  world.http["GET https://api.example.com:6443/api/v1/namespaces/prod/secrets/db"] =
      [](const Asked& asked) -> Told {
    EXPECT_EQ(asked.request->ca_file, "/etc/ca.pem");
    EXPECT_FALSE(asked.request->authorities);
    EXPECT_EQ(asked.header("authorization"), "Bearer outside-token");
    return {200, secret_with(member("password", "x")), {}};
  };
  const auto got = fetched(
      world, "k8s:prod/db?server=https://api.example.com:6443&token_file=/etc/token&ca_file=/etc/ca.pem");
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_EQ(world.read, std::vector<std::string>{"file /etc/token"});
}

TEST(Kubernetes, WrongReferencesAreRefusedWithoutIo) {
  for (const auto* text :
       {"k8s:Prod/db", "k8s:prod/DB", "k8s:a/b/c", "k8s:prod/db?server=http://x&token_file=/t",
        "k8s:prod/db?server=https://x", "k8s:prod/db?token_file=relative", "k8s:prod/db?ca_file=/a/../b",
        "k8s:prod/db?nonsense=1", "k8s:-prod/db", "k8s:prod/db-"}) {
    EXPECT_EQ(refused(text).code, ErrorCode::bad_config) << text;
  }
}

TEST(Kubernetes, WhoamiReadsTheTokensClaims) {
  auto world = pod();
  auto conversation = secrets::kubernetes_identity();
  ASSERT_TRUE(world.run(*conversation));
  auto who = conversation->take();
  EXPECT_EQ(who.identity, "system:serviceaccount:home:app");
  EXPECT_EQ(who.provider, "service account");
  EXPECT_EQ(who.expires, WallTime{std::chrono::seconds{1'800'003'600}});
  CloudWorld nothing;
  conversation = secrets::kubernetes_identity();
  ASSERT_TRUE(nothing.run(*conversation));
  who = conversation->take();
  EXPECT_TRUE(who.provider.empty());
  ASSERT_EQ(who.tried.size(), 1U);
}

TEST(Kubernetes, ItsAuthorityIsTheTokensFile) {
  const auto source = secrets::kubernetes_source();
  const auto own = source->authority_for(*secrets::parse_reference("k8s:db"));
  EXPECT_EQ(own.files, std::vector<std::string>{mount + "token"});
  EXPECT_EQ(own.public_files, (std::vector<std::string>{mount + "ca.crt", mount + "namespace"}));
}

}  // namespace
}  // namespace sallyport::kubernetes_test
