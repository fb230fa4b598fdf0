// A PostgreSQL client in memory that logs in to us, and what we ask of it.
#pragma once

#include "crypto/saslprep.h"
#include "crypto/scram_client.h"
#include "test/wire/conversation_driver.h"
#include "wire/postgres/messages.h"
#include "wire/postgres/server_login.h"

#include <gtest/gtest.h>

namespace sallyport::test {

/// A client in memory: what it answers to each of the server's writes.
class FakeClient {
 public:
  FakeClient(std::string password, bool plus, std::vector<std::uint8_t> end_point)
      : password_(std::move(password)),
        scram_({plus ? crypto::ScramBinding::tls_server_end_point : crypto::ScramBinding::unsupported,
                std::move(end_point), ""},
               "clientnonce") {}

  WipedBytes operator()(Bytes sent) {
    using namespace postgres;
    WipedBytes out;
    while (!sent.empty()) {
      const auto message = *decode_message(sent, 10'000);
      sent = sent.subspan(message->frame_bytes());
      if (message->type == 'v') {
        told_version = true;
        continue;
      }
      const auto authentication = *decode_authentication(message->body);
      if (const auto* offer = std::get_if<AuthenticationSasl>(&authentication)) {
        mechanisms.assign(offer->mechanisms.begin(), offer->mechanisms.end());
        encode(out, SaslInitialResponse{scram_.mechanism(), scram_.first_message()});
      }
      if (const auto* next = std::get_if<AuthenticationSaslContinue>(&authentication)) {
        const auto challenge = scram_.on_server_first(next->data);
        EXPECT_TRUE(challenge);
        salt.assign(challenge->salt.begin(), challenge->salt.end());
        const auto salted = crypto::pbkdf2_sha256(crypto::saslprep_or_raw(Secret::copy_of(password_)),
                                                  challenge->salt, challenge->iterations);
        encode(out, SaslResponse{*scram_.final_message(salted)});
      }
    }
    return out;
  }

  Result<void> check_final(Bytes last_bytes) {
    using namespace postgres;
    const auto message = *decode_message(last_bytes, 10'000);
    const auto authentication = *decode_authentication(message->body);
    return scram_.on_server_final(std::get<AuthenticationSaslFinal>(authentication).data);
  }

  std::vector<std::string> mechanisms;
  std::vector<std::uint8_t> salt;
  bool told_version = false;

 private:
  std::string password_;
  crypto::ScramClient scram_;
};

inline crypto::ScramVerifier verifier() {
  return crypto::make_scram_verifier_from_password(Secret::copy_of("token"), as_bytes("0123456789abcdef"), 1);
}

inline postgres::ServerLoginRequest scram_request(bool mock = false,
                                                  std::vector<std::uint8_t> end_point = {}) {
  return {postgres::ServerScram{verifier(), mock, std::move(end_point)}, {}};
}

}  // namespace sallyport::test
