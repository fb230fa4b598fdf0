#include "broker/session.h"

#include "base/limits.h"
#include "wire/postgres/quote.h"

namespace sallyport::broker {

namespace {

/// Reads of one client before the others of this loop, and its own deadline, get their turn.
constexpr int reads_per_turn_max = 16;

std::string hex(std::uint64_t number) {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(16, '0');
  for (auto at = text.rbegin(); at != text.rend(); ++at, number >>= 4) *at = digits[number & 15];
  return text;
}

std::uint64_t random_number(Randomness& randomness) {
  std::uint64_t number = 0;
  randomness.fill({reinterpret_cast<std::uint8_t*>(&number), sizeof number});
  return number;
}

// What the client is told: its own name in place of the one that the connection has.
ReportedParameters with_name(const ReportedParameters& reported, const std::string& name) {
  auto own = reported;
  if (!name.empty() || !reported.value_of("application_name").empty()) own.note("application_name", name);
  return own;
}

}  // namespace

Session::Session(std::unique_ptr<net::Stream> client, std::shared_ptr<const RouteRuntime> route,
                 SessionServices& services, SessionHost& host, Origin origin)
    : client_(std::move(client)),
      route_(std::move(route)),
      services_(services),
      host_(host),
      origin_(origin),
      id_(hex(random_number(services.randomness))),
      accepted_at_(services.loop.now().mono),
      began_(services.loop.now().wall) {}

Session::~Session() {
  *alive_ = false;
  services_.loop.cancel(deadline_);
  services_.loop.cancel(age_timer_);
  if (waiter_ != 0) access_.pool->cancel(waiter_);
  departure_.reset();
  relay_.reset();
  abandon_handshake();
  if (client_ != nullptr) client_->set_events(nullptr);
  if (upstream_ != nullptr) access_.pool->give_back(std::move(upstream_));
  // Some poolers have no pid to tell: 0 is as good as any.
  if (!cancel_key_.empty()) services_.cancels.remove(told_pid_, *this);
}

void Session::start() {
  client_->set_events(this);
  deadline_ = services_.loop.after(limits::client_login_deadline, [this] { on_deadline(); });
  read_client();
}

void Session::on_deadline() {
  refuse(Error{ErrorCode::timed_out,
               Hop::session,
               {},
               "the login did not finish within " + format_duration(limits::client_login_deadline),
               {},
               "08P01"},
         true);
}

void Session::on_readable() { read_client(); }

void Session::on_writable() {
  if (!outgoing_.flush(*client_)) return finish();
  if (stage_ == Stage::closing && outgoing_.pending() == 0) client_->shutdown_write();
}

void Session::read_client() {
  bool more = true;
  for (int i = 0; more && stage_ != Stage::over && stage_ != Stage::relaying && client_ != nullptr; ++i) {
    if (i == reads_per_turn_max) {
      return services_.loop.post([this, alive = alive_] {
        if (*alive) read_client();
      });
    }
    std::uint8_t chunk[4096];
    const auto result = client_->read(chunk);
    if (result.status == net::IoStatus::would_block) return;
    if (result.status != net::IoStatus::ok) {
      const bool cut = stage_ == Stage::first_packet && input_.size() != 0;
      return cut ? refuse_unheard("it ended within its first packet") : finish();
    }
    more = result.more;
    if (stage_ == Stage::closing) continue;  // whatever it still says
    if (input_.size() + result.bytes > 2 * limits::startup_packet_bytes_max) {
      return refuse(
          Error{ErrorCode::limit_exceeded, Hop::session, {}, "too many bytes before the login", {}, "08P01"},
          true);
    }
    input_.append({chunk, result.bytes});
    if (stage_ == Stage::first_packet) handle_first_packets();
    if (stage_ == Stage::scram && !input_.empty()) continue_scram(Received{input_});
  }
}

void Session::on_startup(postgres::StartupMessage startup) {
  startup_ = std::move(startup);
  negotiation_ = postgres::negotiate(startup_);
  take_name();
  if (route_->requires_tls() && !secured_) {
    // As a server says it whose pg_hba.conf has hostssl lines only. It tells a stranger nothing but this.
    return refuse(Error{ErrorCode::denied,
                        Hop::identity,
                        {},
                        "TLS is required",
                        "Connect with sslmode=require, or better verify-full",
                        "28000"},
                  true, true);
  }
  if (auto proven = route_->prover->prove(*client_, peer_); !proven) return deny(proven.error());
  peer_.certificate = certificate();
  prove_login();
}

void Session::continue_scram(Event event) {
  auto action = scram_->resume({services_.loop.now(), std::move(event)});
  if (!action) return deny(action.error());
  if (std::holds_alternative<Done>(*action)) {
    if (!route_->run_token) peer_.login = startup_.user();
    return on_proven();
  }
  if (auto* wanted = std::get_if<sallyport::Send>(&*action)) {
    send(Bytes{wanted->bytes});
    if (stage_ == Stage::scram && !input_.empty()) continue_scram(Received{input_});
  }
}

// The process is known, and so is the token where one is asked for.
void Session::on_proven() {
  // Policy as it is now, not as it was when the connection came in.
  route_ = host_.current_route(route_);
  if (route_ == nullptr) return finish();
  stage_ = Stage::waiting;
  auto access = host_.decide(*route_, peer_, claims(), began_);
  if (!access) return deny(access.error());
  access_ = std::move(*access);
  auto place = host_.take_place(*route_, access_.decision);
  if (!place) return refuse(place.error(), false);
  place_ = std::move(*place);
  // Whoever is refused keeps to its share of the doorstep until it has gone.
  host_.on_session_let_in(*this);
  // The queue of the pool has a deadline of its own.
  services_.loop.cancel(deadline_);
  key_ = pool_key();
  if (is_lent()) {
    greeting_ = access_.pool->greeting_of(key_);
    if (greeting_ != nullptr) return admit();
  }
  const auto& pool = access_.pool->settings().pool;
  const auto waiter =
      access_.pool->take(key_, services_.loop.now().mono + pool.wait_max,
                         [this](Result<UpstreamPtr> upstream) { on_upstream(std::move(upstream)); });
  if (waiter != 0) waiter_ = waiter;
}

void Session::on_upstream(Result<UpstreamPtr> upstream) {
  waiter_ = 0;
  if (stage_ != Stage::waiting) {
    if (upstream) access_.pool->give_back(std::move(*upstream));
    return;
  }
  if (!upstream) return refuse(upstream.error(), false);
  if (is_lent()) {
    access_.pool->put_back(std::move(*upstream));
    greeting_ = access_.pool->greeting_of(key_);
    if (greeting_ == nullptr) {
      return refuse(Error{ErrorCode::retry_later, Hop::pool, access_.target,
                          "the server connection ended before it could be used", "Connect again", "57P03"},
                    false);
    }
  } else {
    upstream_ = std::move(*upstream);
  }
  admit();
}

void Session::admit() {
  stage_ = Stage::admitting;
  auto start = event(trail::EventKind::session_start);
  start.result = "ok";
  services_.trail.admit(std::move(start), [this, alive = alive_](Result<void> outcome) {
    if (*alive) on_admitted(outcome);
  });
}

void Session::on_admitted(const Result<void>& outcome) {
  if (stage_ != Stage::admitting) {
    // It left in the turn that admitted it: its start is in the trail, so its end has to be.
    started_ = outcome.has_value();
    return record_end("failed", name_of(EndCause::client_lost));
  }
  if (!outcome) return refuse(outcome.error(), false);
  started_ = true;
  greet();
}

void Session::greet() {
  cancel_key_.resize(negotiation_.protocol == postgres::protocol_3_0 ? 4 : 32);
  services_.randomness.fill(cancel_key_);
  // In transaction pooling no one server process is the session's: a number of ours, in the range of theirs.
  told_pid_ = is_lent() ? static_cast<std::int32_t>(random_number(services_.randomness) & 0x7fff'ffff) | 1
                        : upstream_->pid;
  services_.cancels.add(told_pid_, cancel_key_, *this);

  WipedBytes greeting;
  if (scram_ != nullptr) {
    const auto last = scram_->last_bytes();
    greeting.insert(greeting.end(), last.begin(), last.end());
    scram_.reset();
  } else {
    postgres::encode(greeting, negotiation_);
  }
  const auto& told = is_lent() ? greeting_->parameters : upstream_->parameters;
  const auto parameters = with_name(told, application_name_);
  postgres::Parameters list{parameters.map().begin(), parameters.map().end()};
  postgres::encode(greeting, postgres::Greeting{list, told_pid_, cancel_key_});

  stage_ = Stage::relaying;
  const bool rename = told.value_of("application_name") != application_name_;
  relay_ = std::make_unique<Relay>(*client_, std::move(upstream_), services_.loop, services_.buffer,
                                   static_cast<RelayOwner&>(*this));
  departure_ = std::make_unique<Departure>(*relay_, *access_.pool, access_.decision.run_as, services_.loop,
                                           services_.logger, static_cast<DepartureOwner&>(*this));
  if (access_.decision.replication == policy::Replication::none) relay_->keep_name(application_name_);
  if (is_lent()) {
    relay_->lend(lending_settings(), parameters);
    greeting_.reset();
  } else if (rename && access_.decision.replication == policy::Replication::none) {
    // A replication session's name is a start-up parameter: it may know no SET.
    relay_->prepend_statement("SET application_name = " + postgres::quote_literal(application_name_));
  }
  relay_->continue_outgoing(std::exchange(outgoing_, {}));
  relay_->send_to_client(Bytes{greeting});
  if (stage_ == Stage::relaying) relay_->start(input_.unread());
  if (stage_ == Stage::relaying && relay_->is_pinned()) departure_->heed_ending();
  if (stage_ == Stage::relaying) start_ageing();
}

}  // namespace sallyport::broker
