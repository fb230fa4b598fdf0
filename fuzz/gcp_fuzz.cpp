// A Google Cloud that answers anything: credentials files, token endpoints, the metadata server, Secret Manager and the
// control planes of databases.
// Drives IdentitySearch.
//
// The first byte chooses the reference and what the environment says. Then come answers: one byte for what happens (a
// status from a table, or a failed action), two of length, that many bytes of body; for TXT records one byte for how many
// (or a failed look-up), then each. `@` in front of a body makes its first
// line a header (Date, Location, Retry-After). Our key and our tokens never come back in a text, and no request goes
// anywhere by plain http but to the metadata server.
#include "crypto/rsa.h"
#include "fuzz/source_world.h"
#include "secrets/gcp/gcp.h"
#include "secrets/gcp/instance_domain.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace {

using namespace sallyport;
using fuzz::canary;
using fuzz::check_text;

constexpr std::string_view person =
    R"({"type":"authorized_user","client_id":"c","client_secret":"canary-k7Qz2pXv","refresh_token":"canary-k7Qz2pXv"})";
constexpr std::string_view workload =
    R"({"type":"external_account","audience":"//iam.googleapis.com/x","subject_token_type":"t",)"
    R"("token_url":"https://sts/","credential_source":{"url":"https://subject/"},)"
    R"("service_account_impersonation_url":"https://iam/v1/projects/-/serviceAccounts/a@b:generateAccessToken"})";

class World final : public fuzz::SourceWorld {
 public:
  World(fuzz::Answers& answers, std::uint8_t mode) : SourceWorld(answers, {.steps_max = 600}), mode_(mode) {}

 private:
  Event answer(Action& action) override {
    return std::visit([this](auto& wanted) { return serve(wanted); }, action);
  }

  Event serve(ReadVariable& wanted) {
    if (wanted.name == "GOOGLE_APPLICATION_CREDENTIALS" && (mode_ & 3U) != 3)
      return VariableRead{Secret::copy_of("/c.json")};
    if (wanted.name == "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES") return VariableRead{Secret::copy_of("1")};
    if (wanted.name == "AWS_REGION") return VariableRead{Secret::copy_of("eu-west-1")};
    if (wanted.name.starts_with("AWS_") && wanted.name.find("KEY") != std::string::npos)
      return VariableRead{Secret::copy_of(canary)};
    return VariableRead{std::nullopt};
  }

  Event serve(ReadFile& wanted) {
    if (wanted.path == "/c.json" && (mode_ & 3U) < 2)
      return FileRead{Secret::copy_of((mode_ & 1U) != 0 ? person : workload)};
    if (answers_.byte() >= 0xF0) return ActionFailed{{ErrorCode::not_found, Hop::none, "x", "x", {}, {}}};
    return FileRead{Secret::copy_of(answers_.text())};
  }

  Event serve(RunProgram&) {
    return ProgramEnded{answers_.byte() >= 0x80 ? 1 : 0, Secret::copy_of(answers_.text())};
  }

  Event serve(ComputeRsaKey&) {
    static const auto key = crypto::new_rsa_key();  // slow, and any key will do
    return Computed{key->clone()};
  }

  Event serve(LookupTxt& wanted) {
    if (wanted.name != "db.example.com") std::abort();
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return failure((kind & 1U) != 0 ? ErrorCode::timed_out : ErrorCode::not_found);
    TxtFound found;
    for (unsigned left = kind % (LookupTxt::records_max + 1); left > 0; --left)
      found.records.emplace_back(answers_.text().substr(0, LookupTxt::record_bytes_max));
    return found;
  }

  Event serve(HttpRequest& wanted) {
    if (wanted.url.starts_with("http://") != wanted.plain_http_allowed) std::abort();
    if (wanted.plain_http_allowed && !wanted.url.starts_with("http://169.254.")) std::abort();
    check_text(wanted.url);
    static constexpr int statuses[] = {200, 200, 200, 200, 200, 201, 302, 400,
                                       401, 403, 404, 429, 500, 503, 0,   204};
    const auto kind = answers_.byte();
    now_ = {now_.wall + std::chrono::seconds{kind}, now_.mono + std::chrono::seconds{kind}};
    if (kind >= 0xF0) return failure((kind & 1U) != 0 ? ErrorCode::timed_out : ErrorCode::denied);
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    const auto text = fuzz::take_headers(reply, answers_.text(), {"date", "location", "retry-after"});
    if ((kind & 0x80U) == 0) reply.headers.emplace_back("metadata-flavor", "Google");
    reply.body = Secret::copy_of(text);
    return reply;
  }

  template <class Other>
  Event serve(Other&) {
    return ActionFailed{{ErrorCode::internal, Hop::none, "x", "x", {}, {}}};
  }

  std::uint8_t mode_;
};

void try_instance(Bytes input) {
  const auto instance = secrets::gcp::parse_instance(as_text(input));
  if (instance && instance->path().find("..") != std::string::npos &&
      instance->path().find("/..") != std::string::npos)
    std::abort();
  (void)secrets::gcp::parse_ip_type(as_text(input));
  if (secrets::gcp::domain_in(as_text(input)).find_first_of(":/ \"\\%") != std::string::npos) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto secret_manager = secrets::gcp_secret_manager_source();
  static const auto cloud_sql = secrets::gcp_cloudsql_source();
  static const char* const references[] = {
      "gcp-sm:projects/p/secrets/s",
      "gcp-sm:projects/p/locations/l/secrets/s/versions/2#password",
      "gcp-cloudsql-iam:",
      "gcp-cloudsql-iam:?instance=p:r:i&ip_type=private",
      "gcp-cloudsql-iam:?instance=projects/p/locations/r/clusters/c/instances/i",
      "gcp-cloudsql-iam:?instance=db.example.com"};
  try_instance({data, size});
  fuzz::Answers answers{{data, size}};
  const auto mode = answers.byte();
  World world{answers, mode};
  if ((mode & 0x80U) != 0) {
    auto who = secrets::gcp_identity();
    if (!world.run(*who)) return 0;
    const auto told = who->take();
    check_text(secrets::list_of(told.tried) + told.identity + told.provider + told.fix);
    return 0;
  }
  const auto reference = secrets::parse_reference(references[(mode >> 2U) % std::size(references)]);
  const auto& source = reference->scheme == "gcp-sm" ? secret_manager : cloud_sql;
  auto session = source->open(*reference, {"postgresql", {}, "app"});
  for (int turn = 0; turn < 3 && !answers.over(); ++turn) {
    auto fetch = (*session)->fetch();
    if (!world.run(*fetch)) continue;
    const auto fetched = fetch->take();
    if (fetched.credential.secret.empty()) std::abort();
    check_text(fetched.credential.user + fetched.origin + fetched.credential.version);
  }
  return 0;
}
