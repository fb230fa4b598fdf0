// One login to a server in memory: the request, the server's settings, what came of it, and the canary that must
// not be in it.
#pragma once

#include "test/wire/fake_postgres.h"
#include "wire/postgres/client_login.h"

#include <gtest/gtest.h>

namespace sallyport::test {

inline constexpr std::string_view canary = "canary-password";

inline std::shared_ptr<const Credential> credential_of(CredentialKind kind,
                                                       std::string_view secret = canary) {
  auto credential = std::make_shared<Credential>();
  credential->user = "app";
  credential->secret = Secret::copy_of(secret);
  credential->kind = kind;
  return credential;
}

inline postgres::ClientLoginRequest request_of(CredentialKind kind = CredentialKind::password) {
  postgres::ClientLoginRequest request;
  request.database = "production";
  request.parameters = {{"application_name", "test"}, {"role", "owner"}};
  request.credential = credential_of(kind);
  return request;
}

inline DriverOptions verified() {
  DriverOptions options;
  options.tls.protocol = "TLSv1.3";
  options.tls.peer_verified = true;
  options.tls.server_end_point.assign(32, 0xee);
  options.random.fill(7);
  return options;
}

struct Outcome {
  Result<void> end;
  postgres::UpstreamGreeting greeting;
  std::string sent;
  std::string sent_before_tls;
  std::size_t steps;
};

inline Outcome login(postgres::ClientLoginRequest request, FakePostgresSettings settings,
                     DriverOptions options = verified()) {
  postgres::ClientLogin conversation{std::move(request)};
  FakePostgres server{std::move(settings)};
  Driver driver{conversation, std::ref(server), std::move(options)};
  auto end = driver.run();
  return {end, conversation.greeting(), driver.sent(), driver.sent_before_tls(), driver.steps()};
}

/// The canary in no shape: plain, base64, hex.
inline void expect_canary_absent(const std::string& bytes) {
  EXPECT_EQ(bytes.find(canary), std::string::npos);
  EXPECT_EQ(bytes.find(crypto::base64_encode(as_bytes(canary))), std::string::npos);
  EXPECT_EQ(bytes.find(crypto::hex(as_bytes(canary))), std::string::npos);
}

inline FakePostgresSettings asks(Ask ask) {
  FakePostgresSettings settings;
  settings.ask = ask;
  settings.end_point.assign(32, 0xee);
  return settings;
}

}  // namespace sallyport::test
