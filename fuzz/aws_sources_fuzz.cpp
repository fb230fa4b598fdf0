// Secrets Manager, Parameter Store and RDS tokens, with keys that are there and services that say anything.
// Drives InquiryFetch, RdsSession, SecretsManagerSession, ParameterSession.
//
// The first byte chooses the reference; the second is a turn's kind: a fetch, a refusal and a fetch, the pending version. Then
// comes a list of answers to requests: one byte says what happens (a status from a table, or a failed action), two bytes a
// length, then that many bytes of text; `$` in front of a text stands for a whole secret. When the list runs out requests fail.
// An ARN is parsed out of the same bytes. Neither the secret key nor the secret may come back in a text.
#include "fuzz/source_world.h"
#include "secrets/aws/arn.h"
#include "secrets/aws/aws.h"

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>

namespace {

using namespace sallyport;
using fuzz::canary;
using fuzz::check_text;

constexpr std::string_view whole =
    R"({"VersionId":"v1","SecretString":"canary-k7Qz2pXv","Parameter":{"Value":"canary-k7Qz2pXv","Version":1},"x":)";

class World final : public fuzz::SourceWorld {
 public:
  explicit World(fuzz::Answers& answers) : SourceWorld(answers, {.text_bytes_max = 12'000}) {}

 private:
  Event answer(Action& action) override {
    if (const auto* variable = std::get_if<ReadVariable>(&action)) {
      if (variable->name == "AWS_ACCESS_KEY_ID")
        return VariableRead{Secret::copy_of(std::string_view{"AKIDEXAMPLE"})};
      if (variable->name == "AWS_SECRET_ACCESS_KEY") return VariableRead{Secret::copy_of(canary)};
      if (variable->name == "AWS_REGION") return VariableRead{Secret::copy_of(std::string_view{"eu-west-1"})};
      return VariableRead{std::nullopt};
    }
    if (const auto* request = std::get_if<HttpRequest>(&action)) return reply_to(*request);
    std::abort();
  }

  Event reply_to(const HttpRequest& request) {
    static constexpr int statuses[] = {200, 200, 200, 400, 400, 403, 404, 429, 500, 503, 301, 0};
    const std::string_view url = request.url;
    if (!url.starts_with("https://secretsmanager.eu-west-1.amazonaws.com/") &&
        !url.starts_with("https://ssm.eu-west-1.amazonaws.com/"))
      std::abort();
    if (request.plain_http_allowed) std::abort();
    const auto kind = answers_.byte();
    if (kind >= 0xF0) return ActionFailed{{ErrorCode::timed_out, Hop::tcp, "x", "x", {}, {}}};
    HttpReply reply;
    reply.status = statuses[kind % std::size(statuses)];
    const auto body = text();
    if (body.starts_with('@')) {
      for (const auto* name : {"location", "retry-after", "date", "x-amzn-errortype"})
        reply.headers.emplace_back(name, body.substr(1));
    }
    reply.body = Secret::copy_of(body);
    return reply;
  }

  std::string text() {
    std::string out{answers_.text()};
    if (out.starts_with('$')) out.replace(0, 1, whole);
    return out;
  }
};

void check_fetched(const secrets::Fetched& fetched) {
  if (fetched.credential.secret.empty()) std::abort();
  check_text(fetched.credential.version + fetched.origin);
  for (const auto& field : fetched.ignored_fields) check_text(field);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::unique_ptr<secrets::Source> sources[] = {
      secrets::aws_secrets_manager_source(), secrets::aws_parameter_source(), secrets::aws_rds_source()};
  static const char* const references[] = {"aws-sm:prod/db",
                                           "aws-ssm:/prod/db:3",
                                           "aws-rds-iam:",
                                           "aws-sm:prod/db#password?stage=OLD",
                                           "aws-ssm:/prod/db#a.b?shape=password",
                                           "aws-rds-iam:?region=us-east-1",
                                           "aws-sm:arn:aws:secretsmanager:eu-west-1:1:secret:x?version=1"};
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  (void)secrets::aws::parse_arn(text, "ssm", "aws-ssm:");
  (void)secrets::aws::parse_arn("arn:aws:ssm:" + std::string{text}, "ssm", "aws-ssm:");
  fuzz::Answers answers{{data, size}};
  World world{answers};
  const auto choice = answers.byte() % std::size(references);
  const auto reference = *secrets::parse_reference(references[choice]);
  const secrets::Purpose purpose{"postgresql", {{"db.c1.eu-west-1.rds.amazonaws.com", 5432}}, "app"};
  const auto session = *sources[choice % std::size(sources) * (choice != 6)]->open(reference, purpose);
  for (int turn = 0; turn < 6 && !answers.over(); ++turn) {
    const auto kind = answers.byte() % 3;
    if (kind == 1) session->on_refused();
    auto fetch = kind == 2 ? session->fetch_pending() : session->fetch();
    if (fetch == nullptr) continue;
    if (world.run(*fetch)) check_fetched(fetch->take());
    for (const auto& warning : session->warnings()) check_text(warning);
  }
  return 0;
}
