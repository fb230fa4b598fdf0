#include "secrets/aws/identity.h"

#include "secrets/aws/sts.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace sallyport::secrets::aws {

namespace {

struct State {
  WhoAmI who;
};

/// An error's text without its place, which is the line's own beginning.
std::string text_of(Error error) {
  error.where.clear();
  error.hint.clear();
  error.hop = Hop::none;
  return describe(error);
}

/// These keys work nowhere. A policy that denies the question (AccessDenied) says nothing about them, nor does a clock.
bool is_refusal_of_keys(const Error& error, const std::string& code) {
  if (error.code != ErrorCode::denied) return false;
  constexpr std::array<std::string_view, 5> codes{"SignatureDoesNotMatch", "InvalidClientTokenId",
                                                  "UnrecognizedClientException", "ExpiredToken",
                                                  "ExpiredTokenException"};
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

Result<Then> find(Inquiry& ask, State& state) {
  auto settings = read_settings(ask, {"", "", "", "aws"});
  Search search;
  auto keys = settings ? find_keys(ask, *settings, search) : Result<Keys>{settings.error()};
  WhoAmI who;
  who.cloud = "aws";
  who.tried = std::move(search.tried);
  if (!keys) {
    if (!settings) who.tried.push_back({"configuration", text_of(keys.error())});
    if (search.ended_by) who.tried.push_back(*search.ended_by);
    who.fix = keys.error().hint;
    state.who = std::move(who);
    return Then::next_step;
  }
  who.provider = keys->provider;
  who.expires = keys->expires;
  auto arn = caller_identity(ask, *settings, search, *keys);
  if (arn) {
    who.identity = std::move(*arn);
  } else {
    who.refused = is_refusal_of_keys(arn.error(), search.refused_with);
    const auto* meaning = who.refused ? "the keys are refused: " : "the identity's name is not known: ";
    who.tried.push_back({"STS", meaning + text_of(arn.error())});
    who.fix = arn.error().hint;
  }
  state.who = std::move(who);
  return Then::next_step;
}

class AwsIdentity final : public IdentityConversation {
 public:
  AwsIdentity() : run_({[this](Inquiry& ask) { return find(ask, state_); }}, "aws") {}

  Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }
  WhoAmI take() override { return std::move(state_.who); }

 private:
  State state_;
  InquiryRun run_;
};

}  // namespace

std::unique_ptr<IdentityConversation> aws_identity() { return std::make_unique<AwsIdentity>(); }

}  // namespace sallyport::secrets::aws
