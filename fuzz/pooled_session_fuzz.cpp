// Sessions of two clients that share a connection (transaction pooling, or session pooling with its resets), however
// they log in: a trusted process, a local password, a run token, over TLS, for replication. The input is what both say,
// how it is cut and what happens meanwhile.
//
// With a server that keeps to its protocol more is demanded than that nothing breaks: what one client says is read by
// nobody else, nobody finds another one's state, each finds its own parameters, and what nobody has is at rest. A server
// that says anything may mix up whom it answers.
#include "../test/broker/fake_handshaker.h"
#include "../test/broker/world.h"
#include "crypto/pbkdf2.h"
#include "crypto/scram_client.h"
#include "exact_reads.h"
#include "pooled_words.h"
#include "wire/postgres/messages.h"

#include <array>

namespace {

using namespace sallyport;
using namespace sallyport::fuzz;
using namespace std::chrono_literals;

struct Client {
  test::FakeClient end;
  unsigned session = 0;
  std::string tail;   ///< the last bytes it read, that may begin a mark
  std::string heard;  ///< of the login
  std::unique_ptr<crypto::ScramClient> scram;
};

class Play {
 public:
  Play(const std::uint8_t* data, std::size_t size)
      : script_(data, size),
        settings_(script_),
        servers_(settings_),
        world_(settings_.pool, settings_.run_as) {
    if (settings_.lends()) guard_.watch(world_.buffer);
    world_.services.handshaker = &handshaker_;
    world_.connector.hold_cancels = settings_.hold_cancels;
    world_.connector.prepare = [this](test::FakeBackend& backend) {
      backend.wire->guard = &guard_;
      servers_.prepare(backend);
    };
    world_.connector.dress = [](broker::Connected& connected) {
      connected.greeting.parameters.emplace_back("TimeZone", "UTC");
    };
    make_route();
    for (auto& client : clients_) open(client);
  }
  ~Play() { guard_.stop(); }
  Play(const Play&) = delete;

  void run() {
    while (!script_.over()) {
      step();
      require(world_.loop.settle());
      look();
    }
    end();
  }

 private:
  void make_route() {
    auto made = std::make_shared<broker::RouteRuntime>(*world_.route);
    const std::vector<std::uint8_t> salt(16, 9);
    const auto verifier = crypto::make_scram_verifier_from_password(Secret::copy_of("secret"), salt, 1);
    if (settings_.token) made->run_token = verifier;
    if (settings_.password) {
      AllowRule rule;
      rule.verifier = "/etc/pw";
      rule.logins = {"alice"};
      made->route.allow = {rule};
      made->route.passwords["alice"] = verifier;
      made->mock.key.fill(5);
    }
    if (settings_.tls) {
      made->route.tls.emplace();
      made->tls = std::make_shared<broker::RouteTls>(nullptr);
    }
    world_.route = made;
  }
  void open(Client& client) {
    if (sessions_ == 16) return;
    client = {};
    client.session = sessions_++;
    client.end = world_.open();
    client.end.wire->guard = &guard_;
    wires_.push_back(client.end.wire);
  }
  [[nodiscard]] Client& client() { return clients_[turn_]; }
  [[nodiscard]] test::FakeBackend* server() {
    return world_.connector.backends.empty() ? nullptr : &world_.connector.newest();
  }
  void say(const std::string& bytes) {
    world_.decision.identity =
        settings_.two_identities ? "uid:" + std::to_string(client().session % 2) : std::string{"uid:1000"};
    client().end.wire->push(bytes);
  }

  void step() {
    switch (script_.byte() % 24) {
      case 0: return say(fuzz::tame_bytes(script_));
      case 1: return hello(script_.byte());
      case 2:
      case 3:
      case 4: return say(known(script_.byte(), client().session));
      case 5: turn_ ^= 1; return;
      case 6: return log_in(script_.byte());
      case 7: return client().end.wire->close_write();
      case 8: return client().end.wire->break_off();
      case 9: client().end.wire->break_off(); return open(client());
      case 10: return client().end.wire->set_room(room());
      case 11: return client().end.wire->set_read_max(1 + script_.byte());
      case 12: require(world_.loop.advance(std::chrono::milliseconds{100 * script_.byte()})); return;
      case 13:
        if (rotations_++ < 3) world_.rotate();
        return world_.ending(rotations_, std::chrono::milliseconds{50 * script_.byte()});
      case 14: return be_slow(script_.byte() % 2 == 0);
      case 15: return cancel();
      case 16: return say(test::big_endian(8) + test::big_endian(80877103 + script_.byte() % 2));
      case 17: return dismiss(script_.byte());
      case 18: world_.sink.failing = script_.byte() % 2 == 1; return;
      case 19: return note_loss();
      default: return of_server(script_.byte());
    }
  }
  std::size_t room() {
    const auto room = script_.byte();
    return room % 2 == 0 ? room : std::size_t{1} << 30;
  }
  void hello(std::uint8_t kind) {
    std::vector<std::pair<std::string, std::string>> parameters{{"user", kind % 8 == 7 ? "mallory" : "alice"},
                                                                {"database", "production"}};
    if (kind & 8) parameters.emplace_back("application_name", "app");
    if (kind & 16) {
      parameters.emplace_back("replication", kind & 32 ? "database" : "true");
      guard_.stop();  // what came with its login is written over what was read of others
    }
    if (kind & 64) parameters.emplace_back("options", "-c application_name=x -c work_mem=8MB");
    say(test::startup(parameters, kind & 128 ? 196610 : 196608));
  }
  /// A piece of an honest login, with the right password or another one.
  void log_in(std::uint8_t kind) {
    auto& heard = client().heard;
    auto left = heard;
    std::string last;
    for (const auto& message : test::take_frames(left)) {
      if (message.type == 'R') last = message.body;
    }
    if (last.size() < 4) return;
    WipedBytes out;
    if (client().scram == nullptr) {
      client().scram = std::make_unique<crypto::ScramClient>(crypto::ScramClientOptions{}, "clientnonce");
      postgres::encode(
          out, postgres::SaslInitialResponse{client().scram->mechanism(), client().scram->first_message()});
    } else {
      const auto challenge = client().scram->on_server_first(std::string_view{last}.substr(4));
      if (!challenge) return;
      const auto password = Secret::copy_of(kind % 4 == 3 ? "wrong" : "secret");
      const auto salted = crypto::pbkdf2_sha256(password, challenge->salt, challenge->iterations);
      postgres::encode(out, postgres::SaslResponse{*client().scram->final_message(salted)});
    }
    say(std::string{as_text(Bytes{out})});
  }
  void be_slow(bool slow) {
    servers_.manual = slow;
    for (auto& backend : world_.connector.backends) {
      backend->manual = slow;
      if (!slow) backend->serve();
    }
  }
  void cancel() {
    if (world_.alive(client().end) && client().end.session->has_access())
      client().end.session->cancel_query([] {});
    auto held = std::exchange(world_.connector.held_cancels, {});
    if (script_.byte() % 2 == 0) std::swap(held, world_.connector.held_cancels);
    for (auto& done : held) done({});
  }
  void dismiss(std::uint8_t kind) {
    if (!world_.alive(client().end)) return;
    kind % 2 == 0 ? client().end.session->drain() : client().end.session->stop();
  }
  void note_loss() {
    if (auto* backend = server())
      script_.byte() % 2 == 0 ? backend->wire->close_write() : backend->wire->break_off();
    broken_ = true;
  }
  void of_server(std::uint8_t kind) {
    auto* const backend = server();
    if (backend == nullptr) return;
    if (kind % 8 == 0) return backend->wire->set_room(room());
    if (kind % 8 == 1) return backend->wire->set_read_max(1 + script_.byte());
    if (settings_.honest) return;
    backend->wire->push(kind % 8 == 2 ? fuzz::tame_bytes(script_) : server_says(script_.byte()));
  }

  void look() {
    for (auto& one : clients_) {
      const auto read = one.tail + one.end.wire->take();
      one.heard += read.substr(one.tail.size());
      if (one.heard.size() > 2000) one.heard.erase(0, 1000);
      if (settings_.honest) require_own(read, one.session);
      one.tail = read.substr(read.size() - std::min<std::size_t>(read.size(), 4));
    }
    const auto status = world_.pool->status();
    const auto max = settings_.pool.max;
    require(world_.pool->total() <= max + (rotations_ == 0 ? 0 : broker::Pool::logins_beyond_max));
    require(world_.pool->connections() == world_.connector.open());
    if (!settings_.honest || broken_) return;
    if (status.in_use != 0 || status.resetting != 0 || status.connecting != 0) return;
    for (const auto& backend : world_.connector.backends) {
      if (backend->wire->broker_gone()) continue;
      require(backend->status == 'I' && !backend->in_copy && backend->unparsed.empty());
      // It need not have read what it does not answer.
      require(test::types_of(backend->wire->seen()).find_first_not_of("dcfH") == std::string::npos);
      require(backend->wire->unread() == 0);
    }
  }
  static void require_own(std::string_view read, unsigned session) {
    for (unsigned other = 0; other < 16; ++other) {
      if (other != session) require(read.find(mark_of(other)) == std::string_view::npos);
    }
  }
  void end() {
    // Also those that are opened from now on, for who waits.
    world_.connector.prepare = [](test::FakeBackend& backend) {
      backend.manual = true;
      backend.wire->break_off();
    };
    for (auto& wire : wires_) wire->break_off();
    for (auto& backend : world_.connector.backends) {
      backend->manual = true;
      backend->wire->break_off();
    }
    for (auto& done : std::exchange(world_.connector.held_cancels, {})) done({});
    world_.sink.failing = false;
    require(world_.loop.advance(2min));
    const auto status = world_.pool->status();
    require(world_.sessions() == 0);
    require(status.waiting == 0);
    require(status.connecting == 0);
    require(status.resetting == 0);
    require(status.in_use == 0);
    require(world_.pool->connections() == world_.connector.open());
  }

  Script script_;
  const Settings settings_;
  fuzz::ExactReads guard_;
  Servers servers_;
  test::World world_;
  test::FakeHandshaker handshaker_{world_.loop};
  std::array<Client, 2> clients_;
  std::size_t turn_ = 0;
  unsigned sessions_ = 0, rotations_ = 0;
  bool broken_ = false;  // a server's connection, by the input
  std::vector<std::shared_ptr<test::Wire>> wires_;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 3 || size > 4096) return 0;
  Play{data, size}.run();
  return 0;
}
