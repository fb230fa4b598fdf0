// AWS' chain of providers, driven with any answers: variables, profile files, tokens, replies of the metadata service, of
// containers, SSO and STS, programs' output. No request may leave for an address that none of them allows.
// Drives AwsIdentity, InquiryFetch.
//
// The first byte chooses: even, whoami; odd, a session's cache over several uses. Then comes a list of answers: one byte
// says what happens, two bytes a length, then that many bytes of text. When the list runs out the driver fails.
#include "base/limits.h"
#include "fuzz/source_world.h"
#include "secrets/aws/chain.h"
#include "secrets/aws/identity.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;
using Script = fuzz::Answers;

constexpr int steps_max = 400;

/// Plain http goes to this machine or link and nowhere else, and a program has its path.
void check_request(const Action& action) {
  if (const auto* http = std::get_if<HttpRequest>(&action)) {
    if (http->url.starts_with("https://")) return;
    if (!http->plain_http_allowed || !http->url.starts_with("http://")) std::abort();
    const auto host = http->url.substr(7);
    for (const auto* start : {"127.", "169.254.", "[fd00:ec2::", "[::1]", "localhost"}) {
      if (host.starts_with(start)) return;
    }
    std::abort();
  }
  if (const auto* program = std::get_if<RunProgram>(&action)) {
    if (program->argv.empty() || !program->argv[0].starts_with('/')) std::abort();
  }
}

Event answer_to(const Action& action, Script& script) {
  const auto kind = script.byte();
  if (std::holds_alternative<WaitUntil>(action)) return Woken{};
  if (kind >= 0xF0) {
    const auto code = static_cast<ErrorCode>(kind % static_cast<int>(ErrorCode::internal));
    return ActionFailed{{code, Hop::none, "x", "x", {}, {}}};
  }
  if (std::holds_alternative<ReadVariable>(action) && kind % 2 == 0) return VariableRead{std::nullopt};
  auto text = Secret::copy_of(script.text());
  if (std::holds_alternative<ReadVariable>(action)) return VariableRead{std::move(text)};
  if (std::holds_alternative<ReadFile>(action)) return FileRead{std::move(text)};
  if (std::holds_alternative<RunProgram>(action)) return ProgramEnded{kind % 8 == 7 ? 1 : 0, std::move(text)};
  static constexpr int statuses[] = {200, 200, 200, 200, 302, 400, 401, 403, 404, 405, 429, 500, 503};
  HttpReply reply{statuses[kind % std::size(statuses)], {}, std::move(text)};
  if (kind % 16 == 15) reply.headers.emplace_back("date", "Fri, 15 Jan 2027 08:10:00 GMT");
  return reply;
}

void check_error(const Error& error) {
  if (error.code == ErrorCode::internal || error.where.empty()) std::abort();
  if (describe(error).size() > 40'000) std::abort();
}

/// False: an error.
bool run(Conversation& conversation, Script& script, Moment now) {
  auto action = conversation.resume({now, Started{}});
  for (int step = 0; step < steps_max; ++step) {
    if (!action) {
      check_error(action.error());
      return false;
    }
    if (std::holds_alternative<Done>(*action)) return true;
    check_request(*action);
    action = conversation.resume({now, answer_to(*action, script)});
  }
  std::abort();
}

void whoami(Script& script, Moment now) {
  const auto conversation = secrets::aws::aws_identity();
  if (!run(*conversation, script, now)) return;
  const auto who = conversation->take();
  if (who.provider.empty() && who.tried.empty()) std::abort();
}

void session(Script& script, Moment now) {
  secrets::aws::KeyCache cache;
  for (int use = 0; use < 3 && !script.over(); ++use) {
    secrets::InquiryFetch fetch{{[&](secrets::Inquiry& ask, secrets::Fetched&) {
                                  return cache.refresh(ask, {use == 1 ? "app" : "", "", "", "aws-sm:x"});
                                }},
                                "aws-sm:x"};
    if (run(fetch, script, now) && cache.keys().access_key_id.empty()) std::abort();
    now.wall += std::chrono::hours{script.byte() % 4};
    if (script.byte() % 4 == 0) cache.drop();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Script script{{data, size}};
  const Moment now{WallTime{std::chrono::seconds{1'800'000'000}}, {}};
  if (script.byte() % 2 == 0) {
    whoami(script, now);
  } else {
    session(script, now);
  }
  return 0;
}
