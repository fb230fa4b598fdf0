#include "broker/session.h"

#include "base/limits.h"
#include "wire/postgres/application_name.h"
#include "wire/postgres/quote.h"

#include <algorithm>
#include <array>
#include <utility>

namespace sallyport::broker {

namespace {

/// Reads of one client before the others of this loop, and its own deadline, get their turn.
constexpr int reads_per_turn_max = 16;

// What the client is told: its own name in place of the one that the connection has.
ReportedParameters with_name(const ReportedParameters& reported, const std::optional<std::string>& name) {
  auto own = reported;
  if (name) {
    own.note(ClientName::parameter, postgres::application_name_of(*name, reported.value_of("server_version"),
                                                                  reported.value_of("server_encoding")));
  }
  return own;
}

}  // namespace

Session::Session(std::unique_ptr<net::Stream> client, std::shared_ptr<const RouteRuntime> route,
                 SessionServices& services, SessionHost& host, Origin origin)
    : client_(std::move(client)),
      route_(std::move(route)),
      services_(services),
      host_(host),
      login_(std::make_unique<Login>()),
      number_(std::max<std::uint64_t>(services.randomness.number(), 1)),
      accepted_at_(services.loop.now().mono),
      began_(services.loop.now().wall) {
  login_->facts.origin = origin;
}

Session::~Session() {
  alive_.cut();
  services_.loop.cancel(deadline_);
  if (waiter_ != 0) pool().cancel(waiter_);
  departure_.reset();
  relay_.reset();
  abandon_handshake();
  if (client_ != nullptr) client_->set_events(nullptr);
  if (login_ != nullptr && login_->upstream != nullptr) pool().give_back(std::move(login_->upstream));
  if (may_be_cancelled_) services_.cancels.remove(told_pid_, *this);
  // Who waits for a cancel of it need not any more. Not from here: what they do may end sessions.
  if (!joined_cancels_.empty()) {
    services_.loop.post([joined = std::move(joined_cancels_)] {
      for (const auto& one : joined) one();
    });
  }
}

std::string Session::id() const {
  static constexpr char digits[] = "0123456789abcdef";
  std::string text(16, '0');
  auto left = number_;
  for (auto at = text.rbegin(); at != text.rend(); ++at, left >>= 4) *at = digits[left & 15];
  return text;
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
  if (stage_ != Stage::closing || outgoing_.pending() != 0) return;
  client_ended_ ? finish() : client_->shutdown_write();
}

void Session::read_client() {
  bool more = true;
  for (int i = 0; more && stage_ != Stage::over && stage_ != Stage::relaying && client_ != nullptr; ++i) {
    if (i == reads_per_turn_max) {
      return services_.loop.post([this, alive = alive_.line()] {
        if (*alive) read_client();
      });
    }
    std::uint8_t chunk[4096];
    const auto result = client_->read(chunk);
    if (result.status == net::IoStatus::would_block) return;
    if (result.status != net::IoStatus::ok) {
      // Who says nothing more may still read: what it has been told goes out first, within the deadline.
      client_ended_ = result.status == net::IoStatus::closed && stage_ == Stage::closing;
      if (client_ended_ && outgoing_.pending() != 0) return;
      const bool cut = stage_ == Stage::first_packet && login_->input.size() != 0;
      return cut ? refuse_unheard("it ended within its first packet") : finish();
    }
    more = result.more;
    if (stage_ == Stage::closing) continue;  // whatever it still says
    if (login_->input.size() + result.bytes > 2 * limits::startup_packet_bytes_max) {
      return refuse(
          Error{ErrorCode::limit_exceeded, Hop::session, {}, "too many bytes before the login", {}, "08P01"},
          true);
    }
    login_->input.append({chunk, result.bytes});
    if (stage_ == Stage::first_packet) handle_first_packets();
    if (stage_ == Stage::scram && !login_->input.empty()) continue_scram(Received{login_->input});
  }
}

void Session::on_startup(postgres::StartupMessage startup) {
  login_->startup = std::move(startup);
  login_->negotiation = postgres::negotiate(login_->startup);
  take_name();
  take_claims();
  if (route_->requires_tls() && !is_secured()) {
    // As a server says it whose pg_hba.conf has hostssl lines only. It tells a stranger nothing but this.
    return refuse(Error{ErrorCode::denied,
                        Hop::identity,
                        {},
                        "TLS is required",
                        "Connect with sslmode=require, or better verify-full",
                        "28000"},
                  true, true);
  }
  auto& peer = login_->facts.peer;
  if (auto proven = route_->prover->prove(*client_, peer); !proven) return deny(proven.error());
  peer.certificate = login_->certificate;
  prove_login();
}

void Session::continue_scram(Event event) {
  auto action = login_->scram->resume({services_.loop.now(), std::move(event)});
  if (!action) return deny(action.error());
  if (std::holds_alternative<Done>(*action)) {
    if (!route_->run_token) login_->facts.peer.login = login_->startup.user();
    return on_proven();
  }
  if (auto* wanted = std::get_if<sallyport::Send>(&*action)) {
    send(Bytes{wanted->bytes});
    if (stage_ == Stage::scram && !login_->input.empty()) continue_scram(Received{login_->input});
  }
}

// The process is known, and so is the token where one is asked for.
void Session::on_proven() {
  // Policy as it is now, not as it was when the connection came in.
  route_ = host_.current_route(route_);
  if (route_ == nullptr) return finish();
  stage_ = Stage::waiting;
  auto access = host_.decide(*route_, peer(), claims(), began_);
  if (!access) return deny(access.error());
  login_->facts.access = std::move(*access);
  auto place = host_.take_place(*route_, facts().access.decision);
  if (!place) return refuse(place.error(), false);
  place_ = std::move(*place);
  // Whoever is refused keeps to its share of the doorstep until it has gone.
  host_.on_session_let_in(*this);
  // The queue of the pool has a deadline of its own.
  services_.loop.cancel(deadline_);
  login_->facts.key = pool_key();
  if (is_lent()) {
    login_->greeting = pool().greeting_of(facts().key);
    if (login_->greeting != nullptr) return admit();
  }
  const auto waiter = pool().take(facts().key, services_.loop.now().mono + pool().settings().pool.wait_max,
                                  [this](Result<UpstreamPtr> upstream) { on_upstream(std::move(upstream)); });
  if (waiter != 0) waiter_ = waiter;
}

void Session::on_upstream(Result<UpstreamPtr> upstream) {
  waiter_ = 0;
  if (stage_ != Stage::waiting) {
    if (upstream) pool().give_back(std::move(*upstream));
    return;
  }
  if (!upstream) return refuse(upstream.error(), false);
  if (is_lent()) {
    // Before it goes back: there it may be closed to make room for others.
    login_->greeting = pool().greeting_of(facts().key);
    pool().put_back(std::move(*upstream));
    if (login_->greeting == nullptr) {
      return refuse(Error{ErrorCode::retry_later, Hop::pool, facts().access.target,
                          "the server connection ended before it could be used", "Connect again", "57P03"},
                    false);
    }
  } else {
    login_->upstream = std::move(*upstream);
  }
  admit();
}

void Session::admit() {
  stage_ = Stage::admitting;
  auto start = event(trail::EventKind::session_start);
  start.result = "ok";
  services_.trail.admit(std::move(start), [this, alive = alive_.line()](Result<void> outcome) {
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
  struct {
    std::uint32_t pid = 0;
    std::array<std::uint8_t, 32> key;
  } random;  // drawn at once: a system call each otherwise
  services_.randomness.fill({reinterpret_cast<std::uint8_t*>(&random), sizeof random});
  const std::size_t key_bytes = login_->negotiation.protocol == postgres::protocol_3_0 ? 4 : 32;
  const std::vector<std::uint8_t> cancel_key(random.key.begin(), random.key.begin() + key_bytes);
  // In transaction pooling no one server process is the session's: a number of ours, in the range of theirs.
  told_pid_ = is_lent() ? static_cast<std::int32_t>(random.pid & 0x7fff'ffff) | 1 : login_->upstream->pid;
  services_.cancels.add(told_pid_, Bytes{cancel_key}, *this);
  may_be_cancelled_ = true;

  const auto servers = is_lent() ? login_->greeting->parameters : login_->upstream->parameters;
  const auto login = let_in(servers);
  WipedBytes greeting;
  if (login->scram != nullptr) {
    const auto last = login->scram->last_bytes();
    greeting.insert(greeting.end(), last.begin(), last.end());
  } else {
    postgres::encode(greeting, login->negotiation);
  }
  const auto& told = facts().told.map();
  postgres::encode(greeting,
                   postgres::Greeting{postgres::Parameters{told.begin(), told.end()}, told_pid_, cancel_key});

  stage_ = Stage::relaying;
  // Who names itself nothing has the server's name for it (ALTER ROLE … SET application_name), as without us.
  const bool names_itself = facts().application_name.has_value();
  const auto name = facts().told.value_of(ClientName::parameter);
  const bool replicates = facts().access.decision.replication != policy::Replication::none;
  relay_ = std::make_unique<Relay>(*client_, std::move(login->upstream), services_.loop, services_.buffer,
                                   static_cast<RelayOwner&>(*this));
  if (names_itself && !replicates) relay_->keep_name(name);
  if (is_lent()) {
    relay_->lend(lending_settings(), facts().told, told_pid_, ++services_.sessions_begun);
  } else if (names_itself && name != servers.value_of(ClientName::parameter) && !replicates) {
    // A replication session's name is a start-up parameter: it may know no SET.
    relay_->prepend_statement("SET application_name = " + postgres::quote_literal(name));
  }
  relay_->continue_outgoing(std::exchange(outgoing_, {}));
  relay_->send_to_client(Bytes{greeting});
  if (stage_ == Stage::relaying) relay_->start(login->input.unread());
  if (stage_ == Stage::relaying && relay_->is_pinned()) departure().heed_ending();
  if (stage_ == Stage::relaying) start_ageing();
  on_busy();
}

// What was for the login only goes with its result.
std::unique_ptr<Session::Login> Session::let_in(const ReportedParameters& servers) {
  auto login = std::move(login_);
  auto& facts = login->facts;
  facts.told = with_name(servers, facts.application_name);
  pid_ = std::exchange(facts.peer.pid, 0);
  facts_ = services_.clients.share(std::move(facts));
  return login;
}

void Session::on_busy() {
  was_busy_ = true;
  if (!std::exchange(awake_, true)) host_.on_session_awake(*this);
}

bool Session::rest() {
  if (std::exchange(was_busy_, false)) return false;
  awake_ = false;
  alive_.rest();
  if (stage_ == Stage::relaying) relay_->rest();
  return true;
}

}  // namespace sallyport::broker
