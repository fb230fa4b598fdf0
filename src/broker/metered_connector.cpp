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
  if (refuses_credential(error.sqlstate)) return LoginResult::credential_refused;
  if (error.sqlstate == "53300") return LoginResult::server_full;
  if (!error.sqlstate.empty()) return LoginResult::refused;
  if (error.code == ErrorCode::timed_out) return LoginResult::timed_out;
  if (error.hop == Hop::dns || error.hop == Hop::tcp) return LoginResult::unreachable;
  return error.hop == Hop::tls ? LoginResult::tls : LoginResult::failed;
}

void MeteredConnector::Logins::note(const Result<Connected>& connected, Duration took) {
  const auto result = connected ? LoginResult::ok : login_result_of(connected.error());
  ++figures.by_result.at(static_cast<std::size_t>(result));
  if (connected) figures.duration.add(took);
  if (logger != nullptr) tell(result, connected);
}

// Once for each way in which it fails. A refused credential is the slot's to tell, and what else the server refuses may be
// what one client has asked for.
void MeteredConnector::Logins::tell(LoginResult result, const Result<Connected>& connected) {
  if (result == LoginResult::ok) {
    if (std::exchange(failing, std::nullopt))
      logger->write(LogLevel::info, "the database can be logged in to again", {{"role", name}});
    return;
  }
  const bool told_elsewhere = result == LoginResult::refused || result == LoginResult::credential_refused;
  if (told_elsewhere || failing == result) return;
  failing = result;
  logger->write(LogLevel::warning, "the database cannot be logged in to",
                {{"role", name}, {"error", describe(connected.error())}});
}

void MeteredConnector::connect(ConnectRequest request, std::function<void(Result<Connected>)> done) {
  inner_.connect(std::move(request), [&loop = loop_, logins = logins_, began = loop_.now().mono,
                                      done = std::move(done)](Result<Connected> connected) {
    logins->note(connected, loop.now().mono - began);
    done(std::move(connected));
  });
}

}  // namespace sallyport::broker
