#include "broker/host_status.h"

#include "broker/host_connector.h"

#include <utility>

namespace sallyport::broker {

std::string_view name_of(HostStatus::State state) {
  switch (state) {
    case HostStatus::State::untried: return "untried";
    case HostStatus::State::serving: return "serving";
    case HostStatus::State::served: return "served";
    case HostStatus::State::unsuited: return "unsuited";
    case HostStatus::State::failed: return "failed";
  }
  return "";
}

std::vector<HostStatus> HostConnector::status_of(const std::vector<Endpoint>& endpoints) const {
  const auto now = loop_.now().mono;
  std::vector<HostStatus> all;
  for (const auto& endpoint : endpoints) {
    HostStatus host;
    host.host = to_string(endpoint);
    if (const auto known = hosts_.standing(host.host, now)) {
      using State = HostStatus::State;
      const auto served = host.host == latest_ ? State::serving : State::served;
      host.state = known->last == policy::HostChooser::Found::failed     ? State::failed
                   : known->last == policy::HostChooser::Found::unsuited ? State::unsuited
                                                                         : served;
      if (known->tried_last_for > Duration::zero()) host.tried_last_for = known->tried_last_for;
    }
    all.push_back(std::move(host));
  }
  return all;
}

}  // namespace sallyport::broker
