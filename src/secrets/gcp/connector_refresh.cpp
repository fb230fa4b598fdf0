// One refresh: where the instance is, which authority its certificate comes from, and a certificate for our key.
#include "crypto/base64_pem.h"
#include "crypto/certificate.h"
#include "crypto/rsa.h"
#include "secrets/gcp/connector_state.h"
#include "secrets/gcp/database_user.h"
#include "secrets/json_writer.h"

#include <algorithm>
#include <cmath>

namespace sallyport::secrets::gcp {

namespace {

/// All of a refresh, as the connectors have it.
constexpr Duration refresh_max = std::chrono::seconds{60};

/// The connectors' own: five tries when the service itself fails, 200 ms · 1.618^(n + 1 + random), not on 429.
RetryRule refresh_rule() {
  RetryRule rule;
  rule.tries = 5;
  rule.statuses = {};
  rule.lost_connections = false;
  rule.also = [](const WebReply& reply) { return reply.status >= 500; };
  rule.wait = [](int tried, double random) {
    return Duration{static_cast<Duration::rep>(200e6 * std::pow(1.618, tried + random))};
  };
  return rule;
}

Result<WebReply> ask_control_plane(Inquiry& ask, Connector& state, ServiceCall one) {
  one.rule = refresh_rule();
  if (ask.now().mono - state.begun > refresh_max) {
    return fault(state.context, ErrorCode::timed_out,
                 std::string{state.service.title} + " took longer than 60 s for a refresh");
  }
  return call(ask, state.context, state.service, state.admin, one);
}

Error refused(const Connector& state, const WebReply& reply) {
  const auto& instance = state.instance;
  const std::string role = instance.alloydb ? "roles/alloydb.client" : "roles/cloudsql.client";
  return refusal(state.context, state.service, state.admin, reply,
                 {role, "gcloud projects add-iam-policy-binding " + instance.project, instance.project,
                  "there is no instance " + instance.name + " in the project " + instance.project,
                  instance.alloydb ? "Run gcloud alloydb instances list --cluster " + instance.cluster +
                                         " --region " + instance.region + " --project " + instance.project
                                   : "Run gcloud sql instances list --project " + instance.project});
}

struct Signed {
  std::string chain_pem;
  WallTime end;
};

/// The certificate's end by our own clock, which the server's may not agree with.
Result<Signed> signed_certificate(const Connector& state, std::string chain, const WebReply& reply) {
  const auto end = crypto::certificate_end(chain);
  if (!end) {
    return fault(state.context, ErrorCode::invalid_message,
                 std::string{state.service.title} + ": the reply has no client certificate");
  }
  const auto skew = skew_of(reply).value_or(Duration::zero());
  Signed out{std::move(chain), *end};
  if (*end != WallTime::max()) out.end = later(*end, -skew);
  if (out.end > reply.received.wall) return out;
  return fault(state.context, ErrorCode::denied,
               std::string{state.service.title} + ": the client certificate that it gave has expired already",
               "Set this machine's clock");
}

Result<std::string> public_key_pem(const Connector& state, const Secret& key) {
  const auto der = state.instance.alloydb ? crypto::public_key_pkcs1(key) : crypto::public_key_info(key);
  if (!der) return fault(state.context, ErrorCode::internal, "the new key " + der.error().what);
  return crypto::pem_of(*der, "RSA PUBLIC KEY");
}

Secret cloud_sql_body(const std::string& key_pem, const Secret& token) {
  JsonWriter body;
  body.text("public_key", key_pem);
  body.text("access_token", token.reveal());
  return body.finish();
}

Secret alloydb_body(const std::string& key_pem) {
  JsonWriter body;
  body.text("publicKey", key_pem);
  body.text("certDuration", "3600s");
  body.flag("useMetadataExchange", true);
  return body.finish();
}

/// pemCertificateChain begins with the leaf; older replies had that beside it.
std::string alloydb_chain(JsonView reply) {
  std::string out{reply["pemCertificate"].text()};
  bool first = true;
  for (const auto one : reply["pemCertificateChain"].elements()) {
    const bool again = std::exchange(first, false) && one.text() == out;
    if (again) continue;
    if (!out.empty() && out.back() != '\n') out += '\n';
    out += one.text();
  }
  return out;
}

void keep(Connector& state, Access access, Signed certificate, Secret key, std::string user, Moment now) {
  if (!state.domain.empty()) access.names.insert(access.names.begin(), state.domain);
  // The login's token is in the certificate, or is sent along: whichever ends first ends both.
  const auto expires = std::min(certificate.end, state.login.token().expires);
  const Duration life = expires - now.wall;
  const auto stale_at =
      now.mono + std::chrono::duration_cast<MonotonicTime::duration>(refresh_after(life).value_or(life / 2));
  state.kept = Kept{state.instance, std::move(user), std::move(certificate.chain_pem),
                    expires,        stale_at,        std::make_shared<const Access>(std::move(access))};
  state.key = std::move(key);
}

}  // namespace

void yield(const Connector& state, Moment now, Fetched& out) {
  const auto& kept = *state.kept;
  auto& credential = out.credential;
  credential.user = kept.user;
  credential.kind = CredentialKind::client_certificate;
  credential.secret = state.key.clone();
  credential.certificate_pem = kept.chain_pem;
  credential.expires = kept.expires;
  out.refetch_after = refresh_after(kept.expires - now.wall);
  if (!state.domain.empty()) out.refetch_after = std::min<Duration>(kept.stale_at - now.mono, domain_recheck);
  out.origin = std::string{state.service.title};
  out.access = kept.access;
}

Result<Then> refresh(Inquiry& ask, Connector& state, Fetched& out) {
  auto user = login_user(state.context, state.login.identity(), state.user, state.engine);
  if (!user) return std::move(user).error();
  auto key = state.key.clone();
  if (key.empty()) {
    auto made = ask.rsa_key();
    if (!made) return moved(state.context, std::move(made).error(), "a new key");
    key = (*made)->clone();
  }
  auto pem = public_key_pem(state, key);
  if (!pem) return std::move(pem).error();
  const auto& instance = state.instance;
  const auto path = instance.path();
  auto info = ask_control_plane(ask, state,
                                {"GET", path + (instance.alloydb ? "/connectionInfo" : "/connectSettings")});
  if (!info) return std::move(info).error();
  if (info->status == 401 && ask.attempt() == 0) {
    state.admin.drop();
    return Then::all_again;
  }
  if (!info->success()) return refused(state, *info);
  const auto& token = state.login.token().value;
  auto given = ask_control_plane(
      ask, state,
      instance.alloydb
          ? ServiceCall{"POST", path.substr(0, path.rfind("/instances/")) + ":generateClientCertificate",
                        alloydb_body(*pem)}
          : ServiceCall{"POST", path + ":generateEphemeralCert", cloud_sql_body(*pem, token)});
  if (!given) return std::move(given).error();
  if (!given->success()) return refused(state, *given);
  auto access = instance.alloydb
                    ? alloydb_access(state.context, state.ip, info->root(), given->root(), token)
                    : cloud_sql_access(state.context, instance, state.ip, state.engine, info->root());
  if (!access) return std::move(access).error();
  auto certificate =
      signed_certificate(state,
                         instance.alloydb ? alloydb_chain(given->root())
                                          : std::string{given->root()["ephemeralCert"]["cert"].text()},
                         *given);
  if (!certificate) return std::move(certificate).error();
  keep(state, std::move(*access), std::move(*certificate), std::move(key), std::move(*user), ask.now());
  yield(state, ask.now(), out);
  return Then::next_step;
}

}  // namespace sallyport::secrets::gcp
