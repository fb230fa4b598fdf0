// `aws-rds-iam:`. The token is made here and not fetched: what can fail is finding the keys that sign it.
//
// It names the endpoint that it is for, so a target with several servers gets one for each. A CNAME has to say which
// endpoint it stands for (sign_host=). Nothing corrects a token that was dated by a wrong clock: AWS' clock is used where
// the keys came from AWS and it differs from ours. The slot keeps a token and makes the next one ahead of its end.
#include "secrets/attributes.h"
#include "secrets/aws/aws.h"
#include "secrets/aws/chain.h"
#include "secrets/aws/common.h"
#include "secrets/aws/rds_token.h"
#include "secrets/fetching_session.h"

#include <algorithm>
#include <array>
#include <charconv>

namespace sallyport::secrets {

namespace {

using namespace aws;

constexpr std::string_view where = "aws-rds-iam:";
// A token is good for one host alone, so the environment may say which authorities (RDS has its own) vouch for that name.
constexpr auto own_attributes =
    combined(identity_attributes, std::to_array<Attribute>({{"sign_host", Effect::names_receiver},
                                                            {"server_name", Effect::names_receiver}}));

/// One server: where we connect, and the name that RDS knows it by.
struct Server {
  SuppliedHost dialled;
  SuppliedHost signed_for;
};

Error lacks(std::string what, std::string hint) {
  return wrong_reference(std::string{where}, std::move(what), std::move(hint));
}

/// Found out only when the profile is known.
Error unknown_region(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::secret_source, std::string{where},
          std::move(what),       std::move(hint),    {}};
}

/// "NAME" or "NAME:PORT".
Result<SuppliedHost> parse_signed(std::string_view text, std::uint16_t port) {
  SuppliedHost out{std::string{text.substr(0, text.find(':'))}, port};
  const bool plain = !out.host.empty() && std::all_of(out.host.begin(), out.host.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
  });
  auto error =
      wrong_attribute("sign_host", "is no endpoint's name",
                      "Write for example sign_host=db.c1a2b3.eu-west-1.rds.amazonaws.com, or …:5432");
  if (!plain) return error;
  if (out.host.size() == text.size()) return out;
  const auto* end = text.data() + text.size();
  const auto [stop, problem] = std::from_chars(text.data() + out.host.size() + 1, end, out.port);
  if (problem != std::errc{} || stop != end || out.port == 0) return error;
  return out;
}

Result<std::vector<Server>> servers_of(const Reference& reference, const Purpose& purpose) {
  std::vector<Server> servers;
  for (const auto& host : purpose.hosts) servers.push_back({host, host});
  const auto override = attribute_of(reference, "sign_host");
  if (override.empty()) return servers;
  std::vector<std::string_view> names;
  for (std::string_view rest = override; !rest.empty();) {
    const auto comma = std::min(rest.find(','), rest.size());
    names.push_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  if (!purpose.engine.empty() && names.size() != servers.size()) {
    return wrong_attribute("sign_host",
                           "names " + std::to_string(names.size()) + " endpoints, and the target has " +
                               std::to_string(servers.size()) + " hosts",
                           "Give one for each host, in their order");
  }
  for (std::size_t i = 0; i < names.size(); ++i) {
    auto parsed = parse_signed(names[i], i < servers.size() ? servers[i].dialled.port : 0);
    if (!parsed) return std::move(parsed).error();
    if (i < servers.size()) servers[i].signed_for = std::move(*parsed);
  }
  return servers;
}

Result<void> check(const std::string& user, const std::vector<Server>& servers) {
  if (user.empty()) {
    return lacks("the database's user is missing: a token is signed for one",
                 "Add user=app_user, which needs GRANT rds_iam TO app_user (MySQL: IDENTIFIED WITH "
                 "AWSAuthenticationPlugin AS 'RDS')");
  }
  if (servers.empty()) {
    return lacks("the host is missing: a token is signed for one endpoint",
                 "Add host=db.c1a2b3.eu-west-1.rds.amazonaws.com");
  }
  for (const auto& server : servers) {
    if (server.signed_for.host.starts_with('/'))
      return lacks("a Unix socket leads to no RDS endpoint", "Name the endpoint with host= or sign_host=");
    if (server.signed_for.port == 0) return lacks("the port is missing: it is signed, too", "Add port=5432");
  }
  return {};
}

class RdsSession final : public FetchingSession {
 public:
  RdsSession(Choice choice, std::vector<Server> servers, std::string user)
      : FetchingSession([this] { return start(); }),
        choice_(std::move(choice)),
        servers_(std::move(servers)),
        user_(std::move(user)) {}

  /// The keys may have been revoked: the next token is signed with what the chain gives then.
  void on_refused() override { refused_ = true; }

 private:
  std::unique_ptr<FetchConversation> start() {
    if (std::exchange(refused_, false)) keys_.drop();
    return std::make_unique<InquiryFetch>(
        std::vector<InquiryFetch::Step>{
            [this](Inquiry& ask, Fetched&) { return keys_.refresh(ask, choice_); },
            [this](Inquiry& ask, Fetched& out) { return mint(ask.now(), out); },
        },
        std::string{where});
  }

  [[nodiscard]] Result<std::string> region_for(const Server& server) const {
    if (!choice_.region.empty()) return choice_.region;
    if (auto named = region_of_rds_host(server.signed_for.host); !named.empty()) return named;
    if (!keys_.settings().region.empty()) return keys_.settings().region;
    return unknown_region(
        "the region of " + server.signed_for.host +
            " is not known: its name is no RDS endpoint's, and neither AWS_REGION nor the profile says one",
        "Add region=eu-west-1; if the name is a CNAME, sign_host= with the endpoint that it stands for");
  }

  Result<Then> mint(Moment now, Fetched& out) const {
    if (auto checked = check(user_, servers_); !checked) return std::move(checked).error();
    const auto& keys = keys_.keys();
    const auto theirs = later(now.wall, keys_.skew());
    auto& credential = out.credential;
    for (const auto& server : servers_) {
      auto region = region_for(server);
      if (!region) return std::move(region).error();
      auto token = rds_token({server.signed_for.host, server.signed_for.port, user_, *region}, keys, theirs);
      if (credential.secret.empty()) credential.secret = token.clone();
      if (servers_.size() > 1) {
        credential.per_host.push_back({server.dialled.host, server.dialled.port, std::move(token)});
      }
    }
    credential.kind = CredentialKind::token;
    credential.user = user_;
    // A token is looked up by the keys that signed it: it ends with them.
    auto end = theirs + std::chrono::duration_cast<WallTime::duration>(rds_token_life);
    if (keys.expires) end = std::min(end, *keys.expires);
    credential.expires = now.wall + (end - theirs);
    out.origin = "AWS keys of " + keys.provider;
    return Then::next_step;
  }

  Choice choice_;
  std::vector<Server> servers_;
  std::string user_;
  KeyCache keys_;
  bool refused_ = false;
};

class RdsSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "aws-rds-iam"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return identity_authority(); }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference,
                                              const Purpose& purpose) const override {
    auto choice = choice_of(reference, own_attributes, std::string{where});
    if (!choice) return std::move(choice).error();
    if (!reference.field.empty()) return lacks("a token has no #field", "Remove #" + reference.field);
    auto servers = servers_of(reference, purpose);
    if (!servers) return std::move(servers).error();
    if (!purpose.engine.empty()) {
      if (purpose.engine != "postgresql" && purpose.engine != "mysql") {
        return lacks("RDS takes tokens for PostgreSQL and MySQL, not for " + purpose.engine,
                     "Use another source");
      }
      if (auto checked = check(purpose.user, *servers); !checked) return std::move(checked).error();
    }
    return std::make_unique<RdsSession>(std::move(*choice), std::move(*servers), purpose.user);
  }
};

}  // namespace

std::unique_ptr<Source> aws_rds_source() { return std::make_unique<RdsSource>(); }

}  // namespace sallyport::secrets
