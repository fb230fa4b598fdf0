// An Entra ID, agents, files, a program and a vault that say anything.
// Drives InquiryFetch, AzureIdentity. Calls parse_vault_options(), parse_endpoint() and parse_expiry() by way of them.
//
// The first byte chooses the reference, the second which variables are set. Then comes a list of answers: one byte says what
// happens (a status from a table, or a failed action), two bytes a length, then that many bytes of text. A text that begins
// with `$` is a good token reply, with `%` a good secret, with `@` headers: a challenge, a place to go to, a time to wait.
// When the list runs out the driver fails. Tokens and secrets must come back in no text, go to no host that is not one of
// those here, and no file is read but those that were named.
#include "base/limits.h"
#include "fuzz/source_world.h"
#include "secrets/azure/azure.h"
#include "secrets/azure/endpoint.h"
#include "secrets/azure/token.h"
#include "secrets/azure/vault_options.h"
#include "test/secrets/azure_certificate.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <map>
#include <string>

namespace {

using namespace sallyport;
using fuzz::canary;
using fuzz::check_text;

std::string filled(std::string text) {
  const std::string secret{canary};
  if (text.starts_with('$')) {
    return R"({"access_token":"e30.)" + secret + R"(.x","accessToken":"e30.x.)" + secret +
           R"(","expires_in":3600,"expires_on":1800003600})" + text.substr(1);
  }
  if (text.starts_with('%'))
    return R"({"value":")" + secret + R"(","id":"https://v/secrets/db/1"})" + text.substr(1);
  return text;
}

class World final : public fuzz::SourceWorld {
 public:
  World(fuzz::Answers& answers, std::uint8_t set)
      : SourceWorld(answers, {.pause_max = std::chrono::minutes{2}}) {
    const auto on = [&](int bit) { return (set >> bit & 1) != 0; };
    if (on(0)) variables_ = {{"AZURE_TENANT_ID", "t"}, {"AZURE_CLIENT_ID", "c"}};
    if (on(1)) variables_["AZURE_CLIENT_SECRET"] = canary;
    if (on(2)) variables_["AZURE_CLIENT_CERTIFICATE_PATH"] = "/run/sp.pem";
    if (on(3)) variables_["AZURE_FEDERATED_TOKEN_FILE"] = "/var/run/secrets/token";
    if (on(4)) variables_["IDENTITY_ENDPOINT"] = "http://127.0.0.1:1/msi";
    if (on(5))
      variables_[on(6) ? "IMDS_ENDPOINT" : "IDENTITY_HEADER"] = on(6) ? "http://127.0.0.1:1" : canary;
    if (on(6) && !on(5)) variables_["MSI_ENDPOINT"] = "http://127.0.0.1:1/shell";
    free_ = on(7);
  }

 private:
  Event answer(Action& action) override {
    return std::visit([this](auto& wanted) { return serve(wanted); }, action);
  }

  Event serve(ReadVariable& wanted) {
    if (free_ && answers_.byte() == 1) return VariableRead{Secret::copy_of(answers_.text())};
    const auto found = variables_.find(wanted.name);
    if (found == variables_.end()) return VariableRead{std::nullopt};
    return VariableRead{Secret::copy_of(found->second)};
  }

  Event serve(ReadFile& wanted) {
    if (!wanted.path.starts_with('/') || wanted.bytes_max > limits::secret_bytes_max) std::abort();
    const bool known = wanted.path == "/run/sp.pem" || wanted.path == "/var/run/secrets/token" ||
                       (wanted.path.starts_with("/var/opt/azcmagent/tokens/") && wanted.bytes_max == 4096 &&
                        wanted.path.find('/', 26) == std::string::npos && wanted.path.ends_with(".key"));
    if (!known && !free_) std::abort();
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::not_found, Hop::none, "x", "x", {}, {}}};
    if (kind >= 0x80) return FileRead{Secret::copy_of(answers_.text())};
    if (wanted.path == "/run/sp.pem") return FileRead{Secret::copy_of(azure_certificate())};
    return FileRead{Secret::copy_of(canary)};
  }

  Event serve(RunProgram& wanted) {
    if (wanted.argv.front() != "/usr/bin/az" && wanted.argv.front() != "/usr/local/bin/az" &&
        wanted.argv.front() != "/opt/az/bin/az")
      std::abort();
    const auto kind = answers_.byte();
    if (kind >= 0x80) return ActionFailed{{ErrorCode::bad_config, Hop::none, "x", "x", {}, {}}};
    return ProgramEnded{kind & 1, Secret::copy_of(filled(std::string{answers_.text()}))};
  }

  Event serve(HttpRequest& wanted) {
    static constexpr int statuses[] = {200, 200, 200, 401, 401, 403, 404, 410, 429, 500, 503, 302, 400, 0};
    check_text(wanted.url);
    const auto endpoint = secrets::azure::parse_endpoint(wanted.url.substr(0, wanted.url.find('?')));
    if (!endpoint || (!endpoint->https && (!wanted.plain_http_allowed || !endpoint->is_on_this_machine())))
      std::abort();
    const bool known = endpoint->host == "login.microsoftonline.com" ||
                       endpoint->host == "v.vault.azure.net" || endpoint->host == "127.0.0.1" ||
                       endpoint->host == "169.254.169.254";
    if (!known && !free_) std::abort();
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::timed_out, Hop::tcp, "x", "x", {}, {}}};
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    std::string text{answers_.text()};
    if (text.starts_with('@')) {
      for (const auto* name : {"location", "retry-after", "www-authenticate", "date"})
        reply.headers.emplace_back(name, text.substr(1));
    }
    reply.body = Secret::copy_of(filled(std::move(text)));
    return reply;
  }

  template <class Other>
  Event serve(Other&) {
    std::abort();
  }

  std::map<std::string, std::string> variables_;
  bool free_ = false;  ///< the script says variables too: then addresses are what it says
};

void parse_alone(const std::string& text) {
  (void)secrets::azure::parse_endpoint(text);
  if (const auto reference = secrets::parse_reference("azure-kv:" + text))
    (void)secrets::azure::parse_vault_options(*reference);
  if (const auto json = secrets::Json::parse(text, "x"))
    (void)secrets::azure::parse_expiry(json->root()["expires_on"]);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto vault = secrets::azure_vault_source();
  static const auto entra = secrets::azure_entra_source();
  static const char* const references[] = {"azure-kv:v/db",
                                           "azure-kv:v/db/1",
                                           "azure-kv:v/db#password",
                                           "azure-entra:",
                                           "azure-entra:?client_id=c2",
                                           "azure-entra:?credential=dev",
                                           "azure-entra:?credential=ManagedIdentityCredential",
                                           "azure-entra:?scope=https://database.windows.net"};
  fuzz::Answers answers{{data, size}};
  const auto choice = answers.byte();
  if (choice == 0xFE) return parse_alone(std::string{answers.text()}), 0;
  World world{answers, answers.byte()};
  if (choice == 0xFF) {
    auto identity = secrets::azure_identity();
    if (!world.run(*identity)) std::abort();
    const auto who = identity->take();
    check_text(who.identity + who.provider + who.fix);
    for (const auto& one : who.tried) check_text(one.reason);
    return 0;
  }
  const auto reference = *secrets::parse_reference(references[choice % std::size(references)]);
  const auto& source = reference.scheme == "azure-kv" ? vault : entra;
  const auto session = source->open(reference, {});
  for (int turn = 0; turn < 2 && !answers.over(); ++turn) {
    const auto fetch = (*session)->fetch();
    if (!world.run(*fetch)) continue;
    const auto fetched = fetch->take();
    if (fetched.credential.secret.empty()) std::abort();
    check_text(fetched.origin);
    for (const auto& field : fetched.ignored_fields) check_text(field);
  }
  return 0;
}
