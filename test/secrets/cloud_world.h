// A cloud in memory: variables, files and programs from tables, HTTP from a function, and a record of all that was asked.
#pragma once

#include "crypto/rsa.h"
#include "secrets/source.h"
#include "test/secrets/script.h"

#include <functional>
#include <map>
#include <string>
#include <vector>

namespace sallyport {

/// One HTTP request as it was made.
struct Asked {
  std::string line;                            ///< "GET https://host/path?query"
  std::map<std::string, std::string> headers;  ///< names in lower case
  std::string body;
  HttpRequest* request = nullptr;

  [[nodiscard]] std::string header(const std::string& name) const {
    const auto found = headers.find(name);
    return found == headers.end() ? "" : found->second;
  }
};

struct Told {
  int status = 200;  ///< 0: no whole reply within the deadline
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
};

class CloudWorld {
 public:
  std::map<std::string, std::string> variables;
  std::map<std::string, std::string> files;
  std::map<std::string, std::string> programs;  ///< by all of argv with spaces: what it prints
  /// By the beginning of "METHOD URL"; the longest that matches answers. What nobody answers is a refused connection.
  std::map<std::string, std::function<Told(const Asked&)>> http;

  std::map<std::string, std::vector<std::string>> txt;  ///< by name; what is not here is no name
  std::optional<ErrorCode> name_servers;                ///< fail with this

  std::vector<Asked> asked;
  std::vector<std::string> read;  ///< "variable X", "file /x", "program …", "txt x", in order
  std::map<std::string, std::vector<FileTrust>> trusted;  ///< by path: what each reading demanded
  Duration waited{};
  Moment now = test_moment();

  void on(const std::string& beginning, Told told) {
    http[beginning] = [told](const Asked&) { return told; };
  }

  Result<void> run(Conversation& conversation) {
    std::optional<Event> event{started()};
    for (int steps = 0; steps < 500; ++steps) {
      auto action = conversation.resume({now, std::move(*event)});
      if (!action) {
        EXPECT_FALSE(action.error().hint.empty()) << "names no fix: " << describe(action.error());
        return std::move(action).error();
      }
      if (std::holds_alternative<Done>(*action)) return {};
      event.emplace(std::visit([this](auto& wanted) { return serve(wanted); }, *action));
    }
    return test_failure(ErrorCode::internal, "no end");
  }

  /// A fetch of this session, to its end.
  Result<secrets::Fetched> fetch(secrets::SourceSession& session) {
    auto conversation = session.fetch();
    if (auto done = run(*conversation); !done) return std::move(done).error();
    return conversation->take();
  }

  /// How many requests began so.
  [[nodiscard]] int count(const std::string& beginning) const {
    int found = 0;
    for (const auto& one : asked) found += one.line.starts_with(beginning) ? 1 : 0;
    return found;
  }

 private:
  Event serve(ReadVariable& wanted) {
    read.push_back("variable " + wanted.name);
    const auto found = variables.find(wanted.name);
    if (found == variables.end()) return VariableRead{std::nullopt};
    return VariableRead{Secret::copy_of(found->second)};
  }

  Event serve(ReadFile& wanted) {
    read.push_back("file " + wanted.path);
    trusted[wanted.path].push_back(wanted.trust);
    const auto found = files.find(wanted.path);
    if (found == files.end()) return ActionFailed{test_failure(ErrorCode::not_found, wanted.path)};
    return FileRead{Secret::copy_of(found->second)};
  }

  Event serve(RunProgram& wanted) {
    std::string line;
    for (const auto& word : wanted.argv) line += (line.empty() ? "" : " ") + word;
    read.push_back("program " + line);
    const auto found = programs.find(line);
    if (found == programs.end())
      return ActionFailed{test_failure(ErrorCode::bad_config, wanted.argv.front())};
    return ProgramEnded{0, Secret::copy_of(found->second)};
  }

  Event serve(HttpRequest& wanted) {
    Asked one{wanted.method + " " + wanted.url, {}, std::string{wanted.body.reveal()}, &wanted};
    for (const auto& header : wanted.headers) {
      std::string name = header.name;
      for (auto& c : name) c = static_cast<char>(c >= 'A' && c <= 'Z' ? c + 32 : c);
      one.headers[name] = header.value.reveal();
    }
    asked.push_back(one);
    const std::function<Told(const Asked&)>* best = nullptr;
    std::size_t length = 0;
    for (const auto& [beginning, answer] : http) {
      if (!one.line.starts_with(beginning) || beginning.size() < length) continue;
      best = &answer;
      length = beginning.size();
    }
    if (best == nullptr) return ActionFailed{test_failure(ErrorCode::retry_later, "refused, not sent")};
    auto told = (*best)(one);
    if (told.status == 0) return ActionFailed{test_failure(ErrorCode::timed_out, "slow")};
    HttpReply reply;
    reply.status = told.status;
    reply.headers = told.headers;
    reply.body = Secret::copy_of(told.body);
    return reply;
  }

  Event serve(LookupTxt& wanted) {
    read.push_back("txt " + wanted.name);
    const auto found = txt.find(wanted.name);
    if (name_servers) return ActionFailed{{*name_servers, Hop::dns, wanted.name, "made to fail", {}, {}}};
    if (found == txt.end())
      return ActionFailed{{ErrorCode::not_found, Hop::dns, wanted.name, "there is no such name", {}, {}}};
    return TxtFound{found->second};
  }

  Event serve(WaitUntil& wanted) {
    const Duration pause = wanted.moment - now.mono;
    waited += pause;
    now = {now.wall + std::chrono::duration_cast<WallTime::duration>(pause), wanted.moment};
    return Woken{};
  }

  Event serve(ComputeRsaKey&) {
    static const auto key = crypto::new_rsa_key();
    return Computed{key->clone()};
  }

  template <class Other>
  Event serve(Other&) {
    return ActionFailed{test_failure(ErrorCode::internal, "not a source's")};
  }
};

}  // namespace sallyport
