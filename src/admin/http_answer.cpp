#include "admin/http_answer.h"

#include "admin/health.h"
#include "admin/metrics.h"
#include "admin/status_json.h"
#include "base/ascii.h"

#include <algorithm>

namespace sallyport::admin {

namespace {

HttpAnswer refusal(unsigned status, std::string text) {
  return {status, "text/plain; charset=utf-8", text + "\n"};
}

/// "name" of "name:9090", "::1" of "[::1]:9090". Empty: it is none.
std::string host_of(std::string_view text) {
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    return end == std::string_view::npos ? std::string{} : std::string{text.substr(1, end - 1)};
  }
  return to_lower(text.substr(0, text.find(':')));
}

/// By its characters only: nobody can register a name that consists of them.
bool is_address(std::string_view host) {
  const bool six = host.find(':') != std::string_view::npos;
  const auto digits = six ? std::string_view{"0123456789abcdefABCDEF:."} : std::string_view{"0123456789."};
  return !host.empty() && host.find_first_not_of(digits) == std::string_view::npos;
}

bool is_ours(const std::string& host, const HttpRules& rules) {
  return is_address(host) || host == "localhost" ||
         std::find(rules.hosts.begin(), rules.hosts.end(), host) != rules.hosts.end();
}

bool is_our_origin(std::string_view origin, const HttpRules& rules) {
  const auto scheme = origin.find("://");
  return scheme != std::string_view::npos && is_ours(host_of(origin.substr(scheme + 3)), rules);
}

bool has_token(const HttpRequest& request, const HttpRules& rules) {
  constexpr std::string_view scheme = "bearer ";
  if (rules.token == nullptr || !request.authorization) return false;
  const auto given = *request.authorization;
  if (given.size() <= scheme.size() || to_lower(given.substr(0, scheme.size())) != scheme) return false;
  return rules.token->equals(given.substr(scheme.size()));
}

std::optional<Resource> resource_at(std::string_view path) {
  if (path == "/livez") return Resource::live;
  if (path == "/readyz") return Resource::ready;
  if (path == "/startupz") return Resource::started;
  if (path == "/metrics") return Resource::metrics;
  if (path == "/status") return Resource::status;
  return std::nullopt;
}

HttpAnswer from(Health health) {
  return {health.good ? 200U : 503U, "text/plain; charset=utf-8", std::move(health.text)};
}

}  // namespace

void BearerToken::set(Secret token) {
  const std::lock_guard lock{mutex_};
  token_ = std::move(token);
}

bool BearerToken::equals(std::string_view given) const {
  const std::lock_guard lock{mutex_};
  return token_.size() != 0 && token_.equals(given);
}

bool BearerToken::empty() const {
  const std::lock_guard lock{mutex_};
  return token_.size() == 0;
}

std::variant<Resource, HttpAnswer> admit(const HttpRequest& request, const HttpRules& rules) {
  if (rules.tcp) {
    if (!request.host || !is_ours(host_of(*request.host), rules)) {
      return refusal(421, "This Host is not served here: use an address, or add the name to admin.hosts.");
    }
    if (request.origin && !is_our_origin(*request.origin, rules)) {
      return refusal(403, "Requests of other origins are not served.");
    }
  }
  const auto resource = resource_at(request.path);
  if (!resource) return refusal(404, "There are /livez, /readyz, /startupz, /metrics and /status.");
  if (request.method != "GET" && request.method != "HEAD") return refusal(405, "Only GET and HEAD.");
  const bool health = *resource != Resource::metrics && *resource != Resource::status;
  if (!rules.tcp || health || has_token(request, rules)) return *resource;
  return refusal(401, rules.token == nullptr || rules.token->empty()
                          ? "Over TCP this needs a token: set admin.token, or read it from the Unix socket."
                          : "A bearer token is needed: Authorization: Bearer TOKEN.");
}

HttpAnswer answer(Resource resource, const HttpRequest& request, const HttpRules& rules,
                  const broker::Status* status) {
  switch (resource) {
    case Resource::live: return from(live(status));
    case Resource::ready: return from(ready(status, rules.trail_required));
    case Resource::started: return from(started(status));
    case Resource::metrics:
    case Resource::status: break;
  }
  if (status == nullptr) return refusal(503, "The relay loop did not answer in time.");
  if (resource == Resource::status) {
    return {200, "application/json",
            to_json(*status).dump(2, ' ', true, nlohmann::json::error_handler_t::replace) + "\n"};
  }
  const bool open =
      request.accept && request.accept->find("application/openmetrics-text") != std::string_view::npos;
  const auto format = open ? MetricsFormat::openmetrics : MetricsFormat::prometheus;
  return {200, std::string{content_type_of(format)}, encode_metrics(*status, format)};
}

}  // namespace sallyport::admin
