// A Vault that answers anything to `sallyport vault plan` and `apply`. Neither our token, nor the password that we send,
// nor one that Vault shows comes back in a plan, an error or a warning.
// Drives ReadPlan, ApplyPlan.
//
// The input is a list of answers: a byte for the status, two for the length, the body.
#include "secrets/vault/engine/engine.h"

#include <cstdint>
#include <cstdlib>
#include <iterator>

namespace {

using namespace sallyport;
namespace engine = secrets::vault::engine;

constexpr std::string_view canary = "s.canary-k7Qz2pXv";

class Server {
 public:
  explicit Server(Bytes script) : script_(script) {}

  std::uint8_t byte() {
    if (script_.empty()) return 0xFF;
    const auto out = script_.front();
    script_ = script_.subspan(1);
    return out;
  }

  Event answer() {
    static constexpr int statuses[] = {200, 200, 204, 404, 400, 403, 500, 307};
    const auto kind = byte();
    if (kind >= 0xF0)
      return ActionFailed{{kind & 1 ? ErrorCode::timed_out : ErrorCode::denied, Hop::tcp, "x", "x", {}, {}}};
    const std::size_t wanted = byte() * 256U + byte();
    const auto body = script_.subspan(0, std::min(wanted, script_.size()));
    script_ = script_.subspan(body.size());
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    reply.body = Secret::copy_of(body);
    return reply;
  }

 private:
  Bytes script_;
};

void check_text(std::string_view text) {
  if (text.find(canary) != std::string_view::npos) std::abort();
}

Event perform(Action& action, Server& server, Moment& now) {
  if (auto* variable = std::get_if<ReadVariable>(&action)) {
    if (variable->name == "VAULT_ADDR") return VariableRead{Secret::copy_of("https://vault:8200")};
    if (variable->name == "VAULT_TOKEN") return VariableRead{Secret::copy_of(canary)};
    return VariableRead{std::nullopt};
  }
  if (auto* wait = std::get_if<WaitUntil>(&action)) {
    now = {now.wall + (wait->moment - now.mono), wait->moment};
    return Woken{};
  }
  if (auto* request = std::get_if<HttpRequest>(&action)) {
    check_text(request->url);
    return server.answer();
  }
  std::abort();
}

bool run(Conversation& conversation, Server& server) {
  Moment now{WallTime{std::chrono::seconds{1'800'000'000}}, MonotonicTime{std::chrono::seconds{1'000}}};
  std::optional<Event> event;
  event.emplace(Started{});
  for (int step = 0; step < 400; ++step) {
    auto action = conversation.resume({now, std::move(*event)});
    if (!action) {
      check_text(describe(action.error()));
      return false;
    }
    if (std::holds_alternative<Done>(*action)) return true;
    event.emplace(perform(*action, server, now));
  }
  std::abort();
}

std::vector<engine::Object> wanted_objects() {
  engine::Wanted wanted;
  wanted.connections["p"] = {"p",
                             engine::Database::postgresql,
                             "postgresql-database-plugin",
                             "postgresql://{{username}}:{{password}}@db/app",
                             "vault",
                             "file:/pw",
                             {"app", "st"},
                             true,
                             "",
                             "",
                             "",
                             4,
                             {},
                             {}};
  engine::DynamicRole role;
  role.name = "app";
  role.connection = "p";
  role.creation = {"CREATE ROLE"};
  wanted.roles["app"] = role;
  wanted.static_roles["st"] = {"st", "p", "stuser", 3'600, {}};
  return engine::objects_of(wanted);
}

void check_plan(const engine::Plan& plan, std::size_t objects) {
  if (plan.changes.size() != objects) std::abort();
  for (const auto& change : plan.changes) {
    for (const auto& difference : change.differences) {
      if (difference.hidden && difference.before) std::abort();
      if (difference.field != "connection_url" || !difference.before) continue;
      // Shown only with the template where a password would be.
      if (std::get<std::string>(*difference.before).find("{{username}}:{{password}}@") == std::string::npos)
        std::abort();
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Server server{{data, size}};
  const auto objects = wanted_objects();
  auto session = engine::Session::open(*secrets::parse_reference("vault:database"), {});
  auto read = (*session)->read(objects);
  if (!run(*read, server)) return 0;
  engine::Order order;
  order.objects = objects;
  order.plan = read->take();
  check_plan(order.plan, objects.size());
  for (const auto& name : engine::needs_password(order.plan))
    order.passwords.emplace(name, Secret::copy_of(canary));
  if (server.byte() % 2 == 0) order.rotate_root = {"p"};
  auto apply = (*session)->apply(std::move(order));
  run(*apply, server);
  for (const auto& label : apply->made()) check_text(label);
  for (const auto& warning : (*session)->warnings()) check_text(warning);
  return 0;
}
