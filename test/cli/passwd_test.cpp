// Files of passwords are changed whole, and unknown names are answered alike for as long as the state lives.
#include "cli/explain_identity.h"
#include "cli/mock_key.h"
#include "cli/password_file_edit.h"
#include "cli/policy_report.h"
#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <sys/stat.h>

#include <fstream>
#include <sstream>

namespace sallyport::cli::passwd_test {
namespace {

constexpr const char* alice =
    "alice:SCRAM-SHA-256$4096:AAAAAAAAAAAAAAAAAAAAAA==$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:"
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

std::string read(const std::string& path) {
  std::ifstream file{path};
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

mode_t mode_of(const std::string& path) {
  struct stat status {};
  return stat(path.c_str(), &status) == 0 ? status.st_mode & 07777U : 0;
}

class Directory {
 public:
  Directory() {
    std::string name = "/tmp/sallyport-passwd-XXXXXX";
    path_ = mkdtemp(name.data());
  }
  ~Directory() { std::filesystem::remove_all(path_); }
  Directory(const Directory&) = delete;
  Directory& operator=(const Directory&) = delete;
  [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

TEST(PasswordFileEdit, ReplacesOneLineAndKeepsTheRest) {
  EXPECT_EQ(with_line("", "a", "a:1"), "a:1\n");
  EXPECT_EQ(with_line("# c\na:0\nab:2\n", "a", "a:1"), "# c\na:1\nab:2\n");
  EXPECT_EQ(with_line("b:2", "a", "a:1"), "b:2\na:1\n");
}

TEST(PasswordFileEdit, MakesAPrivateFileAndKeepsTheModeOfOneThatIsThere) {
  const Directory directory;
  const auto path = directory.file("pw");
  EXPECT_EQ(*put_into_password_file(path, "alice", alice), Edit::added);
  EXPECT_EQ(mode_of(path), 0600U);
  EXPECT_EQ(read(path), std::string{alice} + "\n");
  chmod(path.c_str(), 0640);
  EXPECT_EQ(*put_into_password_file(path, "alice", alice), Edit::replaced);
  EXPECT_EQ(mode_of(path), 0640U);
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory.path()}, {}), 1);
}

TEST(PasswordFileEdit, ChangesNothingThatItDoesNotUnderstand) {
  const Directory directory;
  const auto path = directory.file("pw");
  std::ofstream{path} << "alice:hunter2\n";
  const auto wrong = put_into_password_file(path, "alice", alice);
  ASSERT_FALSE(wrong.has_value());
  EXPECT_EQ(wrong.error().code, ErrorCode::bad_config);
  EXPECT_EQ(read(path), "alice:hunter2\n");
  const auto link = directory.file("link");
  std::filesystem::create_symlink(path, link);
  EXPECT_EQ(put_into_password_file(link, "alice", alice).error().what, "is no regular file");
  chmod(path.c_str(), 0666);
  EXPECT_FALSE(put_into_password_file(path, "alice", alice).has_value());
  EXPECT_FALSE(put_into_password_file(directory.file("no/where"), "alice", alice).has_value());
}

TEST(MockKey, IsMadeOnceAndStaysTheSame) {
  const Directory directory;
  SystemRandomness randomness;
  const auto first = load_mock_key(directory.path(), randomness);
  ASSERT_TRUE(first.has_value()) << describe(first.error());
  EXPECT_NE(*first, MockKey{});
  EXPECT_EQ(*load_mock_key(directory.path(), randomness), *first);
  const auto file = directory.file("passwords/unknown-names.key");
  EXPECT_EQ(mode_of(file), 0600U);
  EXPECT_EQ(mode_of(directory.file("passwords")), 0700U);
  std::filesystem::resize_file(file, 7);
  EXPECT_EQ(load_mock_key(directory.path(), randomness).error().what, "is too short");
  std::filesystem::resize_file(file, 0);
  EXPECT_NE(*load_mock_key(directory.path(), randomness), *first);
  chmod(directory.file("passwords").c_str(), 0755);
  EXPECT_FALSE(load_mock_key(directory.path(), randomness).has_value());
}

AccountBook book() {
  return {[](const std::string& text) -> std::optional<Account> {
            if (text == "app" || text == "1000") return Account{1000, 1000, {1000, 50}};
            return {};
          },
          [](const std::string& text) -> std::optional<std::uint32_t> {
            if (text == "staff" || text == "50") return 50;
            return {};
          },
          [](const std::string& path) -> std::optional<policy::ExecutableId> {
            if (path == "/usr/bin/app") return policy::ExecutableId{1, 2, 3, 4};
            return {};
          }};
}

TEST(ExplainIdentity, IsReadAsPeopleAndTheTrailWriteIt) {
  const auto app = parse_identity({"user:app"}, book());
  ASSERT_TRUE(app.has_value());
  EXPECT_EQ(app->uid, 1000U);
  EXPECT_EQ(app->groups, (std::vector<std::uint32_t>{1000, 50}));
  EXPECT_EQ(parse_identity({"uid:1000(app)"}, book())->uid, 1000U);
  EXPECT_EQ(parse_identity({"uid:77"}, book())->uid, 77U) << "of another machine";
  const auto both = parse_identity({"gid:50(staff) uid:1000(app)", "password:alice"}, book());
  ASSERT_TRUE(both.has_value());
  EXPECT_EQ(both->login, "alice");
  EXPECT_EQ(describe_identity(*both, "10.0.0.7"),
            "uid 1000, groups 50 1000, password of alice, from 10.0.0.7");
  EXPECT_EQ(describe_identity({}, ""), "nobody");
}

TEST(ExplainIdentity, OfACertificateIsWrittenAsARuleWritesIt) {
  const auto spiffe = parse_identity({"cert:spiffe://example.org/ns/prod/sa/app password:alice"}, book());
  ASSERT_TRUE(spiffe.has_value());
  EXPECT_EQ(spiffe->certificate->spiffe_id, "spiffe://example.org/ns/prod/sa/app");
  EXPECT_EQ(spiffe->login, "alice");
  EXPECT_EQ(parse_identity({"cert:dns:app.example.com"}, book())->certificate->dns_names.front(),
            "app.example.com");
  EXPECT_EQ(parse_identity({"cert:CN=app,O=Some Company uid:1000"}, book())->certificate->subject,
            "CN=app,O=Some Company");
}

TEST(ExplainIdentity, OfAUnitOrControlGroupIsWrittenAsTheTrailHasIt) {
  EXPECT_EQ(parse_identity({"uid:1000(app) unit:app.service"}, book())->cgroup, "/system.slice/app.service");
  EXPECT_EQ(parse_identity({"cgroup:/kubepods/burstable"}, book())->cgroup, "/kubepods/burstable");
  EXPECT_FALSE(parse_identity({"unit:app"}, book()));
  EXPECT_FALSE(parse_identity({"cgroup:kubepods"}, book()));
}

TEST(ExplainIdentity, SaysWhichProgramItRunsAndThatItIsOfAnotherNamespace) {
  const auto app = parse_identity({"uid:1000(app) executable:/usr/bin/app namespaced"}, book());
  ASSERT_TRUE(app.has_value());
  EXPECT_EQ(app->executable, (policy::ExecutableId{1, 2, 3, 4}));
  EXPECT_TRUE(app->namespaced);
  EXPECT_EQ(parse_identity({"cert:CN=app executable:/usr/bin/app"}, book())->certificate->subject, "CN=app");
  EXPECT_FALSE(parse_identity({"executable:/usr/bin/other"}, book()));
  EXPECT_FALSE(parse_identity({"namespaced:yes"}, book()));
}

// The trail does not have the program, so that an identity out of it is neither admitted nor refused.
TEST(ExplainIdentity, WithoutItsProgramDependsOnIt) {
  Target target;
  target.name = "main";
  target.databases = {"app"};
  target.roles["default"].name = "default";
  Route route;
  route.name = "unix:/run/x:5432";
  AllowRule rule;
  rule.uid = 1000;
  rule.executable = "/usr/bin/app";
  rule.program = policy::ExecutableId{1, 2, 3, 4};
  route.allow = {rule};
  const auto says = [&](const std::string& identity) {
    PolicyQuestion question{route, target, *parse_identity({identity}, book()), {}, {}, {}};
    return explanation_text(question, policy::explain(route, target, question.identity, {}, {}));
  };
  const auto unsaid = says("uid:1000(app)");
  EXPECT_NE(unsaid.find("depends on the program that it runs: rule 1 admits /usr/bin/app"), std::string::npos)
      << unsaid;
  EXPECT_EQ(unsaid.find("refused"), std::string::npos) << unsaid;
  EXPECT_NE(says("uid:1000 executable:/usr/bin/app").find("admitted by rule 1"), std::string::npos);
  route.allow[0].program = policy::ExecutableId{9, 9, 9, 9};
  EXPECT_NE(says("uid:1000 executable:/usr/bin/app").find("refused"), std::string::npos);
  EXPECT_NE(says("uid:77").find("refused"), std::string::npos);
  EXPECT_NE(says("uid:1000 executable:/usr/bin/app namespaced").find("refused"), std::string::npos);
}

TEST(ExplainIdentity, OfNoKnownKindOrAccountIsAnError) {
  for (const std::string text : {"app", "user:", "user:nobody-here", "group:none", "host:x"}) {
    const auto wrong = parse_identity({text}, book());
    ASSERT_FALSE(wrong.has_value()) << text;
    EXPECT_EQ(wrong.error().where, "--identity " + text);
  }
}

}  // namespace
}  // namespace sallyport::cli::passwd_test
