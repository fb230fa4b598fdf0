// Counts the logins of one role by their outcome, and how long they took, and says on the log when they begin to fail
// and when they work again: a connector around the real one, so that the pool need not know.
#pragma once

#include "base/histogram.h"
#include "base/log.h"
#include "broker/ports.h"
#include "net/loop.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::broker {

/// How a login ended, in as many words as a metric's label may have.
enum class LoginResult : std::uint8_t {
  ok,
  credential_refused,  ///< 28P01, 28000
  server_full,         ///< 53300
  refused,             ///< the server said no for another reason
  unreachable,         ///< DNS, TCP
  tls,
  timed_out,
  failed,  ///< anything else
};
inline constexpr std::size_t login_results = 8;

std::string_view name_of(LoginResult result);
LoginResult login_result_of(const Error& error);

struct LoginFigures {
  std::array<std::uint64_t, login_results> by_result{};
  Histogram duration;  ///< of those that succeeded
};

class MeteredConnector final : public Connector {
 public:
  /// All outlive it. `name`: "production/app_rw", for the log; without `logger` nothing is said there.
  MeteredConnector(Connector& inner, net::Loop& loop, std::string name, Logger* logger)
      : inner_(inner), loop_(loop), logins_(std::make_shared<Logins>(std::move(name), logger)) {}

  void connect(ConnectRequest request, std::function<void(Result<Connected>)> done) override;
  void resolve(const Endpoint& endpoint, Duration deadline,
               std::function<void(Result<std::vector<net::Address>>)> done) override {
    inner_.resolve(endpoint, deadline, std::move(done));
  }
  void cancel(CancelOrder order, std::function<void(CancelOutcome)> done) override {
    inner_.cancel(std::move(order), std::move(done));
  }

  [[nodiscard]] const LoginFigures& figures() const { return logins_->figures; }

 private:
  /// Logins may outlive us.
  struct Logins {
    Logins(std::string of, Logger* log) : name(std::move(of)), logger(log) {}
    void note(const Result<Connected>& connected, Duration took);
    void tell(LoginResult result, const Result<Connected>& connected);

    std::string name;
    Logger* logger;
    LoginFigures figures;
    std::optional<LoginResult> failing;  // as the log was told
  };

  Connector& inner_;
  net::Loop& loop_;
  std::shared_ptr<Logins> logins_;
};

}  // namespace sallyport::broker
