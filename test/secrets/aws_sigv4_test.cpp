// The signature against AWS's own suite (aws4_testsuite, in the copy that botocore ships) and, for queries, botocore.
#include "secrets/aws/sigv4.h"
#include "secrets/json.h"
#include "secrets/time_text.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

namespace sallyport::secrets::aws::aws_sigv4_test {
namespace {

std::string read_all(const std::string& name) {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/test/secrets/" + name};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

Keys example_keys(std::string_view token = {}) {
  return {"AKIDEXAMPLE", Secret::copy_of(std::string_view{"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"}),
          Secret::copy_of(token), std::nullopt, "test"};
}

/// The suite's raw request, folded header lines included.
HttpRequest parse_raw(std::string_view raw) {
  HttpRequest request;
  const auto line = [&raw] {
    const auto end = std::min(raw.find('\n'), raw.size());
    const auto out = raw.substr(0, end);
    raw.remove_prefix(std::min(end + 1, raw.size()));
    return out;
  };
  const auto first = line();
  request.method = first.substr(0, first.find(' '));
  const auto target = first.substr(request.method.size() + 1, first.rfind(' ') - request.method.size() - 1);
  std::string host;
  while (!raw.empty()) {
    const auto header = line();
    if (header.empty()) break;
    if (header.front() == ' ') {
      auto& last = request.headers.back().value;
      last = Secret::copy_of(std::string{last.reveal()} + "\n" + std::string{header});
      continue;
    }
    const auto colon = header.find(':');
    request.headers.push_back(
        {std::string{header.substr(0, colon)}, Secret::copy_of(header.substr(colon + 1))});
    if (request.headers.back().name == "Host") host = header.substr(colon + 1);
  }
  request.body = Secret::copy_of(raw);
  request.url = "https://" + host + std::string{target};
  return request;
}

std::string header_of(const HttpRequest& request, std::string_view name) {
  for (const auto& header : request.headers)
    if (header.name == name) return std::string{header.value.reveal()};
  return {};
}

TEST(AwsSigV4, SignsEveryCaseOfTheSuite) {
  auto cases = Json::parse(read_all("aws4_testsuite/cases.json"), "suite");
  ASSERT_TRUE(cases);
  const auto time = *parse_iso_time("2015-08-30T12:36:00Z");
  int seen = 0;
  for (const auto one : cases->root().elements()) {
    SCOPED_TRACE(std::string{one["name"].text()});
    auto request = parse_raw(one["req"].text());
    const std::string creq{one["creq"].text()};
    std::string token;
    if (const auto at = creq.find("x-amz-security-token:"); at != std::string::npos) {
      token = creq.substr(at + 21, creq.find('\n', at) - at - 21);
    }
    const Scope scope{"us-east-1", "service", time};
    sign(request, example_keys(token), scope);
    const auto canonical = canonical_request(request);
    EXPECT_EQ(as_text(canonical), creq);
    EXPECT_EQ(string_to_sign(canonical, scope), one["sts"].text());
    EXPECT_EQ(header_of(request, "Authorization"), one["authz"].text());
    ++seen;
  }
  EXPECT_EQ(seen, 34);
}

TEST(AwsSigV4, APresignedQueryIsBotocores) {
  const Scope scope{"eu-west-1", "rds-db", *parse_iso_time("2026-01-02T03:04:05Z")};
  const auto url =
      presign("GET", "https://db.example.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app_user",
              example_keys(), scope, std::chrono::seconds{900});
  EXPECT_EQ(url.reveal(),
            "https://db.example.eu-west-1.rds.amazonaws.com:5432/?Action=connect&DBUser=app_user"
            "&X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=AKIDEXAMPLE%2F20260102%2Feu-west-1%2Frds-db"
            "%2Faws4_request&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host"
            "&X-Amz-Signature=7d1b06264499a95c07797c862f18bb48bf92fd310e030bd2a85360e66fbf4198");
}

TEST(AwsSigV4, ARepeatedSignatureReplacesTheFirst) {
  HttpRequest request;
  request.method = "POST";
  request.url = "https://sts.amazonaws.com/";
  const Scope scope{"us-east-1", "sts", *parse_iso_time("2026-01-02T03:04:05Z")};
  sign(request, example_keys("token"), scope);
  const auto first = header_of(request, "Authorization");
  sign(request, example_keys("token"), scope);
  EXPECT_EQ(header_of(request, "Authorization"), first);
  EXPECT_EQ(request.headers.size(), 3U);
}

TEST(AwsSigV4, HeadersThatProxiesChangeAreNotSigned) {
  HttpRequest request;
  request.url = "https://sts.amazonaws.com:443/";
  for (const auto* name : {"User-Agent", "Connection", "Expect", "X-Amzn-Trace-Id"})
    request.headers.push_back({name, Secret::copy_of(std::string_view{"x"})});
  sign(request, example_keys(), {"us-east-1", "sts", *parse_iso_time("2026-01-02T03:04:05Z")});
  EXPECT_NE(header_of(request, "Authorization").find("SignedHeaders=host;x-amz-date,"), std::string::npos);
  EXPECT_EQ(as_text(canonical_request(request)).find("host:sts.amazonaws.com\n") != std::string_view::npos,
            true)
      << "without the default port, as it is sent";
}

}  // namespace
}  // namespace sallyport::secrets::aws::aws_sigv4_test
