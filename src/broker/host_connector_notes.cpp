// What the log hears of where logins go.
#include "broker/host_connector.h"

#include <utility>

namespace sallyport::broker {

void HostConnector::note_moved(const Endpoint& endpoint, const net::Address& left, const net::Address& now) {
  logger_.write(LogLevel::warning, "a host's name leads elsewhere: connections to where it led are closed",
                {{"target", target_},
                 {"server", to_string(endpoint)},
                 {"before", left.to_string()},
                 {"now", now.to_string()}});
  leave(left);
}

// A log line when logins go elsewhere than before: that is how a failover looks from here.
void HostConnector::note_served(const ConnectRequest& request, const Connected& connected,
                                const std::string& why) {
  const auto& reach = *request.reach;
  if (reach.load_balance == LoadBalance::random) return;
  auto now = to_string(connected.endpoint);
  if (connected.address && connected.address->to_string() != now)
    now += " (" + connected.address->to_string() + ")";
  if (serves_ == now) return;
  const auto before = std::exchange(serves_, std::move(now));
  // `localhost` with an address that nobody listens at is no news.
  const bool one_of_several = reach.endpoints.size() > 1 || reach.wanted != SessionAttributes::any;
  if (before.empty() && (why.empty() || !one_of_several)) return;
  if (before.empty()) {
    logger_.write(LogLevel::info, "a host was passed over",
                  {{"target", target_}, {"server", serves_}, {"why", why}});
  } else {
    logger_.write(
        LogLevel::warning, "logins go to another server",
        {{"target", target_},
         {"server", serves_},
         {"before", before},
         {"why", why.empty() ? "the one before was found wanting earlier" : std::string_view{why}}});
  }
}

}  // namespace sallyport::broker
