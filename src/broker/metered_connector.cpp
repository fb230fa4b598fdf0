#include "broker/metered_connector.h"

#include <utility>

namespace sallyport::broker {

std::string_view name_of(LoginResult result) {
  switch (result) {
    case LoginResult::ok: return "ok";
    case LoginResult::credential_refused: return "credential_refused";
    case LoginResult::server_full: return "server_full";
    case LoginResult::refused: return "refused";
    case LoginResult::unreachable: return "unreachable";
    case LoginResult::tls: return "tls";
    case LoginResult::timed_out: return "timed_out";
    case LoginResult::failed: return "failed";
  }
  return "failed";
}

LoginResult login_result_of(const Error& error) {
  if (error.sqlstate == "28P01" || error.sqlstate == "28000") return LoginResult::credential_refused;
  if (error.sqlstate == "53300") return LoginResult::server_full;
  if (!error.sqlstate.empty()) return LoginResult::refused;
  if (error.code == ErrorCode::timed_out) return LoginResult::timed_out;
  if (error.hop == Hop::dns || error.hop == Hop::tcp) return LoginResult::unreachable;
  return error.hop == Hop::tls ? LoginResult::tls : LoginResult::failed;
}

void MeteredConnector::connect(ConnectRequest request, std::function<void(Result<Connected>)> done) {
  inner_.connect(std::move(request), [&loop = loop_, figures = figures_, began = loop_.now().mono,
                                      done = std::move(done)](Result<Connected> connected) {
    const auto result = connected ? LoginResult::ok : login_result_of(connected.error());
    ++figures->by_result.at(static_cast<std::size_t>(result));
    if (connected) figures->duration.add(loop.now().mono - began);
    done(std::move(connected));
  });
}

}  // namespace sallyport::broker
