// Counts the logins of one role by their outcome, and how long they took: a connector around the real one, so that
// the pool need not know.
#pragma once

#include "base/histogram.h"
#include "broker/ports.h"
#include "net/loop.h"

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
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
  /// Both outlive it.
  MeteredConnector(Connector& inner, net::Loop& loop) : inner_(inner), loop_(loop) {}

  void connect(ConnectRequest request, std::function<void(Result<Connected>)> done) override;
  void resolve(const Endpoint& endpoint, Duration deadline,
               std::function<void(Result<std::vector<net::Address>>)> done) override {
    inner_.resolve(endpoint, deadline, std::move(done));
  }
  void cancel(CancelOrder order, std::function<void(CancelOutcome)> done) override {
    inner_.cancel(std::move(order), std::move(done));
  }

  [[nodiscard]] const LoginFigures& figures() const { return *figures_; }

 private:
  Connector& inner_;
  net::Loop& loop_;
  std::shared_ptr<LoginFigures> figures_ = std::make_shared<LoginFigures>();  // logins may outlive us
};

}  // namespace sallyport::broker
