// Whose the credentials are: the e-mail address that Cloud SQL knows a user by, and the universe that they are of.
#include "secrets/gcp/gcp.h"
#include "secrets/gcp/metadata.h"
#include "secrets/gcp/token.h"

#include <algorithm>

namespace sallyport::secrets {

namespace gcp {

namespace {

bool is_email(std::string_view text) {
  const bool plain = std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::string_view{"@.-_+:"}.find(c) != std::string_view::npos;
  });
  return plain && text.size() <= 255 && text.find('@') != std::string_view::npos;
}

std::string email_of(JsonView file) {
  const auto impersonation = file["service_account_impersonation_url"].text();
  if (!impersonation.empty()) return email_of_impersonation(impersonation);
  const auto kind = kind_of(file);
  const auto email = kind == AccountKind::service_account   ? file["client_email"].text()
                     : kind == AccountKind::authorized_user ? file["account"].text()
                                                            : std::string_view{};
  return is_email(email) ? std::string{email} : std::string{};
}

bool is_person(JsonView file) {
  if (file["service_account_impersonation_url"].present()) return false;
  const auto kind = kind_of(file);
  return kind == AccountKind::authorized_user || kind == AccountKind::external_account_authorized_user ||
         file["audience"].text().find("/workforcePools/") != std::string_view::npos;
}

}  // namespace

std::string email_of_impersonation(std::string_view url) {
  const auto end = url.find(":generateAccessToken");
  const auto begin = url.substr(0, end).rfind('/');
  if (end == std::string_view::npos || begin == std::string_view::npos) return {};
  const auto email = url.substr(begin + 1, end - begin - 1);
  return is_email(email) ? std::string{email} : std::string{};
}

Result<std::string> universe_of(const Context& context, JsonView file, const std::string& path) {
  const auto said = file["universe_domain"];
  if (!said.present() || (said.kind() == JsonView::Kind::string && said.text().empty()))
    return std::string{default_universe};
  if (!is_domain(said.text())) {
    return fault(context, ErrorCode::bad_config, "universe_domain of " + path + " is no domain",
                 "It is googleapis.com, or what the provider of that cloud says");
  }
  return std::string{said.text()};
}

Result<Identity> identity_of(Inquiry& ask, const Context& context, const Account& account) {
  Identity out;
  out.provider = account.provider;
  auto wanted = ask.text("GOOGLE_CLOUD_UNIVERSE_DOMAIN");
  if (!wanted) return std::move(wanted).error();
  auto quota = ask.text("GOOGLE_CLOUD_QUOTA_PROJECT");
  if (!quota) return std::move(quota).error();
  if (account.file) {
    const auto file = account.file->root();
    auto universe = universe_of(context, file, account.path);
    if (!universe) return std::move(universe).error();
    out.universe = *universe;
    out.email = email_of(file);
    out.is_person = is_person(file);
    out.provider += " (" + shown_code(file["type"].text()) + ")";
    out.quota_project = quota->empty() ? shown_code(file["quota_project_id"].text()) : shown_code(*quota);
  } else {
    auto email = metadata_email(ask, context, account.metadata_root);
    if (!email) return std::move(email).error();
    auto universe = metadata_universe(ask, context, account.metadata_root);
    if (!universe) return std::move(universe).error();
    out.email = is_email(*email) ? *email : std::string{};
    out.universe = *universe;
    out.quota_project = shown_code(*quota);
  }
  if (!wanted->empty() && *wanted != out.universe) {
    return fault(
        context, ErrorCode::bad_config,
        "GOOGLE_CLOUD_UNIVERSE_DOMAIN names another universe than the credentials (" + out.universe + ")",
        "Correct the variable, or use credentials of that universe");
  }
  return out;
}

}  // namespace gcp

namespace {

class IdentitySearch final : public IdentityConversation {
 public:
  IdentitySearch() : run_({[who = who_](Inquiry& ask) { return search(ask, *who); }}, "gcp") {}

  Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }
  WhoAmI take() override { return std::move(*who_); }

 private:
  static Result<Then> search(Inquiry& ask, WhoAmI& who) {
    const gcp::Context context{"gcp", {}};
    WhoAmI found;
    found.cloud = "gcp";
    auto account = gcp::find_account(ask, context, found.tried);
    auto identity =
        account ? gcp::identity_of(ask, context, *account) : Result<gcp::Identity>{account.error()};
    if (identity) {
      found.provider = identity->provider;
      found.identity = identity->email;
    } else {
      const auto& error = identity.error();
      // Nobody at all is in `tried` already; what is configured and cannot be used is not.
      if (error.hint != gcp::no_identity_fix) {
        const bool one = account && !account->provider.empty();
        found.tried.push_back({one ? account->provider : "application default credentials", error.what});
      }
      found.fix = error.hint;
    }
    who = std::move(found);
    return Then::next_step;
  }

  std::shared_ptr<WhoAmI> who_ = std::make_shared<WhoAmI>();
  InquiryRun run_;
};

}  // namespace

std::unique_ptr<IdentityConversation> gcp_identity() { return std::make_unique<IdentitySearch>(); }

}  // namespace sallyport::secrets
