// What the sandbox leaves is a value of the configuration.
#include "cli/sandbox_rules.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace sallyport::cli::sandbox_rules_test {
namespace {

using net::FileRule;
using net::FileUse;

class SandboxRules : public testing::Test {
 protected:
  SandboxRules() {
    config_.file = "/srv/conf/sallyport.yaml";
    config_.audit.directory = "/var/lib/sallyport/audit";
    config_.state_directory = "/var/lib/sallyport";
    auto& target = config_.targets["db"];
    target.roles["app"].auth = "file:/run/secrets/db";
    Route route;
    route.listen = UnixListen{"/run/sallyport/db", 5432};
    config_.routes.push_back(route);
  }

  [[nodiscard]] std::vector<FileRule> rules() const {
    const SandboxSurroundings around{[&](const std::string& name) {
                                       const auto found = variables_.find(name);
                                       return found == variables_.end() ? std::string{} : found->second;
                                     },
                                     "/home/app",
                                     [&](const std::string& path) {
                                       const auto found = links_.find(path);
                                       return found == links_.end() ? std::string{} : found->second;
                                     },
                                     {"/etc/pki/tls/cert.pem"}};
    return sandbox_rules(config_, sources_, around);
  }
  [[nodiscard]] bool has(const FileRule& rule) const {
    const auto all = rules();
    return std::find(all.begin(), all.end(), rule) != all.end();
  }
  [[nodiscard]] bool allows(const std::string& path, FileUse use) const {
    return beyond_sandbox(rules(), {{path, use}}).empty();
  }

  config::Config config_;
  secrets::Registry sources_ = secrets::register_all();
  std::map<std::string, std::string> variables_, links_;
};

TEST_F(SandboxRules, NameDirectoriesOfFiles) {
  EXPECT_TRUE(has({"/srv/conf", FileUse::read})) << "of the configuration itself";
  EXPECT_TRUE(has({"/run/secrets", FileUse::read}));
  EXPECT_TRUE(has({"/etc", FileUse::read}));
  EXPECT_TRUE(has({"/dev/null", FileUse::read_write}));
  EXPECT_FALSE(allows("/srv/other", FileUse::read));
  EXPECT_FALSE(allows("/srv/conf", FileUse::keep));
}

TEST_F(SandboxRules, WriteTheTrailTheStateAndTheSocketsAndNothingElse) {
  EXPECT_TRUE(allows("/var/lib/sallyport/audit", FileUse::keep));
  EXPECT_TRUE(allows("/var/lib/sallyport/leases", FileUse::keep));
  EXPECT_TRUE(has({"/run/sallyport", FileUse::sockets})) << "the admin sockets' directory holds the route's";
  EXPECT_TRUE(allows("/run/sallyport/db", FileUse::sockets));
  for (const auto& rule : rules()) {
    EXPECT_TRUE(rule.use == FileUse::read || rule.path == "/var/lib/sallyport" ||
                rule.path == "/run/sallyport" || rule.path == "/dev/null")
        << rule.path;
  }
}

TEST_F(SandboxRules, FollowLinksToWhereFilesAre) {
  auto& tls = config_.routes.front().tls.emplace();
  tls.certificate_file = "/srv/tls/live/cert.pem";
  tls.key_file = "/srv/tls/live/key.pem";
  links_ = {{"/srv/tls/live/cert.pem", "/srv/archive/cert1.pem"}, {"/srv/tls/live", "/srv/tls/live"}};
  EXPECT_TRUE(has({"/srv/tls/live", FileUse::read}));
  EXPECT_TRUE(has({"/srv/archive", FileUse::read})) << "where cert2.pem will be";
}

TEST_F(SandboxRules, AreRealPathsOfDirectories) {
  config_.audit.directory = "/srv/audit";
  links_ = {{"/srv/audit", "/data/audit"}};
  EXPECT_TRUE(has({"/data/audit", FileUse::keep}));
  EXPECT_FALSE(has({"/srv/audit", FileUse::keep}));
}

TEST_F(SandboxRules, NameFilesInTheRootByThemselves) {
  config_.file = "/sallyport.yaml";
  EXPECT_TRUE(has({"/sallyport.yaml", FileUse::read}));
  EXPECT_FALSE(allows("/anything", FileUse::read));
}

TEST_F(SandboxRules, KnowEveryVariableThatNamesAFileOfASource) {
  const auto names = file_variables(sources_);
  for (const auto* name :
       {"VAULT_TOKEN_FILE", "VAULT_CACERT", "CREDENTIALS_DIRECTORY", "AWS_CONFIG_FILE",
        "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CA_BUNDLE",
        "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_FEDERATED_TOKEN_FILE", "AZURE_CLIENT_CERTIFICATE_PATH"}) {
    EXPECT_EQ(std::count(names.begin(), names.end(), name), 1) << name;
  }
}

TEST_F(SandboxRules, HoldWhatAnIdentityNeeds) {
  config_.identity.files = {"/srv/tokens/oidc"};
  EXPECT_TRUE(has({"/srv/tokens", FileUse::read}));
}

TEST_F(SandboxRules, HoldWhatSourcesRead) {
  config_.targets["db"].roles["app"].auth = "vault:database/creds/app?secret_id_file=/srv/approle/id";
  variables_ = {{"VAULT_TOKEN_FILE", "/srv/token/t"}, {"VAULT_CACERT", "/srv/vault/ca.pem"}};
  EXPECT_TRUE(has({"/srv/approle", FileUse::read}));
  EXPECT_TRUE(has({"/srv/token", FileUse::read}));
  EXPECT_TRUE(has({"/srv/vault", FileUse::read}));
  EXPECT_FALSE(allows("/home/app", FileUse::read)) << "no token lies there";
  links_ = {{"/home/app/.vault-token", "/home/app/.vault-token"}};
  EXPECT_TRUE(allows("/home/app", FileUse::read));
  config_.targets["db"].roles["app"].auth = "systemd:db";
  variables_ = {{"CREDENTIALS_DIRECTORY", "/run/credentials/sallyport.service"}};
  EXPECT_TRUE(has({"/run/credentials/sallyport.service", FileUse::read}));
}

TEST_F(SandboxRules, HoldWhatRulesAndTlsRead) {
  auto& target = config_.targets["db"];
  target.tls.roots = {"system", "/srv/roots/ca.pem"};
  target.tls.crl_file = "/srv/crl/list.pem";
  AllowRule rule;
  rule.verifier = "/srv/passwords/list";
  rule.executable = "/opt/app/bin/app";
  config_.routes.front().allow.push_back(rule);
  config_.admin.token_file = "/srv/admin/token";
  for (const auto* path : {"/srv/roots", "/srv/crl", "/srv/passwords", "/opt/app/bin", "/srv/admin"}) {
    EXPECT_TRUE(has({path, FileUse::read})) << path;
  }
}

TEST_F(SandboxRules, SayWhatAReloadCannotHave) {
  const auto granted = rules();
  EXPECT_TRUE(beyond_sandbox(granted, rules()).empty());
  config_.targets["db"].roles["app"].auth = "file:/run/secrets/other";
  EXPECT_TRUE(beyond_sandbox(granted, rules()).empty()) << "the same directory";
  Route route;
  route.listen = UnixListen{"/run/sallyport/reports", 5432};
  config_.routes.push_back(route);
  EXPECT_TRUE(beyond_sandbox(granted, rules()).empty()) << "below one that it has";
  config_.targets["db"].roles["app"].auth = "file:/srv/secrets/db";
  config_.routes.back().listen = UnixListen{"/run/other", 5432};
  EXPECT_EQ(beyond_sandbox(granted, rules()), (std::vector<std::string>{"/run/other", "/srv/secrets"}));
}

TEST_F(SandboxRules, DoNotTakeANameForItsPrefix) {
  EXPECT_FALSE(allows("/run/secretsafe", FileUse::read));
  EXPECT_FALSE(allows("/etcetera", FileUse::read));
}

}  // namespace
}  // namespace sallyport::cli::sandbox_rules_test
