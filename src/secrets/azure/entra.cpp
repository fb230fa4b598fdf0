// The token endpoint of Entra ID: one form, three ways to prove who we are.
#include "secrets/azure/endpoint.h"
#include "secrets/azure/provider.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::azure {

namespace {

/// "7000215" of `error_codes`, or of the description's beginning.
std::string number_of(JsonView root) {
  for (const auto code : root["error_codes"].elements()) {
    if (const auto value = code.integer(); value && *value > 0) return std::to_string(*value);
  }
  auto text = root["error_description"].text();
  constexpr std::string_view prefix = "AADSTS";
  if (!text.starts_with(prefix)) return {};
  text.remove_prefix(prefix.size());
  const auto end = std::find_if(text.begin(), text.end(), [](char c) { return c < '0' || c > '9'; });
  const auto size = static_cast<std::size_t>(end - text.begin());
  return size > 0 && size <= 10 ? std::string{text.substr(0, size)} : std::string{};
}

struct Meaning {
  std::string_view number;
  ErrorCode code;
  std::string_view what;
  std::string_view hint;
};

using enum ErrorCode;

constexpr std::array<Meaning, 21> meanings{{
    {"7000215", denied, "the client secret is wrong",
     "AZURE_CLIENT_SECRET wants the secret's value, not its id; a new one: az ad app credential reset --id "
     "CLIENT_ID"},
    {"7000222", denied, "the client secret has expired",
     "Make a new one: az ad app credential reset --id CLIENT_ID"},
    {"7000216", denied, "a client secret or an assertion is missing",
     "Set AZURE_CLIENT_SECRET or a certificate"},
    {"700016", denied, "no application with this client id in this tenant",
     "Check AZURE_CLIENT_ID and AZURE_TENANT_ID: az ad sp show --id CLIENT_ID"},
    {"700211", denied, "no federated identity credential for the issuer of this token",
     "Add one with the cluster's issuer: az identity federated-credential create --issuer … --subject …"},
    {"700212", denied, "no federated identity credential for the audience of this token",
     "The token's audience has to be api://AzureADTokenExchange"},
    {"700213", denied, "no federated identity credential for the subject of this token",
     "Compare its subject with the service account: az identity federated-credential list"},
    {"70021", denied, "no federated identity credential matches this token",
     "Compare issuer, subject and audience: az identity federated-credential list"},
    {"700024", denied, "the assertion is outside its time",
     "Correct this machine's clock; or the token's file is old"},
    {"700027", denied, "the certificate is not one of this application, or its signature does not fit",
     "Upload the certificate: az ad app credential reset --id CLIENT_ID --cert @FILE --append"},
    {"700030", denied, "the certificate's subject does not fit", "Upload the certificate to the application"},
    {"50013", denied, "the assertion is not valid",
     "Check that the token's file is the one for this identity"},
    {"90002", bad_config, "there is no such tenant in this cloud",
     "Check AZURE_TENANT_ID, and AZURE_AUTHORITY_HOST for a sovereign cloud"},
    {"900023", bad_config, "the tenant is no GUID and no domain", "Check AZURE_TENANT_ID"},
    {"900382", bad_config, "the tenant is in another cloud", "Set AZURE_AUTHORITY_HOST for that cloud"},
    {"500011", bad_config, "the resource is not known in this tenant",
     "Check scope=, and that AZURE_TENANT_ID is the tenant of the database or vault"},
    {"70011", bad_config, "the scope is not valid", "Write scope=https://RESOURCE/.default"},
    {"1002012", bad_config, "the scope is not valid", "Write scope=https://RESOURCE/.default"},
    {"53003", denied, "conditional access does not allow it from here", "Ask who administers the tenant"},
    {"7000112", denied, "the application is disabled", "Enable it in Entra ID, Enterprise applications"},
    {"50196", retry_later, "Entra ID sees too many equal requests", ""},
}};

bool is_assertion_time(const WebReply& reply) {
  const auto number = number_of(reply.root());
  return number == "700024" || number == "50013" || number == "700027";
}

std::string in_words(JsonView root) {
  const auto number = number_of(root);
  auto code = shown_code(root["error"].text());
  if (number.empty()) return code;
  return "AADSTS" + number + (code.empty() ? "" : ", " + code);
}

}  // namespace

std::string token_url(const Settings& settings) {
  return settings.authority + "/" + settings.tenant + "/oauth2/v2.0/token";
}

Error meaning_of(const WebReply& reply, const Settings& settings) {
  Error error{peer_misbehaved, Hop::secret_source, settings.where, {}, {}, {}};
  const auto host = host_of_url(settings.authority);
  const auto words = in_words(reply.root());
  const auto number = number_of(reply.root());
  const auto status = "status " + std::to_string(reply.status);
  const auto suffix = " (" + status + (words.empty() ? "" : ", " + words) + ")";
  const auto* const known = std::find_if(meanings.begin(), meanings.end(),
                                         [&](const Meaning& one) { return one.number == number; });
  if (known != meanings.end()) {
    error.code = known->code;
    error.what = host + ": " + std::string{known->what} + suffix;
    error.hint = known->hint;
    return error;
  }
  if (reply.status == 429 || reply.status == 408 || reply.status >= 500) {
    error.code = retry_later;
    error.what = host + (reply.status == 429 ? " has too many requests" : " cannot answer now") + suffix;
    return error;
  }
  if (reply.status >= 400 && !words.empty()) {
    error.code = denied;
    error.what = host + " refuses to give a token" + suffix;
    error.hint = number.empty()
                     ? "Check tenant, client id and what proves it"
                     : "https://login.microsoftonline.com/error?code=" + number + " explains the number";
    return error;
  }
  error.what = host + " answers with what is no answer of Entra ID" + suffix;
  error.hint = "Check AZURE_AUTHORITY_HOST, and whether a proxy answers in its place";
  return error;
}

Offer entra_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                  Provider provider, const std::string& name, const Proof& proof) {
  RetryRule rule;
  rule.tries = search.patient ? 4 : 2;
  rule.first = std::chrono::milliseconds{800};
  rule.statuses = {408, 429, 500, 502, 503, 504};
  Duration skew = search.skew;
  for (int round = 0;; ++round) {
    // Before any request: what is wrong with a key or a file is said as such.
    int tried = round * 8;
    FormWriter probe;
    if (auto proved = proof(probe, ask.now().wall, tried); !proved)
      return failed(settings, search, name, std::move(proved).error());
    const auto make = [&](Moment now) {
      HttpRequest request{"POST", token_url(settings)};
      FormWriter form;
      form.field("grant_type", "client_credentials");
      form.field("client_id", settings.client_id);
      form.field("scope", scope);
      (void)proof(form, later(now.wall, skew), tried++);
      request.body = form.finish();
      request.headers.push_back(web_header("Content-Type", "application/x-www-form-urlencoded"));
      request.headers.push_back(web_header("Accept", "application/json"));
      request.ca_file = settings.ca_file;
      request.plain_http_allowed = settings.authority.starts_with("http://");
      return request;
    };
    auto reply = ask_web(ask, make, rule, settings.where);
    if (!reply) return failed(settings, search, name, std::move(reply).error());
    const auto learnt = counted_skew(*reply);
    if (reply->success()) {
      auto token = token_of(reply->root(), "access_token", ExpiryFrom::relative, ask.now(), learnt);
      if (!token) {
        auto error = std::move(token).error();
        error.what = host_of_url(settings.authority) + ": " + error.what;
        if (error.hint.empty())
          error.hint = "Check AZURE_AUTHORITY_HOST, and whether a proxy or a login page answers in its place";
        return failed(settings, search, name, std::move(error));
      }
      search.skew = learnt;
      return std::optional{named(std::move(*token), provider, name, settings.authority)};
    }
    const bool wrong_clock = round == 0 && learnt != skew && is_assertion_time(*reply);
    if (!wrong_clock) return failed(settings, search, name, meaning_of(*reply, settings));
    skew = learnt;
  }
}

}  // namespace sallyport::secrets::azure
