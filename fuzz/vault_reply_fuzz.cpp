// A Vault that answers anything: the whole life of a credential against a script of statuses, headers and bodies.
// Drives Fetch, Renew, Revoke, KeepAlive, Close.
//
// The input is a list of answers: one byte says what happens (a status from a table, or a failed action), two bytes
// a length, then that many bytes of body; `@` in front of a body makes its first line a Location header. When it
// runs out the server fails. Our token and secret_id must never come back in an error or a warning.
#include "secrets/source.h"
#include "secrets/vault/vault.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using namespace sallyport;

constexpr std::string_view canary = "s.canary-k7Qz2pXv";
constexpr int steps_max = 400;

class Server {
 public:
  explicit Server(Bytes script) : script_(script) {}

  [[nodiscard]] bool empty() const { return script_.empty(); }

  std::uint8_t byte() {
    if (script_.empty()) return 0xFF;
    const auto out = script_.front();
    script_ = script_.subspan(1);
    return out;
  }

  Event answer() {
    static constexpr int statuses[] = {200, 200, 200, 204, 307, 308, 400, 403,
                                       404, 412, 429, 500, 503, 301, 0,   473};
    const auto kind = byte();
    if (kind >= 0xF0)
      return ActionFailed{{kind & 1 ? ErrorCode::timed_out : ErrorCode::denied, Hop::tcp, "x", "x", {}, {}}};
    const std::size_t wanted = byte() * 256U + byte();
    const auto body = script_.subspan(0, std::min(wanted, script_.size()));
    script_ = script_.subspan(body.size());
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    auto text = as_text(body);
    if (text.starts_with('@')) {
      const auto line = text.substr(1, text.find('\n') - 1);
      reply.headers.emplace_back("location", line);
      reply.headers.emplace_back("retry-after", line);
      text.remove_prefix(std::min(line.size() + 2, text.size()));
    }
    reply.body = Secret::copy_of(text);
    return reply;
  }

 private:
  Bytes script_;
};

void check_text(std::string_view text) {
  if (text.find(canary) != std::string_view::npos) std::abort();
  if (text.size() > 4'000) std::abort();
}

class World {
 public:
  World(Server& server, bool approle) : server_(server), approle_(approle) {}

  bool run(Conversation& conversation) {
    std::optional<Event> event;
    Started started;
    started.random.fill(7);
    event.emplace(started);
    for (int step = 0; step < steps_max; ++step) {
      auto action = conversation.resume({now_, std::move(*event)});
      if (!action) {
        check_text(describe(action.error()));
        return false;
      }
      if (std::holds_alternative<Done>(*action)) return true;
      perform(*action, event);
    }
    std::abort();
  }

 private:
  void perform(Action& action, std::optional<Event>& event) {
    if (auto* variable = std::get_if<ReadVariable>(&action)) {
      event.emplace(VariableRead{value_of(variable->name)});
    } else if (auto* wait = std::get_if<WaitUntil>(&action)) {
      const auto duration = wait->moment - now_.mono;
      if (duration < Duration::zero() || duration > std::chrono::minutes{1}) std::abort();
      now_ = {now_.wall + duration, wait->moment};
      event.emplace(Woken{});
    } else if (auto* request = std::get_if<HttpRequest>(&action)) {
      const bool metadata =
          request->url.starts_with("http://169.254.169.254/metadata/") && request->plain_http_allowed;
      if (!metadata && !request->url.starts_with("https://vault:8200/v1/") &&
          !request->url.starts_with("https://node2:8200/v1/") &&
          !request->url.starts_with("https://vault:")) {
        std::abort();
      }
      now_ = {now_.wall + std::chrono::seconds{300}, now_.mono + std::chrono::seconds{300}};
      event.emplace(server_.answer());
    } else if (const auto* file = std::get_if<ReadFile>(&action);
               file != nullptr && !file->path.ends_with("/.vault-token")) {
      event.emplace(FileRead{Secret::copy_of(file->path == "/c" ? "-----BEGIN CERTIFICATE-----" : canary)});
    } else {
      event.emplace(ActionFailed{{ErrorCode::not_found, Hop::none, "x", "x", {}, {}}});
    }
  }

  std::optional<Secret> value_of(std::string_view name) const {
    if (name == "VAULT_ADDR") return Secret::copy_of("https://vault:8200");
    if (name == "VAULT_TOKEN" && !approle_) return Secret::copy_of(canary);
    if (name == "VAULT_ROLE_ID" && approle_) return Secret::copy_of("role");
    if (name == "VAULT_SECRET_ID" && approle_) return Secret::copy_of(canary);
    return std::nullopt;
  }

  Server& server_;
  bool approle_;
  Moment now_{WallTime{std::chrono::seconds{1'800'000'000}}, MonotonicTime{std::chrono::seconds{1'000}}};
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto source = secrets::vault_source();
  static const char* const references[] = {"vault:database/creds/app",
                                           "vault:secret/prod/db",
                                           "vault:secret/prod/db?version=2#password",
                                           "vault:database/static-creds/st",
                                           "vault:database/creds/app?redirect_to=https://node2:8200",
                                           "vault:database/creds/app?auth=kubernetes&role=app",
                                           "vault:database/creds/app?secret_id_wrapped=true&role=app",
                                           "vault:database/creds/app?auth=cert&client_cert=/c&client_key=/k",
                                           "vault:secret/prod/db?auth=azure&role=a"};
  Server server{{data, size}};
  const auto choice = server.byte();
  World world{server, (choice & 1) != 0};
  auto reference = secrets::parse_reference(references[(choice >> 1) % std::size(references)]);
  auto session = source->open(*reference, {});
  std::optional<Lease> lease;
  for (int turn = 0; turn < 4 && !server.empty(); ++turn) {
    auto fetch = (*session)->fetch();
    if (world.run(*fetch)) {
      auto fetched = fetch->take();
      if (fetched.credential.secret.empty()) std::abort();
      if (fetched.credential.lease) lease = fetched.credential.lease;
    }
    for (const auto& warning : (*session)->warnings()) check_text(warning);
    for (const auto& seen : (*session)->take_events()) check_text(seen.text);
    if (lease) {
      auto renew = (*session)->renew(*lease);
      if (world.run(*renew)) lease = renew->take();
      if (turn % 2 == 1) world.run(*(*session)->revoke(*lease));
    }
    if (auto keep = (*session)->keep_alive()) world.run(*keep);
  }
  if (auto close = (*session)->close()) world.run(*close);
  return 0;
}
