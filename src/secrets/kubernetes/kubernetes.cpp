#include "secrets/kubernetes/kubernetes.h"

#include "secrets/fetching_session.h"
#include "secrets/kubernetes/api.h"

namespace sallyport::secrets {

namespace {

class KubernetesSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "k8s"; }
  [[nodiscard]] Attributes attributes() const override { return kubernetes::known_attributes(); }

  /// The addresses stay with the child: they open nothing by themselves.
  [[nodiscard]] Authority authority() const override { return {}; }

  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    Authority out;
    const auto named = [&](std::string_view name) {
      const auto found = reference.attributes.find(std::string{name});
      return found == reference.attributes.end() ? std::string{} : found->second;
    };
    auto token = named("token_file");
    auto authorities = named("ca_file");
    const bool own_authorities = authorities.empty() && named("server").empty();
    out.files.push_back(token.empty() ? std::string{kubernetes::mounted_token} : std::move(token));
    if (own_authorities) authorities = kubernetes::mounted_authorities;
    if (!authorities.empty()) out.public_files.push_back(std::move(authorities));
    if (reference.locator.find('/') == std::string::npos) {
      out.public_files.emplace_back(kubernetes::mounted_namespace);
    }
    return out;
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    auto options = kubernetes::parse_options(reference);
    if (!options) return std::move(options).error();
    const auto where = options->where();
    return std::make_unique<FetchingSession>([options = std::move(*options), where] {
      std::vector<InquiryFetch::Step> steps;
      steps.emplace_back(
          [options](Inquiry& ask, Fetched& yield) { return kubernetes::fetch_secret(ask, options, yield); });
      return std::make_unique<InquiryFetch>(std::move(steps), where);
    });
  }
};

/// Done in any case: that there is no token is an answer.
class Identity final : public IdentityConversation {
 public:
  Identity() : run_({[this](Inquiry& ask) { return step(ask); }}, "kubernetes") {}

  Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }
  WhoAmI take() override { return std::move(who_); }

 private:
  Result<Then> step(Inquiry& ask) {
    WhoAmI who;
    who.cloud = "kubernetes";
    const auto give_up = [&](std::string reason) {
      who.tried.push_back({"service account", std::move(reason)});
      who.fix = "Run it in a pod whose service account is mounted (automountServiceAccountToken)";
      who_ = std::move(who);
      return Then::next_step;
    };
    const auto host = ask.text("KUBERNETES_SERVICE_HOST");
    if (!host) return give_up("KUBERNETES_SERVICE_HOST " + host.error().what);
    if (host->empty()) return give_up("not inside a cluster: KUBERNETES_SERVICE_HOST is not set");
    const std::string path{kubernetes::mounted_token};
    auto token = kubernetes::read_web_token(ask, path, "kubernetes");
    if (!token) return give_up(path + ": " + token.error().what);
    auto claims = kubernetes::claims_of(*token);
    if (claims.expires && *claims.expires <= ask.now().wall) {
      return give_up("the token in " + path + " expired at " + format_utc(*claims.expires));
    }
    who.provider = "service account";
    who.identity = std::move(claims.subject);
    who.expires = claims.expires;
    who_ = std::move(who);
    return Then::next_step;
  }

  WhoAmI who_;
  InquiryRun run_;
};

}  // namespace

std::unique_ptr<Source> kubernetes_source() { return std::make_unique<KubernetesSource>(); }

std::unique_ptr<IdentityConversation> kubernetes_identity() { return std::make_unique<Identity>(); }

}  // namespace sallyport::secrets
