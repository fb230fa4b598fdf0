// Who may read what over HTTP (threat 15), and what health says.
#include "admin/http_answer.h"

#include "test/admin/sample_status.h"

#include <gtest/gtest.h>

namespace sallyport::admin::http_answer_test {
namespace {

HttpRules tcp_rules(bool with_token = true) {
  HttpRules rules;
  rules.tcp = true;
  rules.hosts = {"broker.example"};
  auto token = std::make_shared<BearerToken>();
  if (with_token) token->set(Secret::copy_of(std::string_view{"open sesame"}));
  rules.token = token;
  return rules;
}

HttpRequest get(std::string_view path, std::optional<std::string_view> host = "127.0.0.1:9090") {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  request.host = host;
  return request;
}

/// 200: admitted.
unsigned status_of(const HttpRequest& request, const HttpRules& rules) {
  const auto admitted = admit(request, rules);
  const auto* refused = std::get_if<HttpAnswer>(&admitted);
  return refused == nullptr ? 200 : refused->status;
}

TEST(AdminHttp, AHostThatABrowserCouldHaveBeenLedToIsRefused) {
  for (const auto* host : {"127.0.0.1", "127.0.0.1:9090", "[::1]:9090", "localhost:9090", "LOCALHOST",
                           "10.1.2.3:9090", "broker.example", "Broker.Example:9090"}) {
    EXPECT_EQ(status_of(get("/livez", host), tcp_rules()), 200u) << host;
  }
  for (const auto* host : {"evil.example", "evil.example:9090", "127.0.0.1.evil.example",
                           "localhost.evil.example", "", "[evil.example]", ":9090", "xn--127"}) {
    EXPECT_EQ(status_of(get("/livez", host), tcp_rules()), 421u) << host;
  }
  EXPECT_EQ(status_of(get("/livez", std::nullopt), tcp_rules()), 421u);
}

TEST(AdminHttp, AForeignOriginIsRefused) {
  for (const auto* origin : {"http://127.0.0.1:9090", "https://broker.example"}) {
    auto request = get("/livez");
    request.origin = origin;
    EXPECT_EQ(status_of(request, tcp_rules()), 200u) << origin;
  }
  for (const auto* origin : {"http://evil.example", "null", "", "evil"}) {
    auto request = get("/livez");
    request.origin = origin;
    EXPECT_EQ(status_of(request, tcp_rules()), 403u) << origin;
  }
}

TEST(AdminHttp, BeyondHealthTcpNeedsTheToken) {
  for (const auto* path : {"/livez", "/readyz", "/startupz"})
    EXPECT_EQ(status_of(get(path), tcp_rules()), 200u);
  for (const auto* path : {"/metrics", "/status"}) {
    auto request = get(path);
    EXPECT_EQ(status_of(request, tcp_rules()), 401u);
    for (const auto* wrong :
         {"Bearer", "Bearer ", "Bearer open", "Bearer open sesame ", "Basic open sesame", "open sesame"}) {
      request.authorization = wrong;
      EXPECT_EQ(status_of(request, tcp_rules()), 401u) << wrong;
    }
    request.authorization = "bearer open sesame";
    EXPECT_EQ(status_of(request, tcp_rules()), 200u);
    EXPECT_EQ(status_of(request, tcp_rules(false)), 401u) << "without one configured nothing matches";
  }
}

TEST(AdminHttp, OnAUnixSocketThePeerWasChecked) {
  EXPECT_EQ(status_of(get("/metrics", std::nullopt), {}), 200u);
  EXPECT_EQ(status_of(get("/metrics", "anything"), {}), 200u);
}

TEST(AdminHttp, OnlyReadsAreServed) {
  for (const auto* method : {"POST", "PUT", "DELETE", "OPTIONS", "TRACE"}) {
    auto request = get("/metrics");
    request.method = method;
    EXPECT_EQ(status_of(request, {}), 405u) << method;
  }
  EXPECT_EQ(status_of(get("/"), {}), 404u);
  EXPECT_EQ(status_of(get("/metrics/"), {}), 404u);
}

TEST(AdminHttp, MetricsComeInTheFormatThatIsAskedFor) {
  const auto status = test::sample_status();
  auto request = get("/metrics");
  EXPECT_EQ(answer(Resource::metrics, request, {}, &status).content_type,
            "text/plain; version=0.0.4; charset=utf-8");
  request.accept = "application/openmetrics-text;version=1.0.0,text/plain;q=0.5";
  const auto open = answer(Resource::metrics, request, {}, &status);
  EXPECT_EQ(open.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
  EXPECT_TRUE(open.body.ends_with("# EOF\n"));
}

TEST(Health, LivesWhenTheRelayLoopAnswers) {
  const auto status = test::sample_status();
  EXPECT_EQ(answer(Resource::live, get("/livez"), {}, &status).status, 200u);
  const auto hangs = answer(Resource::live, get("/livez"), {}, nullptr);
  EXPECT_EQ(hangs.status, 503u);
  EXPECT_EQ(hangs.body, "failed relay loop: it did not answer in time\n");
  EXPECT_EQ(answer(Resource::metrics, get("/metrics"), {}, nullptr).status, 503u);
}

TEST(Health, IsReadyOnlyWithTrailCredentialAndOpenRoutes) {
  const auto ready = [](const broker::Status& status, bool required = true) {
    HttpRules rules;
    rules.trail_required = required;
    return answer(Resource::ready, get("/readyz"), rules, &status);
  };
  auto status = test::sample_status();
  EXPECT_EQ(ready(status).status, 200u);
  status.trail.healthy = false;
  EXPECT_EQ(ready(status).status, 503u);
  EXPECT_EQ(ready(status, false).status, 200u) << "audit.mode: best-effort";
  status = test::sample_status();
  status.targets[0].roles[0].credential_present = false;
  EXPECT_NE(ready(status).body.find("failed credential db/app: it is missing"), std::string::npos);
  EXPECT_EQ(ready(status).status, 503u);
  status = test::sample_status();
  status.process.draining = true;
  EXPECT_EQ(ready(status).status, 503u);
  status = test::sample_status();
  status.process.listening = false;
  EXPECT_EQ(ready(status).status, 503u);
  EXPECT_EQ(answer(Resource::started, get("/startupz"), {}, &status).status, 503u);
}

}  // namespace
}  // namespace sallyport::admin::http_answer_test
