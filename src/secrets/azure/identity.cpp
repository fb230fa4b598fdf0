// `whoami azure`: a token that every identity may have is asked for, because who we are stands in it.
#include "secrets/azure/azure.h"
#include "secrets/azure/chain.h"

namespace sallyport::secrets {

namespace {

using namespace azure;

/// A person's name, or an application's id with what else is known of it.
std::string shown(const Claims& claims) {
  if (!claims.user.empty() && !claims.is_application) return claims.user;
  if (claims.application_id.empty()) return {};
  std::string out = "client id " + claims.application_id;
  if (!claims.application_name.empty()) out = claims.application_name + ", " + out;
  const auto name = claims.resource_id.rfind('/');
  if (name != std::string::npos) out = claims.resource_id.substr(name + 1) + ", " + out;
  return out;
}

class AzureIdentity final : public IdentityConversation {
 public:
  AzureIdentity() : run_({[this](Inquiry& ask) { return find(ask); }}, "azure") {}

  Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }
  WhoAmI take() override { return std::move(who_); }

 private:
  Result<Then> find(Inquiry& ask) {
    Choice choice;
    choice.where = "azure";
    const auto settings = read_settings(ask, choice);
    WhoAmI who;
    who.cloud = "azure";
    if (!settings) {
      who.tried.push_back({"configuration", settings.error().where + " " + settings.error().what});
      who.fix = settings.error().hint;
      who_ = std::move(who);
      return Then::next_step;
    }
    Search search;
    search.patient = false;
    const auto scope = "https://" + std::string{settings->cloud->management} + "/.default";
    const auto token = find_token(ask, *settings, scope, search);
    who.tried = std::move(search.tried);
    if (search.ended_by) who.tried.push_back(*search.ended_by);
    if (token) {
      who.provider = token->provider_name;
      who.identity = shown(claims_of(token->value));
      who.expires = token->expires;
    } else {
      who.fix = token.error().hint;
    }
    who_ = std::move(who);
    return Then::next_step;
  }

  WhoAmI who_;
  InquiryRun run_;
};

}  // namespace

std::unique_ptr<IdentityConversation> azure_identity() { return std::make_unique<AzureIdentity>(); }

}  // namespace sallyport::secrets
