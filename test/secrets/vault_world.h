// A Vault in memory: answers from a table, an environment and files beside it, and a driver that can fail any step.
#pragma once

#include "secrets/source.h"
#include "secrets/vault/vault.h"
#include "test/secrets/script.h"
#include "test/secrets/vault_replies.h"

#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sallyport {

struct Answer {
  int status = 200;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
};

inline Answer ok(std::string_view body) { return {200, std::string{body}, {}}; }
inline Answer refusal(int status, std::string_view body) { return {status, std::string{body}, {}}; }

/// What one request was, for assertions.
struct Seen {
  std::string line;  ///< "GET https://vault:8200/v1/…"
  std::string body;
  std::string token;
  std::string name_space;
  std::string ca_file;
  bool plain_http_allowed = false;
};

class VaultWorld {
 public:
  std::map<std::string, std::string> variables{{"VAULT_ADDR", "https://vault:8200"},
                                               {"VAULT_TOKEN", "s.canary-token"}};
  std::map<std::string, std::string> files;
  /// By "METHOD path-behind-/v1/". The last answer of a list stays.
  std::map<std::string, std::deque<Answer>> answers;
  std::vector<Seen> seen;
  std::vector<std::string> read;  ///< variables and files, in order
  Duration waited{};
  Moment now = test_moment();

  void on(const std::string& request, std::initializer_list<Answer> list) {
    answers[request] = std::deque<Answer>(list);
  }

  /// Steps of the last run().
  int steps = 0;

  /// Runs to the end. `fail_at`: that step (from 1) is answered with `failure` instead.
  Result<void> run(Conversation& conversation, int fail_at = 0, ErrorCode failure = ErrorCode::retry_later) {
    steps = 0;
    std::optional<Event> event;
    event.emplace(started());
    while (true) {
      auto action = conversation.resume({now, std::move(*event)});
      if (!action) {
        EXPECT_FALSE(action.error().hint.empty()) << "names no fix: " << describe(action.error());
        return std::move(action).error();
      }
      if (std::holds_alternative<Done>(*action)) return {};
      if (++steps > 200) return test_failure(ErrorCode::internal, "no end");
      if (steps == fail_at)
        event.emplace(ActionFailed{test_failure(failure)});
      else
        event.emplace(perform(*action));
    }
  }

  [[nodiscard]] std::vector<std::string> lines() const {
    std::vector<std::string> out;
    for (const auto& request : seen) out.push_back(request.line);
    return out;
  }

 private:
  Event perform(Action& action) {
    if (auto* variable = std::get_if<ReadVariable>(&action)) {
      read.push_back(variable->name);
      const auto found = variables.find(variable->name);
      if (found == variables.end()) return VariableRead{std::nullopt};
      return VariableRead{Secret::copy_of(found->second)};
    }
    if (auto* file = std::get_if<ReadFile>(&action)) {
      read.push_back(file->path);
      const auto found = files.find(file->path);
      if (found == files.end()) return ActionFailed{test_failure(ErrorCode::not_found, file->path)};
      return FileRead{Secret::copy_of(found->second)};
    }
    if (auto* wait = std::get_if<WaitUntil>(&action)) {
      const auto duration = wait->moment - now.mono;
      waited += duration;
      now.mono += duration;
      now.wall += duration;
      return Woken{};
    }
    if (auto* request = std::get_if<HttpRequest>(&action)) return serve(*request);
    return ActionFailed{test_failure(ErrorCode::internal, "an action that Vault needs not")};
  }

  Event serve(const HttpRequest& request) {
    Seen line{request.method + " " + request.url, std::string{request.body.reveal()}, {}, {}, request.ca_file,
              request.plain_http_allowed};
    for (const auto& header : request.headers) {
      if (header.name == "X-Vault-Token") line.token = header.value.reveal();
      if (header.name == "X-Vault-Namespace") line.name_space = header.value.reveal();
    }
    seen.push_back(line);
    const auto path = request.url.substr(request.url.find("/v1/") + 4);
    const auto found = answers.find(request.method + " " + path);
    if (found == answers.end()) return reply(refusal(404, replies::nothing));
    auto answer = found->second.front();
    if (found->second.size() > 1) found->second.pop_front();
    return reply(answer);
  }

  static Event reply(const Answer& answer) {
    HttpReply out;
    out.status = answer.status;
    out.headers = answer.headers;
    out.body = Secret::copy_of(answer.body);
    return out;
  }
};

/// What a person would see of it.
inline std::string shown(const Result<void>& result) {
  return result ? std::string{} : describe(result.error());
}

inline std::unique_ptr<secrets::SourceSession> open_vault(std::string_view text) {
  static const auto source = secrets::vault_source();
  auto reference = secrets::parse_reference(text);
  EXPECT_TRUE(reference) << (reference ? "" : describe(reference.error()));
  auto session = source->open(*reference, {});
  EXPECT_TRUE(session) << (session ? "" : describe(session.error()));
  return std::move(*session);
}

/// A world where `vault:database/creds/app` works with a user's token.
inline VaultWorld database_world() {
  VaultWorld world;
  world.on("GET auth/token/lookup-self", {ok(replies::lookup_self)});
  world.on("GET sys/internal/ui/mounts/database/creds/app", {ok(replies::mount_database)});
  world.on("GET database/creds/app", {ok(replies::creds)});
  world.on("POST sys/capabilities-self", {ok(replies::capabilities)});
  world.on("POST sys/leases/renew", {ok(replies::renewed)});
  world.on("POST sys/leases/revoke", {refusal(204, "")});
  return world;
}

/// The same with AppRole.
inline VaultWorld approle_world() {
  auto world = database_world();
  world.variables = {{"VAULT_ADDR", "https://vault:8200"},
                     {"VAULT_ROLE_ID", "role"},
                     {"VAULT_SECRET_ID", "canary-secret-id"}};
  world.on("POST auth/approle/login", {ok(replies::login), ok(replies::second_login)});
  world.on("POST auth/token/renew-self", {ok(replies::login)});
  world.on("POST auth/token/revoke-self", {refusal(204, "")});
  return world;
}

}  // namespace sallyport
