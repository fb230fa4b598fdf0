// What tests of HTTPS share: an authority, a server's certificate of it, and requests that believe in it.
#pragma once

#include "net/http.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

#include <csignal>
#include <string>

namespace sallyport::test {

struct HttpsIdentity {
  TemporaryDirectory directory_;
  Identity root_ = make_authority("Vault Root");
  std::string root_file_ = directory_.write("root.pem", certificate_pem(root_));
  ServerSpec tls_{make_identity({.common_name = "vault", .names = "DNS:localhost,IP:127.0.0.1"}, &root_)};

  [[nodiscard]] HttpRequest to(std::uint16_t port, const std::string& path = "/v1/x",
                               const std::string& host = "localhost") const {
    HttpRequest request;
    request.url = "https://" + host + ":" + std::to_string(port) + path;
    request.ca_file = root_file_;
    request.deadline = std::chrono::seconds{5};
    return request;
  }
};

class Https : public testing::Test, protected HttpsIdentity {
 protected:
  static void SetUpTestSuite() { std::signal(SIGPIPE, SIG_IGN); }

  net::HttpClient client_;
};

}  // namespace sallyport::test
