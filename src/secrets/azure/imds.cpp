// The metadata service of a virtual machine, at an address that is the same everywhere and often answers nobody. In a chain
// it is asked first whether it is there, for one second: without the header that it wants, so that it says no at once and
// makes no token. Its own retry table follows: 404, 429 and 5xx in growing steps, and 410, an update of the service, for
// 70 seconds.
#include "secrets/azure/endpoint.h"
#include "secrets/azure/provider.h"
#include "secrets/literal_host.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

const std::string name = "managed identity (IMDS)";
constexpr std::string_view usual = "http://169.254.169.254";
constexpr std::string_view path = "/metadata/identity/oauth2/token";
const std::string variable = "AZURE_POD_IDENTITY_AUTHORITY_HOST";

constexpr auto probe_deadline = std::chrono::seconds{1};
constexpr auto request_deadline = std::chrono::seconds{10};
constexpr int tries_max = 5;
constexpr int tries_max_lost = 3;  ///< connections: whoever chose this provider waits for each
constexpr auto first_wait = std::chrono::milliseconds{800};
constexpr auto first_wait_gone = std::chrono::seconds{5};  ///< 5 + 10 + 20 + 40: more than 70

/// Errors  bad_config: where no token is asked for.
Result<std::string> address_of(Inquiry& ask, const Settings& settings, Search& search) {
  auto text = ask.text(variable);
  if (!text) return failed(settings, search, name, std::move(text).error());
  if (text->empty()) return std::string{usual};
  while (text->ends_with('/')) text->pop_back();
  const auto endpoint = parse_endpoint(*text);
  const auto wrong = [&](const std::string& what, std::string hint) {
    return failed(settings, search, name, ErrorCode::bad_config, variable + " " + what, std::move(hint));
  };
  if (!endpoint || !endpoint->path.empty()) return wrong("is no address", "Unset it");
  const bool allowed = endpoint->https || is_link_local_literal(endpoint->host) ||
                       (is_loopback_literal(endpoint->host) && settings.plain_loopback);
  if (!allowed) {
    return wrong("is plain http to " + endpoint->host + ", which is not the metadata service",
                 "Unset it; a test's service on 127.0.0.1 needs insecure_reason= in the reference");
  }
  return std::move(*text);
}

/// What Docker Desktop answers where there is no such service.
bool says_unreachable(const WebReply& reply) {
  return reply.status == 403 && reply.http->body.reveal().find("unreachable") != std::string_view::npos;
}

/// Asks without the header. None: it is there; else why it is not.
std::optional<std::string> absent(Inquiry& ask, const std::string& address, const Settings& settings,
                                  Search& search) {
  const auto make = [&](Moment) {
    HttpRequest request{"GET", address + std::string{path} + "?api-version=2018-02-01"};
    request.plain_http_allowed = address.starts_with("http://");
    if (!request.plain_http_allowed) request.ca_file = settings.ca_file;
    request.deadline = probe_deadline;
    return request;
  };
  RetryRule once;
  once.tries = 1;
  auto reply = ask_web(ask, make, once, settings.where);
  if (!reply) {
    search.timed_out = reply.error().code == ErrorCode::timed_out;
    return search.timed_out ? "no metadata service answered within 1 s"
                            : "no metadata service: " + reply.error().what;
  }
  if (says_unreachable(*reply)) return "no metadata service can be reached from this container";
  // Other clouds and networks have something at this address as well; Azure's says no as JSON.
  const bool busy = reply->status == 410 || reply->status == 429 || reply->status >= 500;
  if (busy || reply->root().is_object()) return std::nullopt;
  return "what answers at " + host_of_url(address) + " is not Azure's metadata service (status " +
         std::to_string(reply->status) + ")";
}

/// Doubled each time, and up to a quarter longer by chance: 410's sum must not be shorter.
Duration pause(const Inquiry& ask, int status, int tried) {
  Duration wait = status == 410 ? Duration{first_wait_gone} : Duration{first_wait};
  for (int i = 1; i < tried; ++i) wait *= 2;
  const auto at = static_cast<std::size_t>(tried) * 2;
  return wait + wait / 4 * (ask.random()[at] * 256U + ask.random()[at + 1]) / 65'536;
}

bool is_retried(int status) { return status == 404 || status == 410 || status == 429 || status >= 500; }

/// With the service's retry table. Lost connections are among it, unless nobody ever answered.
Result<WebReply> ask_service(Inquiry& ask, const std::function<HttpRequest(Moment)>& make,
                             const Settings& settings, bool patient) {
  RetryRule once;
  once.tries = 1;
  const int tries = patient ? tries_max : 2;
  for (int tried = 1;; ++tried) {
    auto reply = ask_web(ask, make, once, settings.where);
    if (tried == tries) return reply;
    const bool lost = !reply && (reply.error().code == ErrorCode::timed_out ||
                                 reply.error().code == ErrorCode::retry_later);
    if (!lost && !(reply && is_retried(reply->status))) return reply;
    if (lost && tried >= tries_max_lost) return reply;
    if (!patient && reply && reply->status == 410) return reply;
    ask.wait(pause(ask, reply ? reply->status : 0, tried));
  }
}

Offer refused(const WebReply& reply, const Settings& settings, Search& search) {
  const auto code = shown_code(reply.root()["error"].text());
  const auto what =
      "it answers with " + (code.empty() ? "" : code + ", ") + "status " + std::to_string(reply.status);
  if (is_retried(reply.status)) return failed(settings, search, name, ErrorCode::retry_later, what);
  const bool chosen = !selector(settings, "id").empty();
  const std::string hint =
      chosen ? "The identity that is chosen (client_id=, object_id=, msi_res_id=, AZURE_CLIENT_ID) has to "
               "be assigned to this machine: az vm identity assign --identities ID"
             : "Assign one: az vm identity assign; where there are several, choose with client_id=";
  // A machine without an identity answers 400: the chain goes on, as nobody configured it.
  if (reply.status == 400 && !settings.only(Provider::managed) && !chosen)
    return nothing(search, name, "no identity is assigned to this machine (" + what + ")");
  return failed(settings, search, name, ErrorCode::denied,
                reply.status == 400 ? "no such identity is assigned to this machine (" + what + ")" : what,
                hint);
}

}  // namespace

Offer imds_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search) {
  auto address = address_of(ask, settings, search);
  if (!address) return std::move(address).error();
  const bool known = search.winner == Provider::managed;
  if (!known && !settings.only(Provider::managed)) {
    if (auto reason = absent(ask, *address, settings, search))
      return nothing(search, name, std::move(*reason));
  }
  const auto make = [&](Moment) {
    HttpRequest request{"GET", *address + std::string{path} + "?api-version=2018-02-01&resource=" +
                                   in_query(resource_of(scope)) + selector(settings, "msi_res_id")};
    request.plain_http_allowed = address->starts_with("http://");
    if (!request.plain_http_allowed) request.ca_file = settings.ca_file;
    request.deadline = request_deadline;
    request.headers.push_back(web_header("Metadata", "true"));
    request.headers.push_back(web_header("Accept", "application/json"));
    return request;
  };
  auto reply = ask_service(ask, make, settings, search.patient);
  if (!reply) return failed(settings, search, name, std::move(reply).error());
  if (!reply->success()) return refused(*reply, settings, search);
  return managed_reply(ask, *reply, settings, search, name, *address);
}

}  // namespace sallyport::secrets::azure
