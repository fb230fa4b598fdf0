// threat 11: what a child could ask by itself, on machines in memory.
#include "cli/known_authority.h"

#include <gtest/gtest.h>

#include <map>

namespace sallyport::cli::known_authority_test {
namespace {

using Names = std::set<std::string>;

struct Machine {
  std::map<std::string, std::string> variables{{"PATH", "/bin"}};
  std::string home = "/home/me";
  Names files;
  DmiTexts dmi;

  [[nodiscard]] Names authority() const {
    return known_authority({[this](const std::string& name) {
                              const auto found = variables.find(name);
                              return found != variables.end() && !found->second.empty();
                            },
                            [this](const std::string& name) { return variables.at(name); },
                            [this](const std::string& path) { return files.contains(path); }, home, dmi});
  }
};

TEST(KnownAuthority, OfAPlainMachineThereIsNone) {
  EXPECT_EQ(Machine{}.authority(), Names{});
  Machine bare;
  bare.variables.clear();
  bare.home.clear();
  EXPECT_EQ(bare.authority(), Names{}) << "without HOME";
}

TEST(KnownAuthority, VariablesAreNamedAndTheirValuesNeverShown) {
  for (const std::string name :
       {"VAULT_TOKEN", "VAULT_SECRET_ID", "BAO_TOKEN", "CREDENTIALS_DIRECTORY", "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_AUTHORIZATION_TOKEN", "AZURE_CLIENT_SECRET",
        "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET"}) {
    Machine machine;
    machine.variables[name] = "canary";
    EXPECT_EQ(machine.authority(), Names{"$" + name});
    machine.variables[name] = "";
    EXPECT_EQ(machine.authority(), Names{}) << "empty opens nothing";
  }
}

TEST(KnownAuthority, VariablesThatNameAFileCountWhenItCanBeRead) {
  for (const std::string name :
       {"VAULT_TOKEN_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
        "AWS_SHARED_CREDENTIALS_FILE", "GOOGLE_APPLICATION_CREDENTIALS", "AZURE_CLIENT_CERTIFICATE_PATH",
        "AZURE_FEDERATED_TOKEN_FILE"}) {
    Machine machine;
    machine.variables[name] = "/secrets/token";
    EXPECT_EQ(machine.authority(), Names{}) << name;
    machine.files = {"/secrets/token"};
    EXPECT_EQ(machine.authority(), Names{"$" + name});
  }
}

TEST(KnownAuthority, FilesOfTheUserAndOfThePod) {
  const Names files{"/home/me/.vault-token", "/home/me/.aws/credentials",
                    "/home/me/.config/gcloud/application_default_credentials.json",
                    "/var/run/secrets/kubernetes.io/serviceaccount/token"};
  Machine machine;
  machine.files = files;
  EXPECT_EQ(machine.authority(), files);
}

TEST(KnownAuthority, TheMetadataServiceIsToldByTheFirmware) {
  const std::pair<DmiTexts, std::string> rows[] = {
      {{"Amazon EC2", "m5.large", "Amazon EC2", "Amazon EC2"}, "Amazon EC2"},
      {{"Xen", "HVM domU", "Amazon EC2", ""}, "Amazon EC2"},
      {{"Google", "Google Compute Engine", "Google", ""}, "Google Cloud"},
      {{"Google", "", "Google", ""}, "Google Cloud"},
      {{"Microsoft Corporation", "Virtual Machine", "Microsoft Corporation",
        "7783-7084-3265-9085-8269-3286-77"},
       "Azure"},
      {{"", "", "", "7783-7084-3265-9085-8269-3286-77"}, "Azure"},
      {{"Microsoft Corporation", "Virtual Machine", "Microsoft Corporation", ""}, "Azure"},
      {{"Microsoft Corporation", "Virtual Machine", "Microsoft Corporation", "1234-5678"}, ""},
      {{"Microsoft Corporation", "Surface Laptop", "Microsoft Corporation", ""}, ""},
      {{"Google", "Eve", "Google", ""}, ""},
      {{"QEMU", "Standard PC (Q35 + ICH9, 2009)", "", ""}, ""},
      {{"Dell Inc.", "PowerEdge R650", "Dell Inc.", ""}, ""},
  };
  for (const auto& [dmi, cloud] : rows) {
    const auto wanted = cloud.empty() ? Names{} : Names{"the metadata service of " + cloud};
    Machine machine;
    machine.dmi = dmi;
    EXPECT_EQ(machine.authority(), wanted) << dmi.sys_vendor << ", " << dmi.product_name;
  }
}

}  // namespace
}  // namespace sallyport::cli::known_authority_test
