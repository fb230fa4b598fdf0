// The broker's parts wired together in memory: a slot with a scripted source, a connector that hands out fake
// servers, a pool, and sessions whose client ends the test holds.
#pragma once

#include "broker/doorstep.h"
#include "broker/session.h"
#include "test/broker/fake_server.h"

namespace sallyport::test {

using namespace std::chrono_literals;

class LoopTimers final : public credentials::Timers {
 public:
  explicit LoopTimers(net::Loop& loop) : loop_(loop) {}
  credentials::TimerId after(Duration delay, std::function<void()> task) override {
    const auto id = ++last_;
    pending_[id] = loop_.after(delay, [this, id, task = std::move(task)] {
      pending_.erase(id);
      task();
    });
    return id;
  }
  void cancel(credentials::TimerId id) override {
    const auto found = pending_.find(id);
    if (found == pending_.end()) return;
    loop_.cancel(found->second);
    pending_.erase(found);
  }
  [[nodiscard]] Moment now() const override { return loop_.now(); }

 private:
  net::Loop& loop_;
  credentials::TimerId last_ = 0;
  std::map<credentials::TimerId, net::TimerId> pending_;
};

/// Runs a conversation that is done at once.
class PostingRunner final : public credentials::Runner {
 public:
  explicit PostingRunner(net::Loop& loop) : loop_(loop) {}
  void run(std::unique_ptr<Conversation> conversation, DoneCallback done) override {
    auto kept = std::make_shared<std::unique_ptr<Conversation>>(std::move(conversation));
    loop_.post([this, kept, done] {
      const auto action = (*kept)->resume({loop_.now(), Started{}});
      if (!action) return done(action.error(), std::move(*kept));
      done({}, std::move(*kept));
    });
  }

 private:
  net::Loop& loop_;
};

/// Gives "user", "user", …: each fetch another password.
class ScriptedSource final : public secrets::SourceSession {
 public:
  struct Script {
    std::optional<Error> failure;
    unsigned fetches = 0;
    std::string user = "user";
    std::string database = {};  ///< that the secret supplies
  };
  explicit ScriptedSource(Script& script) : script_(script) {}
  std::unique_ptr<secrets::FetchConversation> fetch() override { return std::make_unique<Fetch>(script_); }
  std::unique_ptr<secrets::RenewConversation> renew(const Lease&) override { return nullptr; }
  std::unique_ptr<Conversation> revoke(const Lease&) override { return nullptr; }
  std::unique_ptr<Conversation> keep_alive() override { return nullptr; }
  [[nodiscard]] std::optional<WallTime> keep_alive_at() const override { return std::nullopt; }
  std::unique_ptr<Conversation> close() override { return nullptr; }

 private:
  class Fetch final : public secrets::FetchConversation {
   public:
    explicit Fetch(Script& script) : script_(script) {}
    Result<Action> resume(Input) override {
      if (script_.failure) return *script_.failure;
      return Done{};
    }
    secrets::Fetched take() override {
      secrets::Fetched fetched;
      fetched.credential.user = script_.user;
      fetched.endpoint.database = script_.database;
      fetched.credential.secret = Secret::copy_of("pw" + std::to_string(++script_.fetches));
      return fetched;
    }

   private:
    Script& script_;
  };
  Script& script_;
};

class FakeConnector final : public broker::Connector {
 public:
  explicit FakeConnector(VirtualLoop& loop) : loop_(loop) {}

  void connect(broker::ConnectRequest request, std::function<void(Result<broker::Connected>)> done) override {
    requests.push_back(request);
    if (hold_logins) return held_.push_back([this, request, done] { answer(request, done); });
    loop_.post([this, request, done] { answer(request, done); });
  }
  /// The same address for every name, unless the test says otherwise.
  void resolve(const Endpoint& endpoint, Duration,
               std::function<void(Result<std::vector<net::Address>>)> done) override {
    const auto found = addresses.find(endpoint.host);
    auto answer = found != addresses.end()
                      ? found->second
                      : Result<std::vector<net::Address>>{{*net::literal_address("10.0.0.1", endpoint.port)}};
    loop_.post([answer, done] { done(answer); });
  }
  void cancel(broker::CancelOrder order, std::function<void(broker::CancelOutcome)> done) override {
    cancels.push_back(std::move(order));
    if (hold_cancels) return held_cancels.push_back(std::move(done));
    loop_.post([done] { done({}); });
  }
  void release_one() {
    auto first = std::move(held_.front());
    held_.pop_front();
    loop_.post(std::move(first));
  }
  void release_newest() {
    auto last = std::move(held_.back());
    held_.pop_back();
    loop_.post(std::move(last));
  }
  [[nodiscard]] std::size_t held() const { return held_.size(); }
  [[nodiscard]] FakeBackend& newest() { return *backends.back(); }
  [[nodiscard]] std::size_t open() const {
    return static_cast<std::size_t>(std::count_if(backends.begin(), backends.end(),
                                                  [](const auto& one) { return !one->wire->broker_gone(); }));
  }

  bool hold_logins = false, hold_cancels = false;
  std::deque<Error> failures;  ///< the next logins end so
  std::map<std::string, Result<std::vector<net::Address>>> addresses;
  std::function<void(broker::Connected&)> dress;  ///< what else a login brings
  std::function<void(FakeBackend&)> prepare;
  std::vector<broker::ConnectRequest> requests;
  std::vector<broker::CancelOrder> cancels;
  std::deque<std::function<void(broker::CancelOutcome)>> held_cancels;
  std::vector<std::unique_ptr<FakeBackend>> backends;
  std::vector<std::uint8_t> key{1, 2, 3, 4};
  std::optional<std::int32_t> pid;  ///< what the servers say; none: each another

 private:
  void answer(const broker::ConnectRequest&, const std::function<void(Result<broker::Connected>)>& done) {
    if (!failures.empty()) {
      const auto failure = failures.front();
      failures.pop_front();
      return done(failure);
    }
    auto wire = std::make_shared<Wire>(loop_);
    wire->peer_name = "10.0.0.1:5432";
    const auto number = static_cast<std::int32_t>(100 + backends.size());
    backends.push_back(std::make_unique<FakeBackend>(wire, pid.value_or(number)));
    if (prepare) prepare(*backends.back());
    broker::Connected connected;
    connected.stream = std::make_unique<MemoryStream>(wire);
    connected.greeting.parameters = {{"server_version", "17.2"}, {"application_name", ""}};
    connected.greeting.pid = pid.value_or(number);
    connected.greeting.cancel_key = key;
    if (dress) dress(connected);
    done(std::move(connected));
  }

  VirtualLoop& loop_;
  std::deque<std::function<void()>> held_;
};

class MemoryTrail final : public trail::Sink {
 public:
  void add(const trail::Event& event) override { added_.push_back(event); }
  Result<void> commit() override {
    ++commits;
    auto added = std::exchange(added_, {});
    if (failing) return Error{ErrorCode::retry_later, Hop::trail, "/trail", "no space left", "Make room", {}};
    for (auto& event : added) events.push_back(std::move(event));
    return {};
  }
  [[nodiscard]] std::vector<trail::Event> of(trail::EventKind kind) const {
    std::vector<trail::Event> some;
    std::copy_if(events.begin(), events.end(), std::back_inserter(some),
                 [&](const auto& event) { return event.kind == kind; });
    return some;
  }
  bool failing = false;
  unsigned commits = 0;
  std::vector<trail::Event> events;

 private:
  std::vector<trail::Event> added_;
};

class FakeProver final : public broker::PeerProver {
 public:
  Result<void> prove(net::Stream&, broker::ProvenPeer& seen) override {
    seen = peer;
    if (refusal) return *refusal;
    return {};
  }
  broker::ProvenPeer peer{4711, 1000, 1000, "/usr/bin/app"};
  std::optional<Error> refusal;
};

/// A client of the broker: its end of the wire and what it has read so far.
struct FakeClient {
  std::shared_ptr<Wire> wire;
  broker::Session* session = nullptr;
  std::string read;

  std::string& drain() { return read += wire->take(); }
  /// The types of all messages read since the last call; '~': a piece was left.
  std::string types() {
    const auto types = types_of(drain());
    messages = take_frames(read);
    return types;
  }
  std::vector<Message> messages;
  [[nodiscard]] std::string text_of(char type) {
    for (const auto& message : messages) {
      if (message.type == type) return message.body;
    }
    return {};
  }
};

class World : private broker::SessionHost, private credentials::Observer {
 public:
  explicit World(PoolSettings pool_settings = small(), std::string run_as = {},
                 config::AuditMode mode = config::AuditMode::required)
      : timers(loop),
        runner(loop),
        connector(loop),
        gate(&sink, mode, loop, logger),
        slot(std::make_unique<credentials::Slot>(
            std::make_unique<ScriptedSource>(script), credentials::SlotOptions{"db/app", 24h, false}, timers,
            runner, journal, static_cast<credentials::Observer&>(*this), randomness)),
        buffer(limits::relay_read_bytes + postgres::HeaderCarry::bytes_max),
        services{loop, randomness, logger, gate, cancels, connector, MutableBytes{buffer}, scratch} {
    broker::Pool::Settings settings;
    settings.name = "db/app";
    settings.reach = std::make_shared<broker::Reach>(broker::Reach{{{"db.example", 5432}}, nullptr});
    settings.role.name = "app";
    settings.role.run_as = run_as;
    settings.pool = pool_settings;
    pool = std::make_shared<broker::Pool>(std::move(settings), loop, connector, *slot, randomness);
    auto made = std::make_shared<broker::RouteRuntime>();
    made->route.name = "route";
    made->route.target = "db";
    made->prover = prover;
    route = made;
    decision.role = "app";
    decision.database = "production";
    decision.identity = "uid:1000";
    decision.run_as = run_as;
  }
  ~World() override {
    loop.settle();
    sessions_.clear();
    loop.settle();
  }

  static PoolSettings small() {
    PoolSettings settings;
    settings.min_ready = 0;
    settings.max = 4;
    return settings;
  }

  /// A client that has connected and said nothing.
  FakeClient open(std::shared_ptr<const broker::RouteRuntime> by = nullptr,
                  std::uint32_t peer_uid = broker::Doorstep::unknown_uid) {
    FakeClient client;
    client.wire = std::make_shared<Wire>(loop);
    auto session =
        std::make_unique<broker::Session>(std::make_unique<MemoryStream>(client.wire), by ? by : route,
                                          services, static_cast<broker::SessionHost&>(*this), peer_uid);
    client.session = session.get();
    sessions_.emplace(client.session, std::move(session));
    client.session->start();
    return client;
  }
  /// A client that is let in, its greeting read.
  FakeClient enter(const std::string& application_name = {}) {
    auto client = open();
    client.wire->push(hello(application_name));
    loop.settle();
    client.types();
    greeting = client.messages;
    return client;
  }
  static std::string hello(const std::string& application_name = {}) {
    std::vector<std::pair<std::string, std::string>> parameters{{"user", "me"}, {"database", "production"}};
    if (!application_name.empty()) parameters.emplace_back("application_name", application_name);
    return startup(parameters);
  }
  [[nodiscard]] bool alive(const FakeClient& client) const { return sessions_.contains(client.session); }
  [[nodiscard]] std::size_t sessions() const { return sessions_.size(); }
  [[nodiscard]] broker::PoolKey key() const { return {decision.database, decision.identity, {}}; }

  /// The credential is replaced: what the pool opens from now on is of the next generation.
  void rotate() {
    loop.advance(2s);  // two fetches in a row are kept apart
    const auto before = slot->current();
    slot->report_login_failed(before ? before->number : 0, "28P01");
    slot->get(loop.now().mono + 10s, [this](Result<credentials::GenerationPtr> generation) {
      if (generation) slot->report_login_succeeded((*generation)->number);
    });
    loop.advance(2s);
  }
  void ending(std::uint64_t generation, Duration left) {
    for (auto& [key, session] : sessions_) {
      session->on_generation_ending(*pool, generation, {loop.now().mono + left});
    }
    loop.settle();
  }

  VirtualLoop loop;
  CountingRandomness randomness;
  RememberingLogger logger;
  LoopTimers timers;
  PostingRunner runner;
  FakeConnector connector;
  MemoryTrail sink;
  broker::TrailGate gate;
  broker::CancelMap cancels;
  ScriptedSource::Script script;
  credentials::NullLeaseJournal journal;
  std::unique_ptr<credentials::Slot> slot;
  std::vector<std::uint8_t> buffer;
  WipedBytes scratch;
  broker::SessionServices services;
  std::shared_ptr<broker::Pool> pool;
  std::shared_ptr<FakeProver> prover = std::make_shared<FakeProver>();
  std::shared_ptr<const broker::RouteRuntime> route;
  policy::Decision decision;
  std::optional<Error> refusal;  ///< of policy
  std::string seen_login;        ///< whose password policy was told of
  std::vector<Message> greeting;
  unsigned moved = 0;
  std::vector<std::string> forced;
  std::vector<std::string> security_events;

 private:
  Result<broker::Access> decide(const broker::RouteRuntime&, const broker::ProvenPeer& peer,
                                const policy::ClientClaims& claims, WallTime) override {
    if (refusal) return *refusal;
    seen_login = peer.login;
    decision.replication = claims.replication;
    return broker::Access{pool, decision, "db"};
  }
  void on_session_over(broker::Session& session) override {
    loop.at_turn_end([this, which = &session] { sessions_.erase(which); });
  }
  void on_session_moved(const broker::Session&) override { ++moved; }
  void on_session_forced(const broker::Session&, std::string_view reason) override {
    forced.emplace_back(reason);
  }
  void on_new_generation(credentials::GenerationPtr generation) override {
    if (pool) pool->on_new_generation(generation->number);
  }
  void on_security_event(const credentials::SecurityEvent& event) override {
    security_events.push_back(event.text);
  }

  std::map<broker::Session*, std::unique_ptr<broker::Session>> sessions_;
};

}  // namespace sallyport::test
