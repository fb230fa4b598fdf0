// What surrounds a source in the contract suite: a machine and a manager in memory, told by tables, and a run of one
// conversation in which each answer can be replaced on its way. It knows no source by name.
#pragma once

#include "base/conversation.h"
#include "base/limits.h"
#include "crypto/rsa.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::contract {

/// In everything that is secret in these worlds; in no text that a person sees.
inline constexpr std::string_view canary = "canary";

inline Error outside_failure(ErrorCode code) { return {code, Hop::tcp, "outside", "made to fail", {}, {}}; }

struct Answer {
  int status = 200;
  std::string_view body;
  std::vector<std::pair<std::string, std::string>> headers = {};  ///< names in lower case
};

/// Answers honestly. What a table does not have is not there.
struct SourceWorld {
  std::map<std::string, std::string, std::less<>> variables;
  std::map<std::string, std::string, std::less<>> files;
  std::map<std::string, std::string, std::less<>> programs;          ///< by argv[0]: what it prints
  std::map<std::string, std::vector<std::string>, std::less<>> txt;  ///< by name
  std::map<std::string, Answer, std::less<>> http;                   ///< by "METHOD URL"
  std::map<std::string, Answer, std::less<>> challenges;  ///< likewise, when there is no Authorization

  Moment now{WallTime{std::chrono::seconds{1'800'000'000}}, MonotonicTime{std::chrono::seconds{1'000}}};

  void pass(Duration duration) { now = {now.wall + duration, now.mono + duration}; }

  Event answer(const Action& action) {
    return std::visit([this](const auto& request) { return serve(request); }, action);
  }

 private:
  Event serve(const ReadVariable& request) {
    const auto found = variables.find(request.name);
    if (found == variables.end()) return VariableRead{std::nullopt};
    return VariableRead{Secret::copy_of(found->second)};
  }

  Event serve(const ReadFile& request) {
    const auto found = files.find(request.path);
    if (found == files.end()) return ActionFailed{outside_failure(ErrorCode::not_found)};
    return FileRead{Secret::copy_of(found->second)};
  }

  Event serve(const RunProgram& request) {
    const auto found = programs.find(request.argv.front());
    if (found == programs.end()) return ActionFailed{outside_failure(ErrorCode::not_found)};
    return ProgramEnded{0, Secret::copy_of(found->second)};
  }

  Event serve(const HttpRequest& request) {
    const auto line = request.method + " " + request.url;
    const bool authorised =
        std::any_of(request.headers.begin(), request.headers.end(),
                    [](const HttpHeader& header) { return header.name == "Authorization"; });
    const auto& table = !authorised && challenges.contains(line) ? challenges : http;
    const auto found = table.find(line);
    HttpReply reply;
    reply.status = found == table.end() ? 404 : found->second.status;
    if (found == table.end()) return reply;
    reply.body = Secret::copy_of(found->second.body);
    reply.headers = found->second.headers;
    return reply;
  }

  Event serve(const LookupTxt& request) {
    const auto found = txt.find(request.name);
    if (found == txt.end()) return ActionFailed{outside_failure(ErrorCode::not_found)};
    return TxtFound{found->second};
  }

  Event serve(const WaitUntil& request) {
    pass(request.moment - now.mono);
    return Woken{};
  }

  Event serve(const ComputeRsaKey&) {
    static const auto key = crypto::new_rsa_key();  // slow, and any key will do
    return Computed{key->clone()};
  }

  template <class Other>
  Event serve(const Other&) {
    return ActionFailed{outside_failure(ErrorCode::internal)};
  }
};

/// One request as a line: "variable NAME", "file PATH", "program PATH", "txt NAME", "GET URL", "key", "wait". Empty: no request that a
/// source may make, because sources have no connection of their own.
inline std::string line_of(const Action& action) {
  if (const auto* variable = std::get_if<ReadVariable>(&action)) return "variable " + variable->name;
  if (const auto* file = std::get_if<ReadFile>(&action)) return "file " + file->path;
  if (const auto* program = std::get_if<RunProgram>(&action)) return "program " + program->argv.front();
  if (const auto* look_up = std::get_if<LookupTxt>(&action)) return "txt " + look_up->name;
  if (const auto* http = std::get_if<HttpRequest>(&action)) return http->method + " " + http->url;
  if (std::holds_alternative<ComputeRsaKey>(action)) return "key";
  return std::holds_alternative<WaitUntil>(action) ? "wait" : "";
}

/// Every request is bounded: in bytes, in time, and in where a secret may go.
inline void expect_bounded(const Action& action, const Moment& now) {
  if (const auto* file = std::get_if<ReadFile>(&action)) {
    EXPECT_TRUE(file->path.starts_with('/')) << file->path;
    EXPECT_LE(file->bytes_max, limits::secret_reply_bytes_max);  // a file of settings may be long
  }
  if (const auto* program = std::get_if<RunProgram>(&action)) {
    EXPECT_TRUE(program->argv.front().starts_with('/'));
    EXPECT_GT(program->deadline, Duration::zero());
    EXPECT_LE(program->deadline, Duration{limits::program_deadline});
    EXPECT_LE(program->output_bytes_max, limits::secret_bytes_max);
  }
  if (const auto* http = std::get_if<HttpRequest>(&action)) {
    EXPECT_TRUE(http->url.starts_with("https://") || http->plain_http_allowed) << http->url;
    EXPECT_EQ(http->url.find(canary), std::string::npos) << "URLs end up in logs";
    EXPECT_GT(http->deadline, Duration::zero());
    EXPECT_LE(http->deadline, Duration{limits::http_deadline});
  }
  if (const auto* look_up = std::get_if<LookupTxt>(&action)) {
    EXPECT_EQ(look_up->name.find(canary), std::string::npos) << "names are asked for in clear";
    EXPECT_LE(look_up->name.size(), 253U);
    EXPECT_GT(look_up->deadline, Duration::zero());
    EXPECT_LE(look_up->deadline, Duration{limits::http_deadline});
  }
  if (const auto* wait = std::get_if<WaitUntil>(&action)) {
    EXPECT_GE(wait->moment, now.mono);
    EXPECT_LE(wait->moment - now.mono, std::chrono::minutes{2});
  }
}

/// What happened in one run. `steps` are the requests in their order.
struct Course {
  Result<void> end;
  std::vector<std::string> steps;
};

/// Replaces the honest answer to the request of this number (from 0).
using Tamper = std::function<Event(std::size_t step, const std::string& line, Event honest)>;

inline Event leave(std::size_t, const std::string&, Event honest) { return honest; }

inline constexpr std::size_t steps_max = 200;

/// Runs to the end, or until as many requests as `stop_after` were made: then the caller lets the conversation go.
inline Course run(SourceWorld& world, Conversation& conversation, const Tamper& tamper = leave,
                  std::size_t stop_after = steps_max) {
  Course out;
  std::optional<Event> event;
  Started started;
  started.random.fill(0x80);
  event.emplace(started);
  while (true) {
    auto action = conversation.resume({world.now, std::move(*event)});
    if (!action) {
      out.end = std::move(action).error();
      return out;
    }
    if (std::holds_alternative<Done>(*action)) return out;
    auto line = line_of(*action);
    EXPECT_FALSE(line.empty()) << "an action of index " << action->index() << ", which is no source's";
    expect_bounded(*action, world.now);
    const auto step = out.steps.size();
    out.steps.push_back(line);
    if (out.steps.size() >= stop_after) {
      EXPECT_LT(out.steps.size(), steps_max) << "no end";
      return out;
    }
    event.emplace(tamper(step, line, world.answer(*action)));
  }
}

}  // namespace sallyport::contract
