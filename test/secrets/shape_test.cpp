// What a secret's text may supply, and what it may not (threat 3).
#include "secrets/shape.h"

#include <gtest/gtest.h>

namespace sallyport::shape_test {
namespace {

using secrets::Fetched;
using secrets::shape_secret;
using secrets::ShapeOptions;

Fetched shaped(std::string_view text, std::string field = {}, bool bare = false) {
  auto fetched = shape_secret(Secret::copy_of(text), {std::move(field), bare}, "file:/x");
  EXPECT_TRUE(fetched) << text << ": " << (fetched ? "" : describe(fetched.error()));
  return fetched ? std::move(*fetched) : Fetched{};
}

Error refused(std::string_view text, std::string field = {}) {
  auto fetched = shape_secret(Secret::copy_of(text), {std::move(field), false}, "file:/x");
  EXPECT_FALSE(fetched) << text;
  return fetched ? Error{} : std::move(fetched).error();
}

std::string endpoint_of(const Fetched& f) {
  return f.endpoint.engine + " " + f.endpoint.host + ":" + std::to_string(f.endpoint.port) + "/" +
         f.endpoint.database;
}

TEST(SecretShape, AnObjectWithoutThePasswordIsToldByItsMembersNamesAndNoValue) {
  for (const auto* field : {"", "nope"}) {
    const auto error = refused(R"({"user":"app","pwd_2":"hunter2","ODD name":"x"})", field);
    EXPECT_NE(error.hint.find("It has user, pwd_2 and 1 more"), std::string::npos) << error.hint;
    EXPECT_EQ(describe(error).find("hunter2"), std::string::npos);
    if (*field != '\0') EXPECT_NE(error.what.find("no member nope"), std::string::npos) << error.what;
  }
}

TEST(SecretShape, ReadsEveryShape) {
  struct Row {
    const char* text;
    const char* field;
    const char* user;
    const char* password;
    const char* endpoint;
  };
  for (
      const auto& row : {
          Row{"hunter2", "", "", "hunter2", " :0/"},
          Row{"hunter2\n", "", "", "hunter2", " :0/"},
          Row{"hunter2\r\n", "", "", "hunter2", " :0/"},
          Row{"hunter2\n\n", "", "", "hunter2\n", " :0/"},
          Row{" hunter2 ", "", "", " hunter2 ", " :0/"},
          Row{"a=b", "", "", "a=b", " :0/"},
          Row{"a:b@c", "", "", "a:b@c", " :0/"},
          Row{R"({"username":"u","password":"p"})", "", "u", "p", " :0/"},
          Row{R"({"user":"u","password":"p"})", "", "u", "p", " :0/"},
          Row{R"({"username":"u","user":"v","password":"p"})", "", "u", "p", " :0/"},
          Row{R"({"engine":"postgres","host":"h","port":5433,"dbname":"d","username":"u","password":"p","masterarn":"x"})",
              "", "u", "p", "postgresql h:5433/d"},
          Row{R"({"host":"h","port":"5433","database":"d","username":"u","password":"p"})", "", "u", "p",
              " h:5433/d"},
          Row{"postgres://u:p%40@h:5433/d", "", "u", "p@", "postgresql h:5433/d"},
          Row{"postgresql+asyncpg://u:p@h/d", "", "u", "p", "postgresql h:0/d"},
          Row{"jdbc:postgresql://h/d?user=u&password=p", "", "u", "p", "postgresql h:0/d"},
          Row{"host=h user=u password='p q' dbname=d", "", "u", "p q", "postgresql h:0/d"},
          Row{"Host=h;Username=u;Password=p", "", "u", "p", "postgresql h:0/"},
          Row{R"({"a":{"b":"hunter2"}})", "a.b", "", "hunter2", " :0/"},
          Row{R"({"a.b":"hunter2","a":{"b":"no"}})", "a.b", "", "hunter2", " :0/"},
          Row{R"({"a.b":{"c":"hunter2"}})", "a.b.c", "", "hunter2", " :0/"},
          Row{R"({"db":{"username":"u","password":"p"}})", "db", "u", "p", " :0/"},
          Row{R"({"url":"postgres://u:p@h/d"})", "url", "u", "p", "postgresql h:0/d"},
          Row{R"({"json":"{\"username\":\"u\",\"password\":\"p\"}"})", "json", "u", "p", " :0/"},
          Row{R"({"password":"postgres://u:p@h/d"})", "password", "", "postgres://u:p@h/d", " :0/"},
          Row{R"({"x":{"pwd":"{\"a\"}"}})", "x.pwd", "", "{\"a\"}", " :0/"},
      }) {
    const auto fetched = shaped(row.text, row.field);
    EXPECT_EQ(fetched.credential.user, row.user) << row.text;
    EXPECT_TRUE(fetched.credential.secret.equals(row.password))
        << row.text << " gave " << fetched.credential.secret.reveal();
    EXPECT_EQ(endpoint_of(fetched), row.endpoint) << row.text;
    EXPECT_EQ(fetched.credential.kind, CredentialKind::password);
    EXPECT_TRUE(fetched.ignored_fields.empty()) << row.text;
  }
}

TEST(SecretShape, TakesTheFirstLineAloneWhenTold) {
  for (const auto* text : {"pass word\nuser: app\n", "pass word\r\nuser: app", "pass word\n", "pass word"}) {
    ShapeOptions options;
    options.first_line = true;
    const auto fetched = shape_secret(Secret::copy_of(text), options, "exec:/usr/bin/pass");
    ASSERT_TRUE(fetched) << text;
    EXPECT_TRUE(fetched->credential.secret.equals("pass word")) << text;
  }
  ShapeOptions options;
  options.first_line = true;
  EXPECT_FALSE(shape_secret(Secret::copy_of("\nuser: app"), options, "exec:/usr/bin/pass"))
      << "an empty password";
}

TEST(SecretShape, TakesAnythingAsABarePasswordWhenTold) {
  for (const auto* text : {"postgres://u:p@h/d", "{not json", "mysql://x", "host=h"}) {
    EXPECT_TRUE(shaped(text, {}, true).credential.secret.equals(text));
  }
}

TEST(SecretShape, ReadsAClientCertificate) {
  const auto fetched =
      shaped(R"({"username":"u","client_certificate":"-----BEGIN CERTIFICATE-----\nx",)"
             R"("private_key":"-----BEGIN PRIVATE KEY-----\ny","private_key_type":"pkcs8"})");
  EXPECT_EQ(fetched.credential.kind, CredentialKind::client_certificate);
  EXPECT_EQ(fetched.credential.user, "u");
  EXPECT_TRUE(fetched.credential.secret.equals("-----BEGIN PRIVATE KEY-----\ny"));
}

// One row per libpq keyword, in each of the forms that has it.
TEST(SecretShape, EveryLibpqKeywordButUserPasswordAndEndpointIsIgnoredAndNamed) {
  for (const std::string keyword : {"hostaddr",
                                    "passfile",
                                    "require_auth",
                                    "channel_binding",
                                    "connect_timeout",
                                    "client_encoding",
                                    "options",
                                    "application_name",
                                    "fallback_application_name",
                                    "keepalives",
                                    "keepalives_idle",
                                    "keepalives_interval",
                                    "keepalives_count",
                                    "tcp_user_timeout",
                                    "replication",
                                    "gssencmode",
                                    "sslmode",
                                    "requiressl",
                                    "sslnegotiation",
                                    "sslcompression",
                                    "sslcert",
                                    "sslkey",
                                    "sslkeylogfile",
                                    "sslpassword",
                                    "sslcertmode",
                                    "sslrootcert",
                                    "sslcrl",
                                    "sslcrldir",
                                    "sslsni",
                                    "requirepeer",
                                    "ssl_min_protocol_version",
                                    "ssl_max_protocol_version",
                                    "min_protocol_version",
                                    "max_protocol_version",
                                    "krbsrvname",
                                    "gsslib",
                                    "gssdelegation",
                                    "scram_client_key",
                                    "scram_server_key",
                                    "service",
                                    "servicefile",
                                    "target_session_attrs",
                                    "load_balance_hosts",
                                    "oauth_issuer",
                                    "oauth_client_id",
                                    "oauth_client_secret",
                                    "oauth_scope"}) {
    for (const auto& text : std::initializer_list<std::string>{
             "postgres://u:p@h:1/d?" + keyword + "=evil",
             "host=h port=1 dbname=d user=u password=p " + keyword + "=evil",
             "jdbc:postgresql://h:1/d?user=u&password=p&" + keyword + "=evil",
             R"({"engine":"postgresql","host":"h","port":1,"dbname":"d","username":"u","password":"p",")" +
                 keyword + R"(":"evil"})",
         }) {
      const auto fetched = shaped(text);
      EXPECT_EQ(fetched.ignored_fields, std::vector<std::string>{keyword}) << text;
      EXPECT_EQ(fetched.credential.user, "u") << text;
      EXPECT_TRUE(fetched.credential.secret.equals("p")) << text;
      EXPECT_EQ(endpoint_of(fetched), "postgresql h:1/d") << text;
    }
  }
}

TEST(SecretShape, EndpointFieldsAreHandedUpAndNothingElse) {
  const auto several = shaped("postgres://u:p@h1:1,h2,[::1]:3/d");
  EXPECT_EQ(endpoint_of(several), "postgresql h1:1/d");
  EXPECT_EQ(several.endpoint.more_hosts, (std::vector<secrets::SuppliedHost>{{"h2", 0}, {"::1", 3}}));
  EXPECT_TRUE(several.ignored_fields.empty());
  const auto some = shaped("postgres://u:p@%2Ftmp%2Fevil,h2:2/d");
  EXPECT_EQ(endpoint_of(some), "postgresql h2:2/d");
  EXPECT_EQ(some.ignored_fields, std::vector<std::string>{"host (a path)"});
  const auto path = shaped("postgres://u:p@/d?host=/tmp/evil&port=1");
  EXPECT_EQ(path.endpoint.host, "");
  EXPECT_EQ(path.ignored_fields, std::vector<std::string>{"host (a path)"});
  EXPECT_EQ(shaped(R"({"host":"/tmp/evil","password":"p"})").endpoint.host, "");
}

TEST(SecretShape, NamesOnlyFieldsThatItKnows) {
  EXPECT_EQ(shaped("postgres://u:p@h/d?hunter2canary=x").ignored_fields,
            std::vector<std::string>{"an unknown parameter"});
  EXPECT_EQ(shaped(R"({"password":"p","hunter2canary_token":"x"})").ignored_fields,
            std::vector<std::string>{"another secret"});
  EXPECT_TRUE(shaped(R"({"password":"p","hunter2canary":"x"})").ignored_fields.empty());
}

TEST(SecretShape, RefusesWithoutQuoting) {
  const std::string canary = "hunter2canary";
  struct Row {
    std::string text;
    const char* field;
    ErrorCode code;
  };
  for (const auto& row : std::initializer_list<Row>{
           {"", "", ErrorCode::invalid_message},
           {"\n", "", ErrorCode::invalid_message},
           {canary + std::string(1, '\0') + "x", "", ErrorCode::invalid_message},
           {"{\"" + canary, "", ErrorCode::invalid_message},
           {"{\"a\":\"" + canary + "\"}", "", ErrorCode::invalid_message},
           {"{\"password\":\"\"}", "", ErrorCode::invalid_message},
           {"{\"password\":12}", "", ErrorCode::invalid_message},
           {"{\"password\":[\"" + canary + "\"]}", "", ErrorCode::invalid_message},
           {"{\"password\":\"" + canary + "\"}", "nothing", ErrorCode::not_found},
           {"{\"password\":\"" + canary + "\"}", "password.x", ErrorCode::not_found},
           {"{\"a\":[\"" + canary + "\"]}", "a", ErrorCode::invalid_message},
           {"{\"a\":7}", "a", ErrorCode::invalid_message},
           {"{\"a\":null}", "a", ErrorCode::not_found},
           {canary, "a", ErrorCode::invalid_message},
           {"[\"" + canary + "\"]", "a", ErrorCode::invalid_message},
           {"mysql://u:" + canary + "@h/d", "", ErrorCode::peer_unsupported},
           {"mongodb+srv://u:" + canary + "@h/d", "", ErrorCode::peer_unsupported},
           {"postgres://u:" + canary + "@@h/d", "", ErrorCode::invalid_message},
           {"postgres://" + canary + "@h/d", "", ErrorCode::invalid_message},
           {"postgres://u:p@" + canary + "%20/d", "", ErrorCode::invalid_message},
           {"{\"host\":\"a b\",\"password\":\"" + canary + "\"}", "", ErrorCode::invalid_message},
           {"{\"port\":0,\"password\":\"" + canary + "\"}", "", ErrorCode::invalid_message},
           {"{\"username\":\"a\\nb\",\"password\":\"" + canary + "\"}", "", ErrorCode::invalid_message},
           {"{\"engine\":\"a b\",\"password\":\"" + canary + "\"}", "", ErrorCode::invalid_message},
           {std::string(70'000, 'x'), "", ErrorCode::limit_exceeded},
       }) {
    const auto error = refused(row.text, row.field);
    EXPECT_EQ(error.code, row.code) << row.text << ": " << describe(error);
    EXPECT_EQ(describe(error).find(canary), std::string::npos) << describe(error);
    EXPECT_EQ(error.where, "file:/x");
  }
}

}  // namespace
}  // namespace sallyport::shape_test
