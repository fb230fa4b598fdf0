// Which provider of AWS' keys wins, and what each asks for on its way.
#include "test/secrets/aws_world.h"

namespace sallyport::aws_chain_test {
namespace {

std::string winner(AwsWorld& world) {
  const auto keys = world.keys();
  return keys ? keys->access_key_id : "none: " + keys.error().what;
}

std::string complaint(AwsWorld& world) {
  const auto keys = world.keys();
  return keys ? "keys: " + keys->access_key_id : describe(keys.error());
}

TEST(AwsChain, TheEnvironmentBeatsAWS_PROFILEAndSaysSo) {
  AwsWorld world;
  world.role();
  world.environment();
  EXPECT_EQ(winner(world), "AKIDENV");
  ASSERT_EQ(world.search.tried.size(), 1U);
  EXPECT_EQ(world.search.tried[0].provider, "profile app");
  EXPECT_NE(world.search.tried[0].reason.find("?profile=app"), std::string::npos);
}

TEST(AwsChain, AProfileThatTheReferenceChoosesBeatsTheEnvironment) {
  AwsWorld world;
  world.environment();
  world.web_identity();
  world.credentials_file("app");
  world.choice.profile = "app";
  EXPECT_EQ(winner(world), "AKIDFILE");
  EXPECT_EQ(world.count("POST"), 0) << "nor does the environment's web identity count";
}

TEST(AwsChain, AProfileThatIsNotThereNamesThoseThatAre) {
  AwsWorld world;
  world.credentials_file("prod");
  world.choice.profile = "prd";
  const auto text = complaint(world);
  EXPECT_NE(text.find("there are: prod"), std::string::npos) << text;
  EXPECT_NE(text.find("aws configure --profile prd"), std::string::npos) << text;
}

TEST(AwsChain, ProfileFilesAreObeyedOnlyWhereNobodyElseWritesThem) {
  AwsWorld world;
  world.role();
  world.process();
  ASSERT_FALSE(winner(world).starts_with("AKIDENV"));
  for (const auto* file : {"/home/a/.aws/config", "/home/a/.aws/credentials"})
    EXPECT_EQ(world.trusted[file].front(), FileTrust::only_we_write) << file;
}

TEST(AwsChain, AnUnreachableContainerEndpointIsFatal) {
  AwsWorld world;
  world.container();
  world.instance();
  world.http.erase("GET http://169.254.170.2/v2/keys");
  EXPECT_NE(complaint(world).find("container: "), std::string::npos);
  EXPECT_EQ(world.count("PUT"), 0) << "the instance's role is somebody else's";
  EXPECT_EQ(world.count("GET http://169.254.170.2"), 3);
}

TEST(AwsChain, ContainerAddressesThatAreNotAskedForKeys) {
  for (const auto* url :
       {"http://10.1.2.3/", "http://169.254.170.3/", "http://127.1/", "http://0x7f.0.0.1/",
        "http://2130706433/", "http://127.0.0.1@evil/", "http://127.0.0.1.evil/", "http://localhost.evil/",
        "ftp://127.0.0.1/", "http://", "//127.0.0.1", "http://169.254.170.2#@evil/", "http://[fd00:ec2::24]/",
        "http://127.0.0.1\\@evil/", "http://1270.0.0.1/"}) {
    AwsWorld world;
    world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "canary-token";
    const auto text = complaint(world);
    EXPECT_NE(text.find("AWS_CONTAINER_CREDENTIALS_FULL_URI"), std::string::npos) << url << ": " << text;
    EXPECT_TRUE(world.asked.empty()) << url;
  }
  AwsWorld world;
  world.variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "@evil/";
  EXPECT_NE(complaint(world).find("container: "), std::string::npos);
  EXPECT_TRUE(world.asked.empty());
}

TEST(AwsChain, ContainerAddressesThatAre) {
  for (const auto* url : {"http://127.0.0.1:9/k", "http://127.8.9.10/k", "http://localhost:8080/k",
                          "http://[::1]/k", "http://169.254.170.2/k", "http://169.254.170.23/k",
                          "http://[fd00:ec2::23]/k", "https://keys.example/k"}) {
    AwsWorld world;
    world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    world.on(std::string{"GET "} + url, {200, json_keys("ASIAX", iso_in(std::chrono::hours{1})), {}});
    EXPECT_EQ(winner(world), "ASIAX") << url;
  }
}

TEST(AwsChain, ATokenOutOfAFileGoesToTheMachineItselfAndToAwsAddresses) {
  for (const auto* url : {"https://keys.example/k", "https://10.1.2.3/k", "https://127.0.0.1.evil/k",
                          "http://10.1.2.3/k", "https://169.254.170.3/k"}) {
    AwsWorld world;
    world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/etc/shadow";
    world.files["/etc/shadow"] = "canary";
    const auto text = complaint(world);
    EXPECT_NE(text.find("gets no token out of a file"), std::string::npos) << url << ": " << text;
    EXPECT_TRUE(world.asked.empty() && !world.trusted.contains("/etc/shadow")) << url;
  }
  for (const auto* url : {"http://127.0.0.1:9/k", "https://localhost/k", "https://[::1]/k",
                          "http://169.254.170.2/k", "http://169.254.170.23/k", "http://[fd00:ec2::23]/k"}) {
    AwsWorld world;
    world.variables["AWS_CONTAINER_CREDENTIALS_FULL_URI"] = url;
    world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/var/run/pod";
    world.files["/var/run/pod"] = "token";
    world.on(std::string{"GET "} + url, {200, json_keys("ASIAX", iso_in(std::chrono::hours{1})), {}});
    EXPECT_EQ(winner(world), "ASIAX") << url;
  }
}

TEST(AwsChain, AContainersRefusalIsNotAskedForTwice) {
  for (const auto& [status, times] :
       {std::pair{403, 1}, std::pair{404, 1}, std::pair{429, 3}, std::pair{503, 3}}) {
    AwsWorld world;
    world.container();
    world.on("GET http://169.254.170.2/v2/keys", {status, "{}", {}});
    EXPECT_NE(complaint(world).find("status " + std::to_string(status)), std::string::npos);
    EXPECT_EQ(world.count("GET http://169.254.170.2"), times) << status;
  }
}

TEST(AwsChain, TheContainersTokenIsReadAgainEachTimeAndItsFileWins) {
  AwsWorld world;
  world.container();
  world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN"] = "variable";
  world.variables["AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"] = "/var/run/pod";
  for (const auto* token : {"first", "second"}) {
    world.files["/var/run/pod"] = token;
    EXPECT_EQ(winner(world), "ASIACONTAINER");
    EXPECT_EQ(world.asked.back().header("authorization"), token);
  }
  world.files["/var/run/pod"] = "third\r\nX-Evil: 1";
  EXPECT_NE(complaint(world).find("line break"), std::string::npos);
}

TEST(AwsChain, TheMetadataServiceIsAskedWithItsToken) {
  AwsWorld world;
  world.instance();
  EXPECT_EQ(winner(world), "ASIAINSTANCE");
  ASSERT_EQ(world.asked.size(), 3U);
  EXPECT_EQ(world.asked[0].header("x-aws-ec2-metadata-token-ttl-seconds"), "21600");
  EXPECT_EQ(world.asked[1].header("x-aws-ec2-metadata-token"), "canary-imds-token");
  EXPECT_EQ(world.asked[2].header("x-aws-ec2-metadata-token"), "canary-imds-token");
}

TEST(AwsChain, VersionOneOnlyWhereVersionTwoIsNotThere) {
  for (const auto& [status, falls_back] : {std::pair{403, true},
                                           {404, true},
                                           {405, true},
                                           {0, true},
                                           {400, false},
                                           {500, false},
                                           {503, false},
                                           {429, false},
                                           {302, false},
                                           {401, false}}) {
    for (const bool disabled : {false, true}) {
      AwsWorld world;
      world.instance();
      world.on("PUT " + std::string{metadata}, {status, "", {}});
      world.http["PUT " + std::string{metadata} + "api/token"] = world.http["PUT " + std::string{metadata}];
      if (disabled) world.variables["AWS_EC2_METADATA_V1_DISABLED"] = "true";
      EXPECT_EQ(winner(world) == "ASIAINSTANCE", falls_back && !disabled) << status;
      EXPECT_EQ(world.count("GET") > 0, falls_back && !disabled) << status;
    }
  }
}

TEST(AwsChain, MetadataAddressesThatAreNone) {
  for (const auto* url :
       {"http://10.0.0.1", "https://169.254.169.254", "http://evil", "http://169.254.169.254@evil",
        "http://169.254.169.254.evil", "http://127.0.0.1.evil/", "http://[fe80::1]"}) {
    AwsWorld world;
    world.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = url;
    EXPECT_NE(complaint(world).find("AWS_EC2_METADATA_SERVICE_ENDPOINT"), std::string::npos) << url;
    EXPECT_TRUE(world.asked.empty()) << url;
  }
}

TEST(AwsChain, TheMetadataServicesAddressMayBeChosenAndForbidden) {
  AwsWorld world;
  world.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT_MODE"] = "IPv6";
  (void)world.keys();
  EXPECT_EQ(world.count("PUT http://[fd00:ec2::254]/latest/api/token"), 1);
  world.variables["AWS_EC2_METADATA_SERVICE_ENDPOINT"] = "http://127.0.0.1:9911/";
  (void)world.keys();
  EXPECT_EQ(world.count("PUT http://127.0.0.1:9911/latest/api/token"), 1);
  world.asked.clear();
  world.variables["AWS_EC2_METADATA_DISABLED"] = "TRUE";
  EXPECT_NE(complaint(world).find("AWS_EC2_METADATA_DISABLED forbids it"), std::string::npos);
  EXPECT_TRUE(world.asked.empty());
}

TEST(AwsChain, ASlowMetadataServiceMayAnswerLater) {
  AwsWorld world;
  world.on("PUT " + std::string{metadata}, {0, "", {}});
  world.on("GET " + std::string{metadata}, {0, "", {}});
  const auto keys = world.keys();
  ASSERT_FALSE(keys);
  EXPECT_EQ(keys.error().code, ErrorCode::timed_out);
  EXPECT_NE(keys.error().what.find("environment: "), std::string::npos) << keys.error().what;
}

TEST(AwsChain, ARoleIsAskedForAsTheProfileSays) {
  AwsWorld world;
  world.role();
  world.files["/home/a/.aws/config"] += "external_id = a b\nduration_seconds = 900\nrole_session_name = me\n";
  EXPECT_EQ(winner(world), "ASIAROLE");
  EXPECT_EQ(
      world.asked.back().body,
      "Action=AssumeRole&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fapp&RoleSessionName=me&"
      "ExternalId=a%20b&DurationSeconds=900");
  EXPECT_NE(world.asked.back().header("authorization").find("Credential=AKIDFILE/"), std::string::npos);
}

TEST(AwsChain, ARolesSourceMayBeTheEnvironment) {
  AwsWorld world;
  world.role();
  world.environment();
  world.choice.profile = "app";
  world.files["/home/a/.aws/config"] =
      "[profile app]\nrole_arn = arn:aws:iam::1:role/app\ncredential_source = Environment\n";
  EXPECT_EQ(winner(world), "ASIAROLE");
  EXPECT_NE(world.asked.back().header("authorization").find("Credential=AKIDENV/"), std::string::npos);
}

TEST(AwsChain, MfaIsRefusedWithTheWayOut) {
  AwsWorld world;
  world.role();
  world.files["/home/a/.aws/config"] += "mfa_serial = arn:aws:iam::1:mfa/me\n";
  const auto text = complaint(world);
  EXPECT_NE(text.find("mfa_serial"), std::string::npos) << text;
  EXPECT_NE(text.find("aws configure export-credentials --profile app"), std::string::npos) << text;
  EXPECT_TRUE(world.asked.empty());
}

TEST(AwsChain, WebIdentityIsNotSignedAndItsFileIsReadEachTime) {
  AwsWorld world;
  world.web_identity();
  for (const auto* token : {"first", "second"}) {
    world.files["/var/run/token"] = token;
    EXPECT_EQ(winner(world), "ASIAWEB");
    EXPECT_TRUE(world.asked.back().header("authorization").empty());
    EXPECT_NE(world.asked.back().body.find(std::string{"WebIdentityToken="} + token), std::string::npos);
  }
}

TEST(AwsChain, AnEndThatNoClockHoldsIsTheLastOneThatItDoes) {
  AwsWorld world;
  world.sso();
  for (const auto* end : {"253402300799000", "9223372036854775807"}) {
    world.on("GET https://portal.sso.us-east-1.amazonaws.com/federation/credentials?",
             {200,
              std::string{
                  R"({"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":"canary-secret-key",)"} +
                  R"("sessionToken":"canary-session-token","expiration":)" + end + "}}",
              {}});
    EXPECT_EQ(winner(world), "ASIASSO") << end;
  }
}

TEST(AwsChain, AnExpiredSignInNamesTheCommand) {
  AwsWorld world;
  world.sso();
  world.now = test_moment(std::chrono::hours{3});
  EXPECT_NE(complaint(world).find("aws sso login --profile app"), std::string::npos);
  EXPECT_EQ(world.count("GET https://portal"), 0);
}

TEST(AwsChain, ASignatureRefusedByAnotherClockIsMadeAtItsTime) {
  AwsWorld world;
  world.role();
  const auto good = world.http["POST " + std::string{sts}];
  const auto seen = std::make_shared<std::vector<std::string>>();
  world.http["POST " + std::string{sts}] = [good, seen](const Asked& asked) {
    seen->push_back(asked.header("x-amz-date"));
    if (seen->size() == 1)
      return Told{403, sts_error("SignatureDoesNotMatch"), {{"date", "Fri, 15 Jan 2027 08:10:00 GMT"}}};
    return good(asked);
  };
  EXPECT_EQ(winner(world), "ASIAROLE");
  EXPECT_EQ(*seen, (std::vector<std::string>{"20270115T080000Z", "20270115T081000Z"}));
  EXPECT_EQ(world.search.skew, std::chrono::minutes{10});
}

TEST(AwsChain, AProgramNeedsItsPath) {
  for (const auto* line : {"keys", "~/keys", "./keys", "", "'unclosed", "\\"}) {
    AwsWorld world;
    world.files["/home/a/.aws/config"] = std::string{"[default]\ncredential_process = "} + line + "\n";
    EXPECT_NE(complaint(world).find("credential_process"), std::string::npos) << line;
  }
}

TEST(AwsSettings, TheRegionIsTheReferencesThenTheEnvironmentsThenTheProfiles) {
  AwsWorld world;
  world.credentials_file();
  world.files["/home/a/.aws/config"] = "[default]\nregion = eu-north-1\n";
  secrets::aws::KeyCache cache;
  ASSERT_TRUE(world.refresh(cache));
  EXPECT_EQ(cache.settings().region, "eu-west-1");
  world.variables.erase("AWS_REGION");
  ASSERT_TRUE(world.refresh(cache));
  EXPECT_EQ(cache.settings().region, "eu-north-1");
  world.choice.region = "us-east-2";
  ASSERT_TRUE(world.refresh(cache));
  EXPECT_EQ(cache.settings().region, "us-east-2");
  world.choice.region = "evil.example/";
  secrets::aws::KeyCache fresh;
  EXPECT_FALSE(world.refresh(fresh));
}

TEST(AwsSettings, EndpointsOfTheProfileCountWhereTheEnvironmentSaysNothing) {
  AwsWorld world;
  world.credentials_file();
  world.files["/home/a/.aws/config"] =
      "[default]\nservices = own\nendpoint_url = https://all.example\n[services own]\nssm =\n  endpoint_url "
      "= https://ssm.example\n";
  secrets::aws::KeyCache cache;
  const auto url_of = [&](secrets::aws::Service service) {
    EXPECT_TRUE(world.refresh(cache));
    return cache.settings().endpoint(service)->url;
  };
  EXPECT_EQ(url_of(secrets::aws::Service::ssm), "https://ssm.example");
  EXPECT_EQ(url_of(secrets::aws::Service::secretsmanager), "https://all.example");
  world.variables["AWS_ENDPOINT_URL"] = "https://env.example";
  EXPECT_EQ(url_of(secrets::aws::Service::ssm), "https://env.example");
  world.variables["AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"] = "true";
  EXPECT_EQ(url_of(secrets::aws::Service::ssm), "https://ssm.eu-west-1.amazonaws.com");
}

}  // namespace
}  // namespace sallyport::aws_chain_test
