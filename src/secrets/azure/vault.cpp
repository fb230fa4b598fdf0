// `azure-kv:`. Three steps: the vault is asked without a token, and its challenge says what the token is for; the token is
// asked for, or taken from the session; the secret is read. A later fetch begins with the second.
#include "secrets/azure/vault.h"

#include "secrets/azure/azure.h"
#include "secrets/azure/endpoint.h"
#include "secrets/fetching_session.h"

namespace sallyport::secrets {

namespace azure {

namespace {

constexpr std::string_view api_version = "7.4";

RetryRule rule() {
  RetryRule out;
  out.tries = 4;
  out.first = std::chrono::milliseconds{800};
  out.statuses = {408, 429, 500, 502, 503, 504};
  return out;
}

HttpRequest get(const std::string& url, const std::string& ca_file) {
  HttpRequest request{"GET", url};
  request.headers.push_back(web_header("Accept", "application/json"));
  request.plain_http_allowed = url.starts_with("http://");
  if (!request.plain_http_allowed) request.ca_file = ca_file;
  return request;
}

Secret bearer(const Secret& token) {
  constexpr std::string_view prefix = "Bearer ";
  const auto value = token.reveal();
  auto out = Secret::of_size(prefix.size() + value.size());
  auto* to = reinterpret_cast<char*>(out.writable().data());
  prefix.copy(to, prefix.size());
  value.copy(to + prefix.size(), value.size());
  return out;
}

/// With the name of a vault that is not there said as such.
Error unreachable(Error error, const VaultOptions& options, const std::string& base) {
  if (error.code != ErrorCode::not_found) return error;
  error.what = "there is no vault " + options.short_name() + ": " + host_of_url(base) + " has no address";
  error.hint = "Check its name: az keyvault list; a deleted one comes back with az keyvault recover --name " +
               options.short_name();
  return error;
}

/// Name and version out of "https://my-vault.vault.azure.net/secrets/db/VERSION".
std::string version_of(std::string_view id) { return shown_code(id.substr(id.rfind('/') + 1)); }

}  // namespace

std::string VaultState::base(const Settings& settings) const {
  if (!options.url.empty()) return options.url;
  const bool whole = options.vault.find('.') != std::string::npos;
  return "https://" + options.vault + (whole ? "" : "." + std::string{settings.cloud->vaults});
}

std::string VaultState::secret_url(const Settings& settings, std::string_view collection) const {
  std::string out = base(settings) + "/" + std::string{collection} + "/" + options.secret;
  if (!options.version.empty()) out += "/" + options.version;
  return out + "?api-version=" + std::string{api_version};
}

Result<Then> ask_challenge(Inquiry& ask, VaultState& state) {
  auto settings = read_settings(ask, state.options.choice);
  if (!settings) return std::move(settings).error();
  if (state.challenge) return Then::next_step;
  const auto base = state.base(*settings);
  const auto& where = state.options.where();
  auto reply = ask_web(
      ask, [&](Moment) { return get(state.secret_url(*settings, "secrets"), settings->ca_file); }, rule(),
      where);
  if (!reply) return unreachable(std::move(reply).error(), state.options, base);
  if (reply->status != 401) {
    if (!reply->success()) return vault_meaning(*reply, state);
    return Error{ErrorCode::peer_misbehaved,
                 Hop::secret_source,
                 where,
                 host_of_url(base) + " answers without asking for a token: that is no vault",
                 "Check the vault's name, and that no proxy answers in its place",
                 {}};
  }
  auto challenge = read_challenge(reply->header("www-authenticate"), parse_endpoint(base)->host,
                                  !state.options.url.empty());
  if (!challenge) {
    auto error = std::move(challenge).error();
    error.where = where;
    error.what = host_of_url(base) + ": " + error.what;
    return error;
  }
  state.challenge = std::move(*challenge);
  return Then::next_step;
}

Result<Then> read_secret(Inquiry& ask, VaultState& state, Fetched& yield) {
  const auto& settings = state.cache.settings();
  const auto& where = state.options.where();
  const auto asked = [&](std::string_view collection) {
    return ask_web(
        ask,
        [&](Moment) {
          auto request = get(state.secret_url(settings, collection), settings.ca_file);
          request.headers.push_back({"Authorization", bearer(state.cache.token().value)});
          return request;
        },
        rule(), where);
  };
  auto reply = asked("secrets");
  if (!reply) return unreachable(std::move(reply).error(), state.options, state.base(settings));
  if (reply->status == 401 && ask.attempt() == 0) {
    state.cache.drop();
    state.challenge.reset();
    return Then::all_again;
  }
  if (reply->status == 404 && state.options.version.empty()) {
    const auto deleted = asked("deletedsecrets");
    if (deleted && deleted->status == 200) return soft_deleted(*deleted, state);
  }
  if (!reply->success()) return vault_meaning(*reply, state);
  auto fetched = shaped(*reply, state);
  if (!fetched) return std::move(fetched).error();
  fetched->credential.version = version_of(reply->root()["id"].text());
  fetched->origin = state.base(settings) + ", as " + state.cache.token().provider_name;
  yield = std::move(*fetched);
  return Then::next_step;
}

}  // namespace azure

namespace {

using namespace azure;

class VaultSession final : public FetchingSession {
 public:
  explicit VaultSession(VaultOptions options)
      : FetchingSession([this] { return start(); }), state_{std::move(options), {}, {}} {}

 private:
  std::unique_ptr<FetchConversation> start() {
    return std::make_unique<InquiryFetch>(
        std::vector<InquiryFetch::Step>{
            [this](Inquiry& ask, Fetched&) { return ask_challenge(ask, state_); },
            [this](Inquiry& ask, Fetched&) {
              return state_.cache.refresh(ask, state_.options.choice, state_.challenge->scope);
            },
            [this](Inquiry& ask, Fetched& out) { return read_secret(ask, state_, out); },
        },
        state_.options.where());
  }

  VaultState state_;
};

class VaultSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "azure-kv"; }
  [[nodiscard]] Attributes attributes() const override { return azure::known_attributes(); }
  [[nodiscard]] Authority authority() const override { return identity_authority(); }
  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    return identity_authority_for(reference);
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    auto options = parse_vault_options(reference);
    if (!options) return std::move(options).error();
    return std::make_unique<VaultSession>(std::move(*options));
  }
};

}  // namespace

std::unique_ptr<Source> azure_vault_source() { return std::make_unique<VaultSource>(); }

}  // namespace sallyport::secrets
