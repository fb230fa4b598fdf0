// An API server and a mount that say anything.
// Drives InquiryFetch, Identity.
//
// The first byte chooses the reference. Then comes a list of answers: one byte says what happens (a status from a table, or a
// failed action), two bytes a length, then that many bytes of text, for files and replies alike. `$` in a reply's text stands
// for a whole Secret with the canary in it, so that short inputs come far. When the list runs out the driver fails. The
// token must come back in no text, and go to no other address.
#include "base/limits.h"
#include "fuzz/source_world.h"
#include "secrets/kubernetes/kubernetes.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;
using fuzz::canary;
using fuzz::check_text;

constexpr std::string_view whole =
    R"({"kind":"Secret","metadata":{"name":"db","namespace":"prod","resourceVersion":"1"},"data":)";

class World final : public fuzz::SourceWorld {
 public:
  using SourceWorld::SourceWorld;

 private:
  Event answer(Action& action) override {
    if (const auto* variable = std::get_if<ReadVariable>(&action)) {
      const auto kind = answers_.byte();
      if (kind == 1) return VariableRead{std::nullopt};
      if (kind == 2) return VariableRead{Secret::copy_of(text())};
      return VariableRead{Secret::copy_of(variable->name == "KUBERNETES_SERVICE_PORT" ? "443" : "10.96.0.1")};
    }
    if (const auto* file = std::get_if<ReadFile>(&action)) return file_of(*file);
    if (const auto* request = std::get_if<HttpRequest>(&action)) return reply_to(*request);
    std::abort();
  }

  Event file_of(const ReadFile& file) {
    if (!file.path.starts_with('/') || file.bytes_max > limits::secret_bytes_max) std::abort();
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::not_found, Hop::none, "x", "x", {}, {}}};
    if (kind >= 0x80) return FileRead{Secret::copy_of(text())};
    if (file.path.ends_with("/namespace")) return FileRead{Secret::copy_of("prod")};
    if (file.path.ends_with("/ca.crt")) return FileRead{Secret::copy_of("-----BEGIN CERTIFICATE-----")};
    return FileRead{Secret::copy_of("e30." + text() + "." + std::string{canary})};
  }

  Event reply_to(const HttpRequest& request) {
    static constexpr int statuses[] = {200, 200, 200, 401, 403, 404, 429, 500, 503, 301, 201, 0};
    if (!request.url.starts_with("https://") || request.plain_http_allowed) std::abort();
    if (!is_of_this_secret(request.url)) std::abort();
    check_text(request.url);
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::timed_out, Hop::tcp, "x", "x", {}, {}}};
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    auto body = text();
    if (body.starts_with('@')) {
      reply.headers.emplace_back("location", body.substr(1));
      reply.headers.emplace_back("retry-after", body.substr(1));
    }
    reply.body = Secret::copy_of(body);
    return reply;
  }

  /// The namespace is what the reference or a file of the pod says; a file may say what it likes, but it stays a name.
  static bool is_of_this_secret(std::string_view url) {
    constexpr std::string_view before = "/api/v1/namespaces/", after = "/secrets/db";
    const auto at = url.find(before);
    if (at == std::string_view::npos) return false;
    const auto rest = url.substr(at + before.size());
    const auto name = rest.substr(0, rest.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"));
    return !name.empty() && name.size() <= 63 && rest.substr(name.size()).starts_with(after);
  }

  std::string text() {
    std::string out{answers_.text()};
    if (out.starts_with('$')) out.replace(0, 1, whole);
    return out;
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const auto source = secrets::kubernetes_source();
  static const char* const references[] = {"k8s:prod/db",
                                           "k8s:db",
                                           "k8s:prod/db#password",
                                           "k8s:prod/db#a.b",
                                           "k8s:prod/db?shape=password",
                                           "k8s:prod/db#password?shape=password"};
  fuzz::Answers answers{{data, size}};
  World world{answers};
  const auto choice = answers.byte();
  if (choice == 0xFF) {
    auto identity = secrets::kubernetes_identity();
    if (!world.run(*identity)) std::abort();
    const auto who = identity->take();
    check_text(who.identity + who.provider + who.fix);
    for (const auto& one : who.tried) check_text(one.reason);
    return 0;
  }
  const auto session =
      source->open(*secrets::parse_reference(references[choice % std::size(references)]), {});
  for (int turn = 0; turn < 2 && !answers.over(); ++turn) {
    const auto fetch = (*session)->fetch();
    if (!world.run(*fetch)) continue;
    const auto fetched = fetch->take();
    if (fetched.credential.secret.empty()) std::abort();
    for (const auto& field : fetched.ignored_fields) check_text(field);
  }
  return 0;
}
