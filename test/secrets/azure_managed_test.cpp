// Managed identity: which agent is asked, how, and what it may not make us do.
#include "test/secrets/azure_world.h"

#include <gtest/gtest.h>

namespace sallyport::azure_managed_test {
namespace {

const std::string arc_address = "http://localhost:40342/metadata/identity/oauth2/token";
const std::string arc_key = "/var/opt/azcmagent/tokens/4711.key";

CloudWorld arc(const std::string& header = "Basic realm=" + arc_key,
               const std::string& body = managed_reply().body) {
  CloudWorld world;
  world.variables = {{"IDENTITY_ENDPOINT", arc_address}, {"IMDS_ENDPOINT", "http://localhost:40342"}};
  world.files[arc_key] = "canary-key";
  world.http["GET " + arc_address] = [header, body](const Asked& asked) -> Told {
    if (asked.header("authorization") == "Basic canary-key") return {200, body, {}};
    return {401, "", {{"www-authenticate", header}}};
  };
  return world;
}

TEST(AzureManaged, TheMetadataServiceIsAskedForOneSecondWhetherItIsThere) {
  auto world = machine();
  const auto got = fetched(world);
  ASSERT_TRUE(got) << describe(got.error());
  ASSERT_EQ(world.asked.size(), 2U);
  EXPECT_EQ(world.asked[0].line, imds_line + "?api-version=2018-02-01");
  EXPECT_EQ(world.asked[0].header("metadata"), "") << "so that it makes no token";
  EXPECT_EQ(world.asked[1].line, imds_line + "?api-version=2018-02-01&resource=" + database_resource);
  EXPECT_EQ(world.asked[1].header("metadata"), "true");
}

TEST(AzureManaged, AMetadataServiceThatIsSilentCostsOneTryAndIsToldAsSuch) {
  CloudWorld world;
  Duration deadline{};
  const auto session = open_azure("azure-entra:");
  auto identity = session->fetch();
  std::optional<Event> event{started()};
  Error error;
  for (int step = 0; step < 100; ++step) {
    auto action = identity->resume({world.now, std::move(*event)});
    if (!action) {
      error = action.error();
      break;
    }
    if (const auto* http = std::get_if<HttpRequest>(&*action)) {
      EXPECT_EQ(deadline, Duration{}) << "only once";
      deadline = http->deadline;
    }
    if (std::holds_alternative<ReadVariable>(*action)) {
      event.emplace(VariableRead{std::nullopt});
    } else {
      event.emplace(ActionFailed{test_failure(
          std::holds_alternative<HttpRequest>(*action) ? ErrorCode::timed_out : ErrorCode::bad_config)});
    }
  }
  EXPECT_EQ(deadline, std::chrono::seconds{1});
  EXPECT_EQ(error.code, ErrorCode::timed_out) << "it may answer later";
  EXPECT_TRUE(says(error, "no metadata service answered within 1 s"));
}

TEST(AzureManaged, SomebodyElsesServiceAtThatAddressIsNoAzure) {
  for (const auto& told : {Told{403, "<html>canary</html>", {}}, Told{404, "Not Found", {}},
                           Told{401, "", {}}, Told{200, "ok", {}}}) {
    auto world = machine();
    world.on(imds_line, told);
    const auto error = refusal(world);
    EXPECT_TRUE(says(error, "is not Azure's metadata service (status " + std::to_string(told.status) + ")"))
        << describe(error);
    EXPECT_TRUE(says(error, "Azure CLI")) << "the chain goes on";
    EXPECT_EQ(world.asked.size(), 1U) << "it is asked for no token";
  }
}

TEST(AzureManaged, AnIdentityIsChosenByOneOfThreeIds) {
  const std::string resource_id = "/subscriptions/s/resourceGroups/g/x";
  struct Row {
    std::string attribute, query;
  };
  for (const auto& [attribute, query] :
       {Row{"client_id=c-2", "&client_id=c-2"}, Row{"object_id=o-2", "&object_id=o-2"},
        Row{"msi_res_id=" + resource_id, "&msi_res_id=%2Fsubscriptions%2Fs%2FresourceGroups%2Fg%2Fx"}}) {
    auto world = machine();
    ASSERT_TRUE(fetched(world, "azure-entra:?" + attribute));
    EXPECT_TRUE(world.asked[1].line.ends_with("&resource=" + database_resource + query))
        << world.asked[1].line;
  }
  auto world = machine();
  world.variables["AZURE_CLIENT_ID"] = "from-environment";
  ASSERT_TRUE(fetched(world));
  EXPECT_TRUE(world.asked[1].line.ends_with("&client_id=from-environment"));
}

TEST(AzureManaged, TheRetryTableOfTheMetadataServiceIsKept) {
  struct Row {
    int status;
    int requests;  ///< beside the probe
    std::chrono::seconds waits_min, waits_max;
  };
  using std::chrono::seconds;
  for (const auto& [status, requests, least, most] :
       {Row{404, 5, seconds{12}, seconds{16}}, Row{410, 5, seconds{70}, seconds{100}},
        Row{429, 5, seconds{12}, seconds{16}}, Row{500, 5, seconds{12}, seconds{16}},
        Row{503, 5, seconds{12}, seconds{16}}, Row{403, 1, seconds{0}, seconds{0}}}) {
    auto world = machine();
    world.on(imds_line + "?api-version=2018-02-01&resource=", {status, R"({"error":"canary error"})", {}});
    const auto error = refusal(world);
    EXPECT_EQ(error.code, status == 403 ? ErrorCode::denied : ErrorCode::retry_later) << status;
    EXPECT_TRUE(says(error, "status " + std::to_string(status)));
    EXPECT_EQ(world.count(imds_line), requests + 1) << status;
    EXPECT_GE(world.waited, Duration{least}) << status;
    EXPECT_LE(world.waited, Duration{most}) << status;
  }
}

TEST(AzureManaged, AMachineWithoutAnIdentityIsSkippedUnlessOneWasChosen) {
  auto world = machine();
  world.on(imds_line + "?api-version=2018-02-01&resource=", {400, R"({"error":"invalid_request"})", {}});
  EXPECT_TRUE(says(refusal(world), "no identity is assigned to this machine"));
  EXPECT_TRUE(says(refusal(world), "Azure CLI"));
  const auto chosen = refusal(world, "azure-entra:?client_id=c-2");
  EXPECT_EQ(chosen.code, ErrorCode::denied);
  EXPECT_TRUE(says(chosen, "az vm identity assign --identities"));
}

TEST(AzureManaged, ExpiryIsReadInEveryForm) {
  for (const auto* form :
       {R"("expires_on":1800003600)", R"("expires_on":"1800003600")",
        R"("expires_on":"2027-01-15T09:00:00Z")", R"("expires_on":"01/15/2027 09:00:00 +00:00")",
        R"("expires_on":"1/15/2027 9:00:00 AM +00:00")", R"("expires_in":"3600")", R"("expires_in":3600)",
        R"("expires_on":"1800003600","expires_in":"86399")", R"("not_before":1)"}) {
    auto world = machine();
    world.on(imds_line + "?api-version=2018-02-01&resource=", managed_reply(form));
    const auto got = fetched(world);
    ASSERT_TRUE(got) << form << describe(got.error());
    EXPECT_EQ(got->credential.expires, WallTime{std::chrono::seconds{1'800'003'600}}) << form;
  }
  for (const auto* form :
       {R"("expires_on":"soon")", R"("expires_on":-1)", R"("expires_on":"13/45/2027 09:00:00 +00:00")",
        R"("expires_on":99999999999)", R"("expires_on":1700000000)"}) {
    auto world = machine();
    world.on(imds_line + "?api-version=2018-02-01&resource=", managed_reply(form, "opaque"));
    EXPECT_TRUE(says(refusal(world), "expire")) << form;
  }
}

TEST(AzureManaged, ALongLifeIsReplacedAtItsHalf) {
  const auto refetch = [](const std::string& seconds) {
    auto world = machine();
    world.on(imds_line + "?api-version=2018-02-01&resource=",
             managed_reply(R"("expires_in":")" + seconds + "\""));
    return fetched(world)->refetch_after;
  };
  EXPECT_EQ(refetch("86400"), std::chrono::hours{12});
  EXPECT_EQ(refetch("7200"), std::nullopt);
  EXPECT_EQ(refetch("3600"), std::nullopt);
}

TEST(AzureManaged, AppServiceGetsItsHeaderAndItsOwnNameOfTheResourceId) {
  CloudWorld world;
  world.variables = {{"IDENTITY_ENDPOINT", "http://169.254.129.2:8081/msi/token"},
                     {"IDENTITY_HEADER", "canary-header"}};
  world.http["GET http://169.254.129.2:8081/msi/token?api-version=2019-08-01&resource=" + database_resource] =
      [](const Asked& asked) {
        return asked.header("x-identity-header") == "canary-header" ? managed_reply() : Told{401, "", {}};
      };
  ASSERT_TRUE(fetched(world));
  ASSERT_TRUE(fetched(world, "azure-entra:?msi_res_id=/a/b"));
  EXPECT_TRUE(world.asked.back().line.ends_with("&mi_res_id=%2Fa%2Fb"));
  world.variables["IDENTITY_SERVER_THUMBPRINT"] = "00";
  EXPECT_TRUE(says(refusal(world), "Service Fabric"));
}

TEST(AzureManaged, NoAgentIsAskedAtAnAddressElsewhere) {
  for (const auto* address :
       {"http://agent.example.com/x", "http://10.0.0.1/x", "http://0x7f000001/x", "http://127.1/x",
        "http://127.0.0.1.evil.example/x", "http://2130706433/x", "http://evil@127.0.0.1/x", "file:///x"}) {
    CloudWorld world;
    world.variables = {{"IDENTITY_ENDPOINT", address}, {"IDENTITY_HEADER", "canary"}};
    EXPECT_TRUE(says(refusal(world), "IDENTITY_ENDPOINT")) << address;
    EXPECT_TRUE(world.asked.empty());
    CloudWorld shell;
    shell.variables = {{"MSI_ENDPOINT", address}};
    EXPECT_TRUE(says(refusal(shell), "MSI_ENDPOINT")) << address;
    CloudWorld pod;
    pod.variables = {{"AZURE_POD_IDENTITY_AUTHORITY_HOST", address}};
    EXPECT_TRUE(says(refusal(pod), "AZURE_POD_IDENTITY_AUTHORITY_HOST")) << address;
    EXPECT_TRUE(pod.asked.empty());
  }
}

TEST(AzureManaged, ArcProvesItselfWithTheKeyThatTheAgentNames) {
  auto world = arc();
  const auto got = fetched(world);
  ASSERT_TRUE(got) << describe(got.error());
  EXPECT_NE(got->origin.find("Arc"), std::string::npos);
  EXPECT_EQ(world.asked[0].header("authorization"), "");
  EXPECT_EQ(world.asked[0].line,
            "GET " + arc_address + "?api-version=2020-06-01&resource=" + database_resource);
}

TEST(AzureManaged, ArcsAgentNamesNoFileOfItsChoice) {
  for (const auto* realm : {"/etc/shadow", "/var/opt/azcmagent/tokens/../../../../etc/shadow",
                            "/var/opt/azcmagent/tokens/../x.key", "/var/opt/azcmagent/tokens/a/b.key",
                            "/var/opt/azcmagent/tokens/x.txt", "/var/opt/azcmagent/tokens/.key",
                            "/var/opt/azcmagent/tokensx/a.key", "/home/a/.ssh/id.key", "", "a.key",
                            "/var/opt/azcmagent/tokens/a\nb.key", "/var/opt/azcmagent/tokens/..key"}) {
    auto world = arc("Basic realm=" + std::string{realm});
    EXPECT_TRUE(says(refusal(world), "no .key file in /var/opt/azcmagent/tokens/")) << realm;
    for (const auto& line : world.read) EXPECT_FALSE(line.starts_with("file ")) << line;
  }
  for (const auto* header : {"", "Bearer x", "Basic", "Negotiate"})
    EXPECT_FALSE(fetched(*std::make_unique<CloudWorld>(arc(header))));
}

TEST(AzureManaged, ArcsKeyIsShortAndOneWord) {
  for (const auto& key :
       {std::string(4097, 'a'), std::string{}, std::string{"canary\r\nX-Header: y"}, std::string{"\n"}}) {
    auto world = arc();
    world.files[arc_key] = key;
    EXPECT_TRUE(says(refusal(world), "is no key")) << key.size();
    EXPECT_EQ(world.asked.size(), 1U);
  }
  auto open = arc();
  open.http["GET " + arc_address] = [](const Asked&) { return managed_reply(); };
  EXPECT_TRUE(says(refusal(open), "without asking for the key"));
}

TEST(AzureManaged, ArcsAgentHasToConfirmTheIdentityThatWasChosen) {
  auto old = arc();
  EXPECT_TRUE(says(refusal(old, "azure-entra:?client_id=c-2"), "may have given the machine's own"));
  auto body = managed_reply().body;
  body.insert(1, R"("client_id":"C-2",)");
  auto world = arc("Basic realm=" + arc_key, body);
  EXPECT_TRUE(fetched(world, "azure-entra:?client_id=c-2"));
}

TEST(AzureManaged, CloudShellIsAskedWithAFormAndMachineLearningWithItsSecret) {
  CloudWorld world;
  world.variables["MSI_ENDPOINT"] = "http://localhost:50342/oauth2/token";
  world.on("POST http://localhost:50342/oauth2/token", managed_reply());
  ASSERT_TRUE(fetched(world));
  EXPECT_EQ(world.asked[0].body, "resource=" + database_resource);
  EXPECT_EQ(world.asked[0].header("metadata"), "true");
  world.variables["MSI_SECRET"] = "canary-secret";
  world.variables["AZURE_CLIENT_ID"] = "c-1";
  world.on("GET http://localhost:50342/oauth2/token?api-version=2017-09-01&resource=" + database_resource +
               "&clientid=c-1",
           managed_reply());
  ASSERT_TRUE(fetched(world));
  EXPECT_EQ(world.asked[1].header("secret"), "canary-secret");
}

}  // namespace
}  // namespace sallyport::azure_managed_test
