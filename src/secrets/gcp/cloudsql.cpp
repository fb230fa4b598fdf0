// `gcp-cloudsql-iam:`. Without an instance: the identity's token is the password, over TLS to the target's own host. With
// one, the connector's way (connector.h): the cloud says where the server is and whom to believe, and gives a client
// certificate that the token is in.
#include "secrets/fetching_session.h"
#include "secrets/gcp/connector.h"
#include "secrets/gcp/database_user.h"
#include "secrets/gcp/gcp.h"
#include "secrets/gcp/service.h"

namespace sallyport::secrets {

namespace gcp {

namespace {

constexpr auto own_attributes =
    combined(combined(identity_attributes, certificate_attributes),
             std::to_array<Attribute>({{"instance", Effect::selects}, {"ip_type", Effect::selects}}));

struct Direct {
  Context context;
  std::string user;
  std::string engine;
  TokenCache tokens{sql_login_scope};
};

Result<Then> log_in_with(Direct& state, Fetched& out) {
  auto user = login_user(state.context, state.tokens.identity(), state.user, state.engine);
  if (!user) return std::move(user).error();
  out.credential.user = std::move(*user);
  out.credential.kind = CredentialKind::token;
  out.credential.secret = state.tokens.token().value.clone();
  out.credential.expires = state.tokens.token().expires;
  out.origin = state.tokens.identity().provider;
  return Then::next_step;
}

std::unique_ptr<SourceSession> direct_session(Context context, const Purpose& purpose) {
  auto state = std::make_shared<Direct>(Direct{std::move(context), purpose.user, purpose.engine});
  return std::make_unique<FetchingSession>([state] {
    state->tokens.drop();  // a fetch wants a new one; who asks keeps the old one while it is valid
    return std::make_unique<InquiryFetch>(
        std::vector<InquiryFetch::Step>{
            [state](Inquiry& ask, Fetched&) { return state->tokens.refresh(ask, state->context); },
            [state](Inquiry&, Fetched& out) { return log_in_with(*state, out); }},
        state->context.where);
  });
}

class CloudSqlSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "gcp-cloudsql-iam"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override {
    return {identity_variables(), identity_files(), {"$CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"}};
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference,
                                              const Purpose& purpose) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    if (!reference.field.empty()) {
      return Error{ErrorCode::bad_config,        Hop::reference,
                   "gcp-cloudsql-iam:",          "has no fields",
                   "Remove #" + reference.field, {}};
    }
    const auto instance = attribute_of(reference, "instance");
    auto context = context_of(reference, "gcp-cloudsql-iam:" + instance);
    if (!context) return std::move(context).error();
    if (!instance.empty()) return connector_session(reference, std::move(*context), purpose);
    for (const auto* name : {"ip_type", "endpoint"}) {
      if (!attribute_of(reference, name).empty()) {
        return wrong_attribute(name, "has no meaning without instance",
                               "Add instance=PROJECT:REGION:INSTANCE, or remove it");
      }
    }
    return direct_session(std::move(*context), purpose);
  }
};

}  // namespace

}  // namespace gcp

std::unique_ptr<Source> gcp_cloudsql_source() { return std::make_unique<gcp::CloudSqlSource>(); }

}  // namespace sallyport::secrets
