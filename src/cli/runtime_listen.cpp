// Where connections come in: each route's listener, who answers on it now, and its certificates.
#include "cli/runtime.h"

#include <cstring>
#include <utility>

namespace sallyport::cli {

void Runtime::listen(net::Listener listener, std::shared_ptr<const broker::RouteRuntime> route) {
  on_relay([&](broker::Broker& broker) {
    if (route->route.tls)
      certificate_watch_.watch("route", route->route.name, files_of(route->tls, options_.outside));
    auto& entrance = acceptors_[route->route.name];
    entrance.route = std::make_shared<std::shared_ptr<const broker::RouteRuntime>>(std::move(route));
    // Asked once a connection, for the doorkeeper and for what is let in behind it.
    const auto origin = std::make_shared<broker::Origin>();
    entrance.acceptor = std::make_unique<net::Acceptor>(
        std::move(listener), relay_loop_,
        [&broker, origin, current = entrance.route](std::unique_ptr<net::SocketStream> client) {
          broker.accept(std::move(client), *current, *origin);
        },
        [&broker, origin, name = (*entrance.route)->route.name](int fd) {
          *origin = origin_of(fd);
          return broker.lets_in(*origin, name);
        },
        [this, name = (*entrance.route)->route.name](int reason) {
          context_.logger.write(LogLevel::warning,
                                "nobody can be accepted now: connections wait until others end",
                                {{"route", name}, {"why", std::strerror(reason)}});
        });
  });
}

void Runtime::replace_route(std::shared_ptr<const broker::RouteRuntime> route) {
  on_relay([&](broker::Broker&) {
    const auto found = acceptors_.find(route->route.name);
    certificate_watch_.watch("route", route->route.name,
                             route->route.tls ? files_of(route->tls, options_.outside) : CertificateFiles{});
    if (found != acceptors_.end()) *found->second.route = std::move(route);
  });
}

std::vector<net::SharedListener> Runtime::listeners() {
  std::vector<net::SharedListener> all;
  on_relay([&](broker::Broker&) {
    for (const auto& [name, entrance] : acceptors_) all.push_back(entrance.acceptor->share());
  });
  return all;
}

void Runtime::stop_listening() {
  on_relay([&](broker::Broker&) {
    process_.draining = true;
    acceptors_.clear();
  });
}

void Runtime::stop_listening(const std::string& route_name) {
  on_relay([&](broker::Broker&) {
    certificate_watch_.forget("route", route_name);
    acceptors_.erase(route_name);
  });
}

}  // namespace sallyport::cli
