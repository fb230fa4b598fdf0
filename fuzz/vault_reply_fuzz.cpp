// A Vault that answers anything: the whole life of a credential against a script of statuses, headers and bodies.
// Drives Fetch, Renew, Revoke, KeepAlive, Close.
//
// The input is a list of answers: one byte says what happens (a status from a table, or a failed action), two bytes
// a length, then that many bytes of body; `@` in front of a body makes its first line a Location header. When it
// runs out the server fails. Our token and secret_id must never come back in an error or a warning.
#include "fuzz/source_world.h"
#include "secrets/source.h"
#include "secrets/vault/vault.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>

namespace {

using namespace sallyport;
using fuzz::canary;
using fuzz::check_text;

constexpr std::size_t text_bytes_max = 4'000;

class World final : public fuzz::SourceWorld {
 public:
  World(fuzz::Answers& answers, bool approle)
      : SourceWorld(answers, {.text_bytes_max = text_bytes_max}), approle_(approle) {}

 private:
  Event answer(Action& action) override {
    if (const auto* variable = std::get_if<ReadVariable>(&action))
      return VariableRead{value_of(variable->name)};
    if (const auto* request = std::get_if<HttpRequest>(&action)) return reply_to(*request);
    const auto* file = std::get_if<ReadFile>(&action);
    if (file == nullptr || file->path.ends_with("/.vault-token")) return failure(ErrorCode::not_found);
    return FileRead{Secret::copy_of(file->path == "/c" ? "-----BEGIN CERTIFICATE-----" : canary)};
  }

  Event reply_to(const HttpRequest& request) {
    static constexpr int statuses[] = {200, 200, 200, 204, 307, 308, 400, 403,
                                       404, 412, 429, 500, 503, 301, 0,   473};
    const bool metadata =
        request.url.starts_with("http://169.254.169.254/metadata/") && request.plain_http_allowed;
    if (!metadata && !request.url.starts_with("https://vault:8200/v1/") &&
        !request.url.starts_with("https://node2:8200/v1/") && !request.url.starts_with("https://vault:")) {
      std::abort();
    }
    now_ = {now_.wall + std::chrono::seconds{300}, now_.mono + std::chrono::seconds{300}};
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return failure((kind & 1U) != 0 ? ErrorCode::timed_out : ErrorCode::denied);
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    reply.body = Secret::copy_of(fuzz::take_headers(reply, answers_.text(), {"location", "retry-after"}));
    return reply;
  }

  std::optional<Secret> value_of(std::string_view name) const {
    if (name == "VAULT_ADDR") return Secret::copy_of("https://vault:8200");
    if (name == "VAULT_TOKEN" && !approle_) return Secret::copy_of(canary);
    if (name == "VAULT_ROLE_ID" && approle_) return Secret::copy_of("role");
    if (name == "VAULT_SECRET_ID" && approle_) return Secret::copy_of(canary);
    return std::nullopt;
  }

  bool approle_;
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
  fuzz::Answers answers{{data, size}};
  const auto choice = answers.byte();
  World world{answers, (choice & 1) != 0};
  auto reference = secrets::parse_reference(references[(choice >> 1) % std::size(references)]);
  auto session = source->open(*reference, {});
  std::optional<Lease> lease;
  for (int turn = 0; turn < 4 && !answers.over(); ++turn) {
    auto fetch = (*session)->fetch();
    if (world.run(*fetch)) {
      auto fetched = fetch->take();
      if (fetched.credential.secret.empty()) std::abort();
      if (fetched.credential.lease) lease = fetched.credential.lease;
    }
    for (const auto& warning : (*session)->warnings()) check_text(warning, text_bytes_max);
    for (const auto& seen : (*session)->take_events()) check_text(seen.text, text_bytes_max);
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
