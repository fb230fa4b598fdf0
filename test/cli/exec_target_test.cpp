// What a reference's attributes make of a target.
#include "cli/exec_target.h"

#include <gtest/gtest.h>

namespace sallyport::exec_target_test {
namespace {

using cli::ExecTarget;

Result<ExecTarget> target_of(const std::string& text) {
  auto reference = secrets::parse_reference(text);
  if (!reference) return reference.error();
  return cli::target_from_reference("DATABASE_URL", *reference,
                                    WallTime{std::chrono::seconds{1'700'000'000}});
}
ExecTarget good(const std::string& text) {
  auto made = target_of(text);
  EXPECT_TRUE(made) << text << ": " << describe(made.error());
  return made ? std::move(*made) : ExecTarget{};
}

TEST(ExecTarget, EachAttributeHasItsPlace) {
  const auto made = good(
      "vault:database/creds/"
      "app?engine=postgresql&host=db.example&port=6432&dbname=production&user=u&run_as=owner"
      "&sslrootcert=/ca.pem&sslcrl=/crl.pem&sslcert=/c.pem&sslkey=/k.pem&server_name=other.example"
      "&login_methods=md5,password&login_reason=old&dialect=jdbc:postgresql");
  const auto& target = made.target;
  ASSERT_EQ(target.endpoints.size(), 1u);
  EXPECT_EQ(target.endpoints[0], (Endpoint{"db.example", 6432}));
  EXPECT_EQ(target.databases, std::vector<std::string>{"production"});
  EXPECT_EQ(target.tls.roots, std::vector<std::string>{"/ca.pem"});
  EXPECT_EQ(target.tls.crl_file, "/crl.pem");
  EXPECT_EQ(target.tls.client_certificate_file, "/c.pem");
  EXPECT_EQ(target.tls.client_key_file, "/k.pem");
  EXPECT_EQ(target.tls.server_name, "other.example");
  const auto& role = target.roles.at("default");
  EXPECT_EQ(role.user, "u");
  EXPECT_EQ(role.run_as, "owner");
  EXPECT_EQ(role.login_methods, (std::vector<std::string>{"md5", "password"}));
  EXPECT_EQ(role.auth, "vault:database/creds/app") << "the source gets what is left";
  EXPECT_EQ(made.reference()->scheme, "vault");
}

TEST(ExecTarget, SeveralHostsAreWrittenAsForLibpq) {
  const auto made =
      good("file:/s?host=a,b:2,[::1]:3&target_session_attrs=read-write&load_balance_hosts=random");
  EXPECT_EQ(made.target.endpoints, (std::vector<Endpoint>{{"a", 5432}, {"b", 2}, {"::1", 3}}));
  EXPECT_EQ(made.target.session_attributes, SessionAttributes::read_write);
  EXPECT_EQ(made.target.load_balance, LoadBalance::random);
  EXPECT_EQ(made.target.roles.at("default").auth, "file:/s");
  EXPECT_EQ(good("file:/s?host=a,b&port=6000").target.endpoints,
            (std::vector<Endpoint>{{"a", 6000}, {"b", 6000}}));
  EXPECT_EQ(good("file:/s?host=a,b&port=6000,6001").target.endpoints,
            (std::vector<Endpoint>{{"a", 6000}, {"b", 6001}}));
  for (const auto* text :
       {"file:/s?host=a,b,c&port=1,2", "file:/s?host=a,b:x", "file:/s?host=a&port=1,2",
        "file:/s?host=a&target_session_attrs=master", "file:/s?host=a&load_balance_hosts=on"})
    EXPECT_FALSE(target_of(text)) << text;
}

TEST(ExecTarget, AttributesOfTheSourceStayWithIt) {
  EXPECT_EQ(good("vault:database/creds/app?host=h&namespace=team").target.roles.at("default").auth,
            "vault:database/creds/app?namespace=team");
}

TEST(ExecTarget, TheDefaultsAreStrict) {
  const auto made = good("vault:database/creds/app?host=h");
  EXPECT_EQ(made.target.endpoints[0].port, 5432);
  EXPECT_EQ(made.target.tls.mode, TlsMode::verify_full);
  EXPECT_TRUE(made.target.roles.at("default").login_methods.empty());
}

TEST(ExecTarget, TheUserShownIsTheNamedOneElseTheRoleElseThePathsEnd) {
  EXPECT_EQ(good("vault:database/creds/app?host=h&user=u&run_as=r").shown_user, "u");
  EXPECT_EQ(good("vault:database/creds/app?host=h&run_as=r").shown_user, "r");
  EXPECT_EQ(good("vault:database/creds/app-role?host=h").shown_user, "app-role");
  EXPECT_EQ(good("file:/run/secret?host=h").shown_user, "app");
}

TEST(ExecTarget, WhatIsWrongIsNamed) {
  const std::pair<const char*, const char*> cases[] = {
      {"vault:database/creds/app", "host is missing"},
      {"vault:database/static-creds/app", "host is missing"},
      {"vault:database/creds/app?host=h&port=0", "port=0"},
      {"vault:database/creds/app?host=h&port=65536", "port=65536"},
      {"vault:database/creds/app?host=h&port=5432x", "port=5432x"},
      {"file:/secret?port=5432", "port is given without host"},
      {"vault:database/creds/app?host=h&engine=mysql", "engine=mysql"},
      {"vault:database/creds/app?host=h&login_methods=scram", "login_methods=scram"},
      {"vault:database/creds/app?host=h&login_methods=md5", "needs a reason"},
      {"vault:database/creds/app?host=h&dialect=nonsense", "dialect=nonsense"},
  };
  for (const auto& [text, what] : cases) {
    auto made = target_of(text);
    ASSERT_FALSE(made) << text;
    EXPECT_EQ(made.error().code, ErrorCode::bad_config) << text;
    EXPECT_NE(made.error().what.find(what), std::string::npos) << made.error().what;
    EXPECT_FALSE(made.error().hint.empty()) << text;
  }
}

TEST(ExecTarget, AWeakerModeNeedsAReasonAndAnEnd) {
  EXPECT_FALSE(target_of("vault:database/creds/app?host=h&sslmode=require"));
  EXPECT_FALSE(
      target_of("vault:database/creds/app?host=h&sslmode=require&tls_reason=old&tls_until=2099-01-01"));
  EXPECT_TRUE(
      target_of("vault:database/creds/app?host=h&sslmode=require&tls_reason=old&tls_until=2023-12-31"));
}

TEST(ExecTarget, ASecretThatNamesItsHostNeedsNone) {
  EXPECT_TRUE(good("file:/run/secret").target.endpoints.empty());
}

config::Config two_roles() {
  config::Config config;
  config.file = "sallyport.yaml";
  Target target;
  target.name = "db";
  target.roles["reader"].auth = "file:/r";
  target.roles["writer"].auth = "env:W";
  config.targets["db"] = target;
  return config;
}

TEST(ExecTarget, OfAConfigurationOneRoleIsChosen) {
  const auto config = two_roles();
  auto made = cli::target_from_config("DATABASE_URL", config, "db", "writer");
  ASSERT_TRUE(made);
  EXPECT_EQ(made->role, "writer");
  EXPECT_EQ(made->reference()->scheme, "env");
  EXPECT_EQ(made->target.roles.size(), 1u) << "the others are not opened";
}

TEST(ExecTarget, ARoleIsForConfiguredTargets) {
  EXPECT_TRUE(cli::check_role("", {"file:/r?host=h"}));
  EXPECT_TRUE(cli::check_role("writer", {"file:/r?host=h", "db"})) << "one of the two can use it";
  const auto checked = cli::check_role("writer", {"file:/r?host=h"});
  ASSERT_FALSE(checked);
  EXPECT_EQ(checked.error().where, "--role");
}

TEST(ExecTarget, WhatAConfigurationHasNotIsSaidWithWhatItHas) {
  const auto config = two_roles();
  const std::tuple<const char*, const char*, const char*> cases[] = {
      {"nope", "", "db"}, {"db", "nope", "reader, writer"}, {"db", "", "reader, writer"}};
  for (const auto& [name, role, known] : cases) {
    auto made = cli::target_from_config("V", config, name, role);
    ASSERT_FALSE(made);
    EXPECT_NE(made.error().hint.find(known), std::string::npos) << made.error().hint;
  }
}

TEST(ExecTarget, WhatIsNeitherReferenceNorNameIsNotRepeated) {
  const auto config = std::optional{two_roles()};
  const WallTime now{std::chrono::seconds{1'700'000'000}};
  for (const auto* text : {"postgresql://app:hunter2@db/app", "host=db password=hunter2", ""}) {
    for (const auto& given : {config, std::optional<config::Config>{}}) {
      const auto made = cli::target_from_text("DATABASE_URL", text, given, "", now);
      ASSERT_FALSE(made);
      EXPECT_EQ(describe(made.error()).find("hunter2"), std::string::npos) << describe(made.error());
    }
  }
  const auto mistyped = cli::target_from_text("DATABASE_URL", "valut:database/creds/app", config, "", now);
  EXPECT_EQ(mistyped.error().hint, "Did you mean vault:?");
}

TEST(ExecTarget, WhoNamedNoVariableHearsOfTheArgument) {
  const auto made = cli::target_from_text("DATABASE_URL", "production", std::nullopt, "", WallTime{});
  ASSERT_FALSE(made);
  EXPECT_EQ(made.error().where, "DATABASE_URL");
  const auto told = describe(cli::about_argument(made.error(), "DATABASE_URL", "TARGET"));
  EXPECT_EQ(told.find("TARGET: \"production\" is no reference"), 0u) << told;
  EXPECT_EQ(cli::about_argument({.where = "other"}, "DATABASE_URL", "TARGET").where, "other");
}

}  // namespace
}  // namespace sallyport::exec_target_test
