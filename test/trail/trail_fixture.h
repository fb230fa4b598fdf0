// A trail in a directory of its own that goes away, and events to put into it.
#pragma once

#include "trail/record.h"
#include "trail/writer.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace sallyport::trail {

inline WallTime moment(std::int64_t seconds) {
  return WallTime{std::chrono::seconds{1'764'065'363 + seconds}} + std::chrono::microseconds{123'456};
}

inline Event session_start(int number = 1) {
  Event event;
  event.kind = EventKind::session_start;
  event.at = moment(number);
  event.session = "00000000000" + std::to_string(10'000 + number);
  event.route = "exec";
  event.target = "production";
  event.role = "app_rw";
  event.database = "production";
  event.upstream_user = "v-token-app-rol-Xy3";
  event.lease_accessor = "hmac-sha256:0011";
  event.generation = 3;
  event.upstream_pid = 4711;
  event.upstream_address = "10.0.0.5:5432";
  event.local_address = "10.0.0.9:51234";
  event.tls_protocol = "TLSv1.3";
  event.tls_cipher = "TLS_AES_256_GCM_SHA384";
  event.server_certificate_sha256 = std::string(64, 'a');
  event.result = "ok";
  event.verified = {{"uid", "1000"},
                    {"gid", "1000"},
                    {"pid", "4242"},
                    {"executable", "/usr/bin/psql"},
                    {"identity", "app"}};
  event.claimed = {{"user", "app"}, {"application_name", "psql"}, {"database", "production"}};
  return event;
}

inline Event denial(std::string reason = "no route allows this uid", int number = 1) {
  Event event;
  event.kind = EventKind::session_denied;
  event.at = moment(number);
  event.route = "exec";
  event.result = "denied";
  event.reason = std::move(reason);
  event.verified = {{"uid", "1001"}};
  return event;
}

class TrailDirectory : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "sallyport-trail-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    base_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(base_); }

  [[nodiscard]] Settings settings() const {
    Settings settings;
    settings.directory = base_ + "/audit";
    return settings;
  }
  [[nodiscard]] std::unique_ptr<Writer> open_or_fail(const Settings& settings) const {
    auto writer = Writer::open(settings);
    if (!writer) {
      ADD_FAILURE() << describe(writer.error());
      return nullptr;
    }
    return std::move(*writer);
  }
  [[nodiscard]] std::unique_ptr<Writer> open_or_fail() const { return open_or_fail(settings()); }

  static std::string content_of(const std::string& path) {
    std::ifstream file{path, std::ios::binary};
    std::stringstream text;
    text << file.rdbuf();
    return text.str();
  }

  std::string base_;
};

}  // namespace sallyport::trail
