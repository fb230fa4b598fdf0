// A Google Cloud in memory for unit tests: what its services answer when all is well, and sessions of its sources.
#pragma once

#include "secrets/gcp/gcp.h"
#include "test/contract/gcp_fixtures.h"
#include "test/secrets/cloud_world.h"

namespace sallyport {

inline constexpr const char* oauth_url = "POST https://oauth2.googleapis.com/token";
inline constexpr const char* sts_url = "POST https://sts.googleapis.com/v1/token";
inline constexpr const char* iam_url = "POST https://iamcredentials.googleapis.com/";
inline constexpr const char* access_url = "GET https://secretmanager.googleapis.com/v1/";

class GcpWorld : public CloudWorld {
 public:
  GcpWorld() : GcpWorld(person("")) {}
  explicit GcpWorld(const std::string& credentials) {
    credentials_are(credentials);
    on(oauth_url, {200, R"({"access_token":"ya29.one","expires_in":3600})"});
    on(sts_url, {200, R"({"access_token":"ya29.sts","expires_in":"3600"})"});
    on(iam_url, {200, R"({"accessToken":"ya29.other","expireTime":"2027-01-15T09:00:00Z"})"});
    on(access_url, {200, std::string{contract::gcp_secret}});
  }

  void credentials_are(const std::string& file) {
    variables["GOOGLE_APPLICATION_CREDENTIALS"] = "/c.json";
    files["/c.json"] = file;
  }

  static std::string person(const std::string& more = "") {
    return R"({"type":"authorized_user","client_id":"cid","client_secret":"canary-cs","refresh_token":"canary-rt")" +
           more + "}";
  }

  static std::string federated(const std::string& source, const std::string& more = "",
                               const std::string& type = "urn:ietf:params:oauth:token-type:jwt") {
    return R"({"type":"external_account","audience":"//iam.googleapis.com/projects/1/x","subject_token_type":")" +
           type + R"(","token_url":"https://sts.googleapis.com/v1/token","credential_source":)" + source +
           more + "}";
  }

  static inline const std::string impersonating =
      R"(,"service_account_impersonation_url":"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/t@p.iam.gserviceaccount.com:generateAccessToken")";

  /// The fields of the last form that went there, percent-decoded as far as tests need it.
  [[nodiscard]] std::string last_body(const std::string& beginning) const {
    for (auto one = asked.rbegin(); one != asked.rend(); ++one) {
      if (one->line.starts_with(beginning)) return one->body;
    }
    return {};
  }
};

inline Result<std::unique_ptr<secrets::SourceSession>> gcp_session(const std::string& text,
                                                                   const secrets::Purpose& purpose = {}) {
  const auto reference = secrets::parse_reference(text);
  if (!reference) return reference.error();
  const auto source =
      reference->scheme == "gcp-sm" ? secrets::gcp_secret_manager_source() : secrets::gcp_cloudsql_source();
  return source->open(*reference, purpose);
}

inline Result<secrets::Fetched> gcp_fetch(GcpWorld& world,
                                          const std::string& text = "gcp-sm:projects/p/secrets/db",
                                          const secrets::Purpose& purpose = {}) {
  auto session = gcp_session(text, purpose);
  if (!session) return std::move(session).error();
  return world.fetch(**session);
}

inline testing::AssertionResult has(std::string_view text, std::string_view words) {
  if (text.find(words) != std::string_view::npos) return testing::AssertionSuccess();
  return testing::AssertionFailure() << "no \"" << words << "\" in: " << text;
}

inline testing::AssertionResult begins(std::string_view text, std::string_view words) {
  if (text.starts_with(words)) return testing::AssertionSuccess();
  return testing::AssertionFailure() << text << " does not begin with: " << words;
}

/// Where and what of an error, for tests that look for words.
inline std::string told(const Result<secrets::Fetched>& fetched) {
  if (fetched) return "no error";
  EXPECT_EQ(describe(fetched.error()).find("canary"), std::string::npos) << describe(fetched.error());
  return describe(fetched.error());
}

}  // namespace sallyport
