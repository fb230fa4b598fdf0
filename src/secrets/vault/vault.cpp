#include "secrets/vault/vault.h"

#include "secrets/attributes.h"
#include "secrets/aws/common.h"
#include "secrets/kubernetes/account.h"
#include "secrets/vault/fetch.h"
#include "secrets/vault/lease.h"
#include "secrets/vault/own_token.h"

namespace sallyport::secrets {

namespace {

class VaultSession final : public SourceSession {
 public:
  explicit VaultSession(vault::Options options) : state_(std::move(options)) {}

  std::unique_ptr<FetchConversation> fetch() override { return std::make_unique<vault::Fetch>(state_); }

  std::unique_ptr<RenewConversation> renew(const Lease& lease) override {
    return std::make_unique<vault::Renew>(state_, lease);
  }

  std::unique_ptr<Conversation> revoke(const Lease& lease) override {
    return std::make_unique<vault::Revoke>(state_, lease);
  }

  std::unique_ptr<Conversation> keep_alive() override {
    if (!keep_alive_at()) return nullptr;
    return std::make_unique<vault::KeepAlive>(state_);
  }

  [[nodiscard]] std::optional<WallTime> keep_alive_at() const override {
    return state_.token && state_.token->ours() ? state_.token->renew_at : std::nullopt;
  }

  std::unique_ptr<Conversation> close() override {
    const bool ours = (state_.token && state_.token->ours()) || !state_.old_tokens.empty();
    if (!ours) return nullptr;
    return std::make_unique<vault::Close>(state_);
  }

  [[nodiscard]] std::vector<std::string> warnings() const override { return state_.warnings; }

  std::vector<SourceEvent> take_events() override { return std::exchange(state_.events, {}); }

 private:
  vault::State state_;
};

class VaultSource final : public Source {
 public:
  explicit VaultSource(const SourceSettings& settings) : settings_(settings) {}

  [[nodiscard]] std::string_view scheme() const override { return "vault"; }
  [[nodiscard]] Attributes attributes() const override { return vault::known_attributes(); }

  /// VAULT_ADDR and its like stay with the child: they open nothing by themselves.
  [[nodiscard]] Authority authority() const override {
    return {{"VAULT_TOKEN", "VAULT_ROLE_ID", "VAULT_SECRET_ID", "VAULT_TOKEN_FILE"},
            {"~/.vault-token", "$VAULT_TOKEN_FILE"},
            {"$VAULT_CACERT"}};
  }

  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    auto out = authority();
    for (const auto* name :
         {"token_file", "role_id_file", "secret_id_file", "jwt_file", "client_key", "password_file"}) {
      const auto found = reference.attributes.find(name);
      if (found != reference.attributes.end()) out.files.push_back(found->second);
    }
    const auto certificate = reference.attributes.find("client_cert");
    if (certificate != reference.attributes.end()) out.public_files.push_back(certificate->second);
    const auto auth = attribute_of(reference, "auth");
    if (auth == "kubernetes" && !reference.attributes.contains("jwt_file")) {
      out.files.emplace_back(kubernetes::mounted_token);
    }
    if (auth == "aws") {
      const auto keys = aws::identity_authority();
      out.variables.insert(out.variables.end(), keys.variables.begin(), keys.variables.end());
      out.files.insert(out.files.end(), keys.files.begin(), keys.files.end());
      out.public_files.insert(out.public_files.end(), keys.public_files.begin(), keys.public_files.end());
    }
    return out;
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    auto options = vault::parse_options(reference);
    if (!options) return std::move(options).error();
    options->allow_root_token = options->allow_root_token || settings_.allow_root_token;
    return std::make_unique<VaultSession>(std::move(*options));
  }

 private:
  SourceSettings settings_;
};

}  // namespace

std::unique_ptr<Source> vault_source(const SourceSettings& settings) {
  return std::make_unique<VaultSource>(settings);
}

}  // namespace sallyport::secrets
