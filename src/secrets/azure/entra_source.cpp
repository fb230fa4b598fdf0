// `azure-entra:`. The token is the password, sent in clear inside verified TLS, and checked only at login. Each fetch asks for a
// new one: a session of our own that kept it would hand out the old one when the slot, ahead of its end or after a refusal,
// asks for its successor.
//
// The user is the role's own, or the person whom the token names. An application's token does not hold the name that the
// database knows it by, and a guess would be an attempt to log in as somebody else.
#include "secrets/attributes.h"
#include "secrets/azure/azure.h"
#include "secrets/azure/endpoint.h"
#include "secrets/azure/vault.h"
#include "secrets/fetching_session.h"

#include <algorithm>

namespace sallyport::secrets {

namespace {

using namespace azure;

const std::string where = "azure-entra:";
constexpr auto own_attributes = combined(combined(identity_attributes, certificate_attributes),
                                         std::to_array<Attribute>({{"scope", Effect::names_receiver}}));

struct EntraState {
  Choice choice;
  std::string scope;  ///< empty: of the databases of the cloud
  std::string user;
  bool for_login = false;  ///< there is a server to log in to: a user is needed
  TokenCache cache;
};

/// "https://ossrdbms-aad.database.windows.net" too; the suffix is then added.
Result<std::string> scope_of(const Reference& reference) {
  auto text = attribute_of(reference, "scope");
  if (text.empty()) return text;
  const auto endpoint = parse_endpoint(text);
  if (!endpoint || !endpoint->https) {
    return wrong_attribute("scope", "no scope of a resource",
                           "Write for example scope=https://ossrdbms-aad.database.windows.net/.default");
  }
  while (text.ends_with('/')) text.pop_back();
  return text.ends_with("/.default") ? text : text + "/.default";
}

Result<std::string> user_of(const EntraState& state, const Claims& claims) {
  if (!state.user.empty()) return state.user;
  // A guest's is no name of the tenant's: the database has another one for it.
  const bool person = !claims.is_application && claims.user.find('#') == std::string::npos;
  if (person && claims.user.size() <= user_bytes_max) return claims.user;
  if (!state.for_login) return std::string{};
  const auto known = claims.application_id.empty()
                         ? std::string{"somebody whom it does not name"}
                         : "the application with client id " + claims.application_id;
  return Error{ErrorCode::bad_config,
               Hop::secret_source,
               where,
               "the database's user is missing: the token is of " + known,
               "Add user=NAME, the name that pgaadauth_create_principal (MySQL: CREATE AADUSER) was given; "
               "PostgreSQL lists them: SELECT * FROM pgaadauth_list_principals(false)",
               {}};
}

Result<Then> give_token(EntraState& state, Fetched& yield) {
  const auto& token = state.cache.token();
  auto user = user_of(state, claims_of(token.value));
  if (!user) return std::move(user).error();
  yield.credential.user = std::move(*user);
  yield.credential.secret = token.value.clone();
  yield.credential.kind = CredentialKind::token;
  yield.credential.expires = token.expires;
  if (token.refresh_at) yield.refetch_after = *token.refresh_at - token.received;
  yield.origin = token.origin + ", as " + token.provider_name;
  return Then::next_step;
}

class EntraSession final : public FetchingSession {
 public:
  explicit EntraSession(EntraState state)
      : FetchingSession([this] { return start(); }), state_(std::move(state)) {}

 private:
  std::unique_ptr<FetchConversation> start() {
    return std::make_unique<InquiryFetch>(
        std::vector<InquiryFetch::Step>{
            [this](Inquiry& ask, Fetched&) -> Result<Then> {
              auto scope = state_.scope;
              if (scope.empty()) {
                auto settings = read_settings(ask, state_.choice);
                if (!settings) return std::move(settings).error();
                scope = database_scope(*settings->cloud);
              }
              return state_.cache.refresh(ask, state_.choice, scope, TokenCache::Want::newest);
            },
            [this](Inquiry&, Fetched& out) { return give_token(state_, out); },
        },
        where);
  }

  EntraState state_;
};

class EntraSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "azure-entra"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return identity_authority(); }
  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    return identity_authority_for(reference);
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference,
                                              const Purpose& purpose) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    if (!reference.field.empty()) {
      return Error{ErrorCode::bad_config, Hop::reference, where, "a token has no field", "Leave #… out", {}};
    }
    auto choice = choice_of(reference, where);
    if (!choice) return std::move(choice).error();
    auto scope = scope_of(reference);
    if (!scope) return std::move(scope).error();
    for (const auto& host : purpose.hosts) {
      if (choice->cloud == nullptr) choice->cloud = cloud_of_host(host.host);
    }
    return std::make_unique<EntraSession>(
        EntraState{std::move(*choice), std::move(*scope), purpose.user, !purpose.hosts.empty(), {}});
  }
};

}  // namespace

std::unique_ptr<Source> azure_entra_source() { return std::make_unique<EntraSource>(); }

namespace azure {

/// Arc's keys have new names each time: one stands for its directory.
Authority identity_authority() {
  return {
      {"AZURE_CLIENT_SECRET", "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_CLIENT_CERTIFICATE_PASSWORD",
       "AZURE_FEDERATED_TOKEN_FILE", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "MSI_SECRET"},
      {"$AZURE_CLIENT_CERTIFICATE_PATH", "$AZURE_FEDERATED_TOKEN_FILE", "/var/opt/azcmagent/tokens/any.key"},
      {"$REQUESTS_CA_BUNDLE"}};
}

Authority identity_authority_for(const Reference& reference) {
  auto out = identity_authority();
  if (auto file = attribute_of(reference, "ca_file"); !file.empty())
    out.public_files.push_back(std::move(file));
  return out;
}

}  // namespace azure

}  // namespace sallyport::secrets
