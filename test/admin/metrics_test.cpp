// Metrics as text. That an independent parser reads them too is tested in test/e2e/test_admin.py.
#include "admin/metrics.h"

#include "test/admin/sample_status.h"

#include <gtest/gtest.h>

namespace sallyport::admin::metrics_test {
namespace {

std::string open_text() { return encode_metrics(test::sample_status(), MetricsFormat::openmetrics); }
std::string old_text() { return encode_metrics(test::sample_status(), MetricsFormat::prometheus); }

bool has_line(const std::string& text, const std::string& line) {
  return ("\n" + text).find("\n" + line + "\n") != std::string::npos;
}

TEST(Metrics, NameCountersAsEachFormatWantsThem) {
  EXPECT_TRUE(has_line(open_text(), "# TYPE sallyport_logins counter"));
  EXPECT_TRUE(has_line(old_text(), "# TYPE sallyport_logins_total counter"));
  for (const auto& text : {open_text(), old_text()}) {
    EXPECT_TRUE(has_line(text, R"(sallyport_logins_total{target="db",role="app",result="ok"} 5)"));
    EXPECT_TRUE(
        has_line(text, R"(sallyport_rotation_forced_total{target="db",reason="temporary_tables"} 2)"));
    EXPECT_TRUE(has_line(text, R"(sallyport_pins_total{target="db",reason="listen"} 1)"));
    EXPECT_TRUE(has_line(text, R"(sallyport_state_refused_total{target="db",reason="setting"} 3)"));
    EXPECT_TRUE(has_line(
        text, R"(sallyport_refusals_total{route="unix:/run/x:5432",at="policy",reason="denied"} 4)"));
    EXPECT_TRUE(has_line(text, "sallyport_connections_beyond_max_total 2"));
    EXPECT_TRUE(has_line(text, "process_resident_memory_bytes 123456789"));
    EXPECT_TRUE(has_line(text, "process_cpu_seconds_total 1.5"));
    EXPECT_TRUE(has_line(text, "process_open_fds 42"));
    EXPECT_TRUE(has_line(text, R"(sallyport_protection_missing{what="locked-memory"} 1)"));
    EXPECT_TRUE(has_line(
        text, R"(sallyport_certificate_left_seconds{route="unix:/run/x:5432",what="client_crl"} 90)"));
    EXPECT_TRUE(has_line(text, R"(sallyport_certificate_left_seconds{target="db",what="certificate"} -60)"));
    EXPECT_TRUE(has_line(text, R"(sallyport_pool_connections_retired{target="db"} 1)"));
  }
}

TEST(Metrics, EndAsOpenMetricsDemands) {
  EXPECT_TRUE(open_text().ends_with("\n# EOF\n"));
  EXPECT_EQ(old_text().find("# EOF"), std::string::npos);
}

TEST(Metrics, HistogramsAreCumulativeAndEndInInfinity) {
  const auto text = open_text();
  const std::string labels = R"(sallyport_pool_wait_seconds_bucket{target="db",role="app",le=)";
  EXPECT_TRUE(has_line(text, labels + "\"0.001024\"} 0"));
  EXPECT_TRUE(has_line(text, labels + "\"0.004096\"} 1"));
  EXPECT_TRUE(has_line(text, labels + "\"16.777216\"} 1"));
  EXPECT_TRUE(has_line(text, labels + "\"67.108864\"} 2"));
  EXPECT_TRUE(has_line(text, labels + "\"+Inf\"} 2"));
  EXPECT_TRUE(has_line(text, R"(sallyport_pool_wait_seconds_sum{target="db",role="app"} 40.003)"));
  EXPECT_TRUE(has_line(text, R"(sallyport_pool_wait_seconds_count{target="db",role="app"} 2)"));
}

TEST(Metrics, TellOfTheCurrentCredentialOnlyAndNameNoUser) {
  const auto text = open_text();
  EXPECT_TRUE(has_line(text, R"(sallyport_credential_generation{target="db",role="app"} 7)"));
  EXPECT_TRUE(has_line(text, R"(sallyport_lease_left_seconds{target="db",role="app"} 3540)"));
  EXPECT_EQ(text.find("v-new"), std::string::npos);
}

TEST(Metrics, EscapeWhatWouldEndALabel) {
  MetricsWriter out{MetricsFormat::openmetrics};
  out.gauge("x", "y");
  out.sample({{"l", "a\"b\\c\nd\re"}}, std::uint64_t{1});
  EXPECT_TRUE(has_line(out.finish(), R"(x{l="a\"b\\c\nd?e"} 1)"));
}

}  // namespace
}  // namespace sallyport::admin::metrics_test
