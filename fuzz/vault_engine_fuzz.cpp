// A Vault that answers anything to `sallyport vault plan` and `apply`. Neither our token, nor the password that we send,
// nor one that Vault shows comes back in a plan, an error or a warning.
// Drives ReadPlan, ApplyPlan.
//
// The input is a list of answers: a byte for the status, two for the length, the body.
#include "fuzz/source_world.h"
#include "secrets/vault/engine/engine.h"

#include <cstdint>
#include <cstdlib>
#include <iterator>

namespace {

using namespace sallyport;
using fuzz::canary;
using fuzz::check_text;
namespace engine = secrets::vault::engine;

class World final : public fuzz::SourceWorld {
 public:
  using SourceWorld::SourceWorld;

 private:
  Event answer(Action& action) override {
    if (const auto* variable = std::get_if<ReadVariable>(&action)) {
      if (variable->name == "VAULT_ADDR") return VariableRead{Secret::copy_of("https://vault:8200")};
      if (variable->name == "VAULT_TOKEN") return VariableRead{Secret::copy_of(canary)};
      return VariableRead{std::nullopt};
    }
    const auto* request = std::get_if<HttpRequest>(&action);
    if (request == nullptr) std::abort();
    check_text(request->url);
    static constexpr int statuses[] = {200, 200, 204, 404, 400, 403, 500, 307};
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return failure((kind & 1U) != 0 ? ErrorCode::timed_out : ErrorCode::denied);
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    reply.body = Secret::copy_of(answers_.text());
    return reply;
  }
};

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
  fuzz::Answers answers{{data, size}};
  World world{answers};
  const auto objects = wanted_objects();
  auto session = engine::Session::open(*secrets::parse_reference("vault:database"), {});
  auto read = (*session)->read(objects);
  if (!world.run(*read)) return 0;
  engine::Order order;
  order.objects = objects;
  order.plan = read->take();
  check_plan(order.plan, objects.size());
  for (const auto& name : engine::needs_password(order.plan))
    order.passwords.emplace(name, Secret::copy_of(canary));
  if (answers.byte() % 2 == 0) order.rotate_root = {"p"};
  auto apply = (*session)->apply(std::move(order));
  world.run(*apply);
  for (const auto& label : apply->made()) check_text(label);
  for (const auto& warning : (*session)->warnings()) check_text(warning);
  return 0;
}
