// An API server and a mount that say anything.
// Drives InquiryFetch, Identity.
//
// The first byte chooses the reference. Then comes a list of answers: one byte says what happens (a status from a table, or a
// failed action), two bytes a length, then that many bytes of text, for files and replies alike. `$` in a reply's text stands
// for a whole Secret with the canary in it, so that short inputs come far. When the list runs out the driver fails. The
// token must come back in no text, and go to no other address.
#include "base/limits.h"
#include "secrets/kubernetes/kubernetes.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;

constexpr std::string_view canary = "canary-k7Qz2pXv";
constexpr std::string_view whole =
    R"({"kind":"Secret","metadata":{"name":"db","namespace":"prod","resourceVersion":"1"},"data":)";
constexpr int steps_max = 400;

class Script {
 public:
  explicit Script(Bytes bytes) : bytes_(bytes) {}

  [[nodiscard]] bool empty() const { return bytes_.empty(); }

  std::uint8_t byte() {
    if (bytes_.empty()) return 0xFF;
    const auto out = bytes_.front();
    bytes_ = bytes_.subspan(1);
    return out;
  }

  std::string text() {
    const std::size_t high = byte();
    const auto taken = bytes_.first(std::min(high * 256 + byte(), bytes_.size()));
    bytes_ = bytes_.subspan(taken.size());
    std::string out{as_text(taken)};
    if (out.starts_with('$')) out.replace(0, 1, whole);
    return out;
  }

 private:
  Bytes bytes_;
};

void check_text(std::string_view text) {
  if (text.find(canary) != std::string_view::npos || text.size() > 8'000) std::abort();
}

class World {
 public:
  explicit World(Script& script) : script_(script) {}

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
      event.emplace(answer(*action));
    }
    std::abort();
  }

 private:
  Event answer(const Action& action) {
    if (const auto* variable = std::get_if<ReadVariable>(&action)) {
      const auto kind = script_.byte();
      if (kind == 1) return VariableRead{std::nullopt};
      if (kind == 2) return VariableRead{Secret::copy_of(script_.text())};
      return VariableRead{Secret::copy_of(variable->name == "KUBERNETES_SERVICE_PORT" ? "443" : "10.96.0.1")};
    }
    if (const auto* wait = std::get_if<WaitUntil>(&action)) {
      const auto duration = wait->moment - now_.mono;
      if (duration < Duration::zero() || duration > std::chrono::minutes{1}) std::abort();
      now_ = {now_.wall + duration, wait->moment};
      return Woken{};
    }
    if (const auto* file = std::get_if<ReadFile>(&action)) return file_of(*file);
    if (const auto* request = std::get_if<HttpRequest>(&action)) return reply_to(*request);
    std::abort();
  }

  Event file_of(const ReadFile& file) {
    if (!file.path.starts_with('/') || file.bytes_max > limits::secret_bytes_max) std::abort();
    const auto kind = script_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::not_found, Hop::none, "x", "x", {}, {}}};
    if (kind >= 0x80) return FileRead{Secret::copy_of(script_.text())};
    if (file.path.ends_with("/namespace")) return FileRead{Secret::copy_of("prod")};
    if (file.path.ends_with("/ca.crt")) return FileRead{Secret::copy_of("-----BEGIN CERTIFICATE-----")};
    return FileRead{Secret::copy_of("e30." + script_.text() + "." + std::string{canary})};
  }

  Event reply_to(const HttpRequest& request) {
    static constexpr int statuses[] = {200, 200, 200, 401, 403, 404, 429, 500, 503, 301, 201, 0};
    if (!request.url.starts_with("https://") || request.plain_http_allowed) std::abort();
    if (request.url.find("/api/v1/namespaces/prod/secrets/db") == std::string::npos) std::abort();
    check_text(request.url);
    const auto kind = script_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::timed_out, Hop::tcp, "x", "x", {}, {}}};
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    auto text = script_.text();
    if (text.starts_with('@')) {
      reply.headers.emplace_back("location", text.substr(1));
      reply.headers.emplace_back("retry-after", text.substr(1));
    }
    reply.body = Secret::copy_of(text);
    return reply;
  }

  Script& script_;
  Moment now_{WallTime{std::chrono::seconds{1'800'000'000}}, MonotonicTime{std::chrono::seconds{1'000}}};
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
  Script script{{data, size}};
  World world{script};
  const auto choice = script.byte();
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
  for (int turn = 0; turn < 2 && !script.empty(); ++turn) {
    const auto fetch = (*session)->fetch();
    if (!world.run(*fetch)) continue;
    const auto fetched = fetch->take();
    if (fetched.credential.secret.empty()) std::abort();
    for (const auto& field : fetched.ignored_fields) check_text(field);
  }
  return 0;
}
