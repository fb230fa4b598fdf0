#include "broker/host_connector.h"

#include "wire/postgres/server_error.h"
#include "wire/postgres/session_messages.h"

#include <algorithm>
#include <optional>
#include <utility>

namespace sallyport::broker {

namespace {

using Found = policy::HostChooser::Found;

/// Another host may answer otherwise.
bool another_host_may_do(const Error& error) {
  if (!error.sqlstate.empty())
    return refuses_credential(error.sqlstate) ||
           postgres::login_code_of(error.sqlstate) == ErrorCode::retry_later;
  switch (error.code) {
    case ErrorCode::bad_config:
    case ErrorCode::limit_exceeded:  // the client's start-up options
    case ErrorCode::cancelled:
    case ErrorCode::internal: return false;
    default: return true;
  }
}

/// The host is not to be had now. What a client can bring about by its start-up options, its database or its number
/// of sessions does not count: others would be sent elsewhere.
bool is_hosts_fault(const Error& error) {
  if (!error.sqlstate.empty()) return error.sqlstate.starts_with("57") || error.sqlstate.starts_with("08");
  return error.hop != Hop::session;
}

/// For the error of a whole login: the higher one decides what the caller does next.
int weight(const Error& error) {
  if (refuses_credential(error.sqlstate)) return 3;
  if (error.sqlstate == "53300") return 2;
  return error.sqlstate.empty() ? 0 : 1;
}

void close_politely(Connected& connected) {
  WipedBytes goodbye;
  postgres::encode(goodbye, postgres::Terminate{});
  (void)connected.stream->write(Bytes{goodbye});
}

}  // namespace

/// One login on its way. Kept alive by the callback that it waits for.
class HostConnector::Search final : public std::enable_shared_from_this<Search> {
 public:
  Search(std::shared_ptr<HostConnector> owner, ConnectRequest request,
         std::function<void(Result<Connected>)> done)
      : owner_(std::move(owner)),
        request_(std::move(request)),
        done_(std::move(done)),
        reach_(request_.reach),
        deadline_(owner_->loop_.now().mono + request_.deadline) {
    for (const auto& endpoint : reach_->endpoints) names_.push_back(to_string(endpoint));
    hosts_ = owner_->hosts_.order(names_, now(), shuffle(), owner_->random());
  }

  void next_host() {
    addresses_.clear();
    next_address_ = 0;
    host_found_ = {};
    if (next_host_ == hosts_.size() && !begin_second_round()) return fail();
    if (out_of_time()) return fail_early();
    host_ = hosts_[next_host_++];
    request_.endpoint = reach_->endpoints[host_];
    if (const auto literal = net::literal_address(request_.endpoint.host, request_.endpoint.port))
      return on_addresses({*literal});
    owner_->inner_.resolve(request_.endpoint, attempt(hosts_left()),
                           [self = shared_from_this()](Result<std::vector<net::Address>> addresses) {
                             if (addresses) {
                               self->owner_->answers_.note(self->request_.endpoint, *addresses);
                               return self->on_addresses(std::move(*addresses));
                             }
                             self->host_found_ = Found::failed;
                             self->tried_.push_back({self->names_[self->host_], addresses.error()});
                             self->end_host();
                           });
  }

 private:
  struct Tried {
    std::string host;
    Error error;
  };
  static constexpr std::size_t told_max = 16;

  [[nodiscard]] MonotonicTime now() const { return owner_->loop_.now().mono; }
  [[nodiscard]] bool shuffle() const { return reach_->load_balance == LoadBalance::random; }
  [[nodiscard]] std::size_t hosts_left() const { return hosts_.size() - next_host_ + 1; }
  [[nodiscard]] bool out_of_time() const { return now() >= deadline_; }

  /// A fair part of the time that is left; all of it for the last one.
  [[nodiscard]] Duration attempt(std::size_t left) const {
    const Duration rest = deadline_ - now();
    if (left <= 1) return rest;
    const Duration part = rest / static_cast<int>(left);
    return std::min(rest, std::clamp<Duration>(part, attempt_shortest, attempt_longest));
  }

  // prefer-standby: none is a standby, so those that were refused for it will do.
  bool begin_second_round() {
    if (reach_->wanted != SessionAttributes::prefer_standby || second_round_ || let_us_in_.empty())
      return false;
    second_round_ = true;
    hosts_ = let_us_in_;
    next_host_ = 0;
    return true;
  }

  void on_addresses(std::vector<net::Address> addresses) {
    std::vector<std::string> places;
    for (const auto& address : addresses) places.push_back(place_of(address));
    const auto order = owner_->addresses_.order(places, now(), shuffle(), owner_->random());
    for (const auto index : order) addresses_.push_back(std::move(addresses[index]));
    next_address();
  }

  void next_address() {
    if (next_address_ == addresses_.size()) return end_host();
    if (out_of_time()) return fail_early();
    const auto left = addresses_.size() - next_address_ + hosts_left() - 1;
    auto request = request_;
    request.address = addresses_[next_address_++];
    request.deadline = attempt(left);
    owner_->inner_.connect(std::move(request), [self = shared_from_this()](Result<Connected> connected) {
      self->on_answer(std::move(connected));
    });
  }

  void on_answer(Result<Connected> connected) {
    const auto& address = addresses_[next_address_ - 1];
    if (!connected) {
      const auto error = connected.error();
      if (!another_host_may_do(error)) return finish(error);
      if (is_hosts_fault(error)) {
        owner_->addresses_.note(place_of(address), Found::failed, now(), owner_->random());
        unreachable_.push_back(address);
        if (!host_found_) host_found_ = Found::failed;
      }
      tried_.push_back({label_of(address), error});
      return next_address();
    }
    const ServerKind kind{connected->greeting.in_hot_standby, connected->greeting.read_only};
    const auto why = unsuited(kind, second_round_ ? SessionAttributes::any : reach_->wanted);
    if (why.empty()) return serve(std::move(*connected));
    close_politely(*connected);
    if (server_is_unsuited(kind, reach_->wanted)) {
      owner_->addresses_.note(place_of(address), Found::unsuited, now(), owner_->random());
      host_found_ = Found::unsuited;
      if (reach_->wanted != SessionAttributes::prefer_standby) owner_->leave(address);
    }
    if (let_us_in_.empty() || let_us_in_.back() != host_) let_us_in_.push_back(host_);
    tried_.push_back({label_of(address), Error{ErrorCode::retry_later, Hop::login, {}, why, {}, {}}});
    next_address();
  }

  void serve(Connected connected) {
    const auto& address = addresses_[next_address_ - 1];
    connected.endpoint = request_.endpoint;
    connected.address = address;
    owner_->addresses_.note(place_of(address), Found::served, now(), owner_->random());
    owner_->hosts_.note(names_[host_], Found::served, now(), owner_->random());
    owner_->latest_ = names_[host_];
    // There is one primary: who could not be reached is not it any more.
    if (wants_writes(reach_->wanted)) {
      for (const auto& other : unreachable_) {
        if (!(other == address)) owner_->leave(other);
      }
    }
    owner_->note_served(request_, connected, told());
    finish(std::move(connected));
  }

  // None of its addresses would do.
  void end_host() {
    if (host_found_) owner_->hosts_.note(names_[host_], *host_found_, now(), owner_->random());
    next_host();
  }

  /// "db1:5432: connection refused; db2:5432: is a standby, target_session_attrs wants read-write".
  [[nodiscard]] std::string told() const {
    std::string text;
    for (std::size_t i = 0; i < std::min(tried_.size(), told_max); ++i) {
      if (i > 0) text += "; ";
      text += tried_[i].host + ": " + tried_[i].error.what;
    }
    if (tried_.size() > told_max) text += "; and " + std::to_string(tried_.size() - told_max) + " more";
    return text;
  }

  void fail() {
    if (tried_.empty()) {
      return finish(Error{ErrorCode::timed_out,
                          Hop::tcp,
                          owner_->target_,
                          "no time was left to try any host",
                          "Check that the servers are reachable",
                          {}});
    }
    const auto heaviest = std::max_element(tried_.begin(), tried_.end(), [](const auto& a, const auto& b) {
      return weight(a.error) < weight(b.error);
    });
    auto error = heaviest->error;
    if (tried_.size() == 1 && let_us_in_.empty() && !cut_short_) return finish(std::move(error));
    // Where one let us in, the credential is good.
    if (!let_us_in_.empty()) {
      error = Error{ErrorCode::retry_later, Hop::login, {}, {}, {}, {}};
      error.hint = "Promote a server, correct the list of hosts, or ask for another target_session_attrs";
    }
    error.where = owner_->target_;
    error.what = told();
    if (cut_short_) error.what += "; no time was left for the others";
    owner_->logger_.write(LogLevel::warning, "no host would do",
                          {{"target", owner_->target_}, {"why", error.what}});
    finish(std::move(error));
  }

  void fail_early() {
    cut_short_ = true;
    fail();
  }

  void finish(Result<Connected> result) { std::exchange(done_, nullptr)(std::move(result)); }

  /// The address too, where the host has several.
  [[nodiscard]] std::string label_of(const net::Address& address) const {
    return addresses_.size() > 1 ? names_[host_] + " (" + address.to_string() + ")" : names_[host_];
  }
  [[nodiscard]] std::string place_of(const net::Address& address) const {
    return names_[host_] + ' ' + address.to_string();
  }

  std::shared_ptr<HostConnector> owner_;
  ConnectRequest request_;
  std::function<void(Result<Connected>)> done_;
  std::shared_ptr<const Reach> reach_;
  MonotonicTime deadline_;
  std::vector<std::string> names_;  // of the endpoints
  std::vector<std::size_t> hosts_;  // in the order in which they are tried
  std::size_t next_host_ = 0, host_ = 0;
  std::vector<net::Address> addresses_;  // of this host
  std::size_t next_address_ = 0;
  std::optional<Found> host_found_;  // against this host
  bool second_round_ = false, cut_short_ = false;
  std::vector<std::size_t> let_us_in_;  // and are not of the kind that is wanted
  std::vector<net::Address> unreachable_;
  std::vector<Tried> tried_;
};

void HostConnector::connect(ConnectRequest request, std::function<void(Result<Connected>)> done) {
  std::make_shared<Search>(shared_from_this(), std::move(request), std::move(done))->next_host();
}

std::uint64_t HostConnector::random() {
  std::uint64_t number = 0;
  randomness_.fill({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
  return number;
}

void HostConnector::leave(const net::Address& address) {
  for (const auto& listener : listeners_) listener(address);
}

}  // namespace sallyport::broker
