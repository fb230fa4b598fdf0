// A machine on which AWS' chain of providers finds keys in every way it knows.
#pragma once

#include "secrets/aws/chain.h"
#include "test/secrets/cloud_world.h"

#include <string>

namespace sallyport {

inline constexpr const char* canary_key = "canary-secret-key";
inline constexpr const char* metadata = "http://169.254.169.254/latest/";
inline constexpr const char* sts = "https://sts.eu-west-1.amazonaws.com/";
inline constexpr const char* sso_cache =  // sha1("corp")
    "/home/a/.aws/sso/cache/ee0bfd2552fbd840c02cc48b6e823320543c450f.json";

/// "2027-01-15T09:00:00Z" for an hour after test_moment().
inline std::string iso_in(std::chrono::seconds life) { return format_utc(test_moment(life).wall); }

inline std::string json_keys(const std::string& id, const std::string& expiration) {
  return R"({"Code":"Success","AccessKeyId":")" + id + R"(","SecretAccessKey":")" + canary_key +
         R"(","Token":"canary-session-token","Expiration":")" + expiration + R"("})";
}

inline std::string sts_keys(const std::string& action, const std::string& id, const std::string& expiration) {
  return "<" + action + "Response xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><" + action +
         "Result><Credentials><AccessKeyId>" + id + "</AccessKeyId><SecretAccessKey>" + canary_key +
         "</SecretAccessKey><SessionToken>canary-session-token</SessionToken><Expiration>" + expiration +
         "</Expiration></Credentials></" + action + "Result></" + action + "Response>";
}

inline std::string sts_error(const std::string& code) {
  return "<ErrorResponse><Error><Code>" + code +
         "</Code><Message>canary &lt;x&gt;</Message></Error></ErrorResponse>";
}

class AwsWorld : public CloudWorld {
 public:
  AwsWorld() { variables = {{"HOME", "/home/a"}, {"AWS_REGION", "eu-west-1"}}; }

  secrets::aws::Choice choice{"", "", "", "aws-sm:db"};
  secrets::aws::Search search;

  Result<secrets::aws::Keys> keys() {
    std::optional<secrets::aws::Keys> found;
    RunConversation conversation{[&](secrets::Inquiry& ask) -> Result<secrets::Then> {
      auto settings = secrets::aws::read_settings(ask, choice);
      if (!settings) return std::move(settings).error();
      secrets::aws::Search one;
      auto keys = secrets::aws::find_keys(ask, *settings, one);
      search = std::move(one);
      if (!keys) return std::move(keys).error();
      found = std::move(*keys);
      return secrets::Then::next_step;
    }};
    if (auto done = run(conversation); !done) return std::move(done).error();
    return std::move(*found);
  }

  /// One use of a session's cache.
  Result<void> refresh(secrets::aws::KeyCache& cache) {
    RunConversation conversation{[&](secrets::Inquiry& ask) { return cache.refresh(ask, choice); }};
    return run(conversation);
  }

  // ---- each provider, set up and working ----------------------------------------------------------

  void environment() {
    variables["AWS_ACCESS_KEY_ID"] = "AKIDENV";
    variables["AWS_SECRET_ACCESS_KEY"] = canary_key;
  }

  void credentials_file(const std::string& profile = "default") {
    files["/home/a/.aws/credentials"] =
        "[" + profile + "]\naws_access_key_id = AKIDFILE\naws_secret_access_key = " + canary_key + "\n";
  }

  void role() {
    credentials_file("base");
    variables["AWS_PROFILE"] = "app";
    files["/home/a/.aws/config"] =
        "[profile app]\nrole_arn = arn:aws:iam::1:role/app\nsource_profile = base\n";
    on("POST " + std::string{sts},
       {200, sts_keys("AssumeRole", "ASIAROLE", iso_in(std::chrono::hours{1})), {}});
  }

  void web_identity() {
    variables["AWS_WEB_IDENTITY_TOKEN_FILE"] = "/var/run/token";
    variables["AWS_ROLE_ARN"] = "arn:aws:iam::1:role/web";
    files["/var/run/token"] = "canary-web-token\n";
    on("POST " + std::string{sts},
       {200, sts_keys("AssumeRoleWithWebIdentity", "ASIAWEB", iso_in(std::chrono::hours{1})), {}});
  }

  void sso() {
    variables["AWS_PROFILE"] = "app";
    files["/home/a/.aws/config"] =
        "[profile app]\nsso_session = corp\nsso_account_id = 1\nsso_role_name = Reader\n"
        "[sso-session corp]\nsso_region = us-east-1\nsso_start_url = https://corp.awsapps.com/start\n";
    files[sso_cache] =
        R"({"accessToken":"canary-sso-token","expiresAt":")" + iso_in(std::chrono::hours{2}) + R"("})";
    const auto expires = std::chrono::duration_cast<std::chrono::milliseconds>(
        test_moment(std::chrono::hours{1}).wall.time_since_epoch());
    on("GET https://portal.sso.us-east-1.amazonaws.com/federation/credentials?",
       {200,
        R"({"roleCredentials":{"accessKeyId":"ASIASSO","secretAccessKey":")" + std::string{canary_key} +
            R"(","sessionToken":"canary-session-token","expiration":)" + std::to_string(expires.count()) +
            "}}",
        {}});
  }

  void process() {
    files["/home/a/.aws/config"] = "[default]\ncredential_process = /usr/bin/keys 'for me'\n";
    programs["/usr/bin/keys for me"] =
        R"({"Version":1,"AccessKeyId":"AKIDPROCESS","SecretAccessKey":")" + std::string{canary_key} + R"("})";
  }

  void container() {
    variables["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI"] = "/v2/keys";
    on("GET http://169.254.170.2/v2/keys",
       {200, json_keys("ASIACONTAINER", iso_in(std::chrono::hours{1})), {}});
  }

  void instance() {
    const std::string at = std::string{metadata} + "meta-data/iam/security-credentials/";
    on("PUT " + std::string{metadata} + "api/token", {200, "canary-imds-token", {}});
    on("GET " + at, {200, "web-role", {}});
    on("GET " + at + "web-role", {200, json_keys("ASIAINSTANCE", iso_in(std::chrono::hours{6})), {}});
  }

 private:
  class RunConversation final : public Conversation {
   public:
    explicit RunConversation(secrets::InquiryRun::Step step) : run_({std::move(step)}, "aws-sm:db") {}
    Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }

   private:
    secrets::InquiryRun run_;
  };
};

}  // namespace sallyport
