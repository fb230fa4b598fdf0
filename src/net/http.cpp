#include "net/http.h"

#include "base/trusted_file.h"
#include "net/curl_library.h"
#include "net/http_error.h"
#include "net/http_exchange.h"
#include "net/http_request.h"
#include "net/kept_connection.h"

#include <algorithm>
#include <array>

namespace sallyport::net {

namespace {

/// Long enough for what a conversation asks in a row, too short for a server to have lost patience.
constexpr long kept_idle_seconds = 1;

void set_method_and_body(Options& easy, const HttpRequest& request) {
  if (request.method == "HEAD") {
    set(easy, CURLOPT_NOBODY, 1L);
    return;
  }
  if (!request.body.empty() || request.method == "POST" || request.method == "PUT") {
    set(easy, CURLOPT_POST, 1L);
    set(easy, CURLOPT_POSTFIELDSIZE_LARGE, static_cast<curl_off_t>(request.body.size()));
    set(easy, CURLOPT_POSTFIELDS,
        request.body.empty() ? "" : request.body.reveal().data());  // borrowed, not copied
  }
  set(easy, CURLOPT_CUSTOMREQUEST, request.method.c_str());
}

void set_fixed_options(Options& easy) {
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(easy, CURLOPT_MAXCONNECTS, 1L);
  set(easy, CURLOPT_MAXAGE_CONN, kept_idle_seconds);
  set(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
}

/// libcurl asks the environment for what is not set, so both are always set.
void set_proxy(Options& easy, const HttpSettings& settings, bool used) {
  auto proxy = Secret::of_size(settings.https_proxy.size() + 1);  // zero byte at the end
  if (used) std::ranges::copy(settings.https_proxy.reveal(), proxy.writable().begin());
  set(easy, CURLOPT_PROXY, proxy.reveal().data());
  set(easy, CURLOPT_NOPROXY, settings.no_proxy.c_str());
}

void set_request(Options& easy, const HttpRequest& request, const HttpSettings& settings, bool proxied) {
  set_fixed_options(easy);
  set_method_and_body(easy, request);
  set_proxy(easy, settings, proxied);
  set(easy, CURLOPT_URL, request.url.c_str());
  const auto agent = settings.user_agent + (settings.version.empty() ? "" : "/" + settings.version);
  set(easy, CURLOPT_USERAGENT, agent.c_str());
  set_material(easy, request);
}

Error not_prepared(CURLcode why) {
  if (why == CURLE_OUT_OF_MEMORY)
    return {ErrorCode::retry_later, Hop::secret_source, "libcurl, not sent", "out of memory", {}, {}};
  return {ErrorCode::internal,
          Hop::secret_source,
          "libcurl, not sent",
          std::string{"does not take an option that we rely on: "} + curl().easy_strerror(why),
          "Use the libcurl of the system.",
          {}};
}

long milliseconds(Duration duration) {
  return static_cast<long>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 1));
}

HttpPeer peer_of(const Url& url, const HttpRequest& request) {
  return {url.scheme + "://" + url.host + ":" + url.port, request.ca_file,
          request.authorities ? request.authorities->pem : std::string{}, request.client_certificate};
}

/// Whoever writes the authorities decides who gets our token (threat 14).
Result<void> check_ca_file(const Url& url, const std::string& file) {
  if (file.empty() || url.scheme != "https") return {};
  auto checked = check_trusted_file(file);
  if (checked) return {};
  auto error = located_at(file, checked.error());
  error.what = "the CA file " + file + (error.what.starts_with("/") ? ": " : " ") + error.what;
  error.hop = Hop::secret_source;
  error.where = url.host + ":" + url.port + ", not sent";
  return error;
}

}  // namespace

HttpSettings http_settings_from(
    const std::function<std::optional<std::string>(const std::string&)>& variable) {
  const auto either = [&](const char* lower, const char* upper) {
    auto value = variable(lower);
    if (!value || value->empty()) value = variable(upper);
    return value.value_or("");
  };
  HttpSettings settings;
  auto proxy = either("https_proxy", "HTTPS_PROXY");
  settings.https_proxy = Secret::copy_of(proxy);
  wipe_memory(proxy.data(), proxy.size());
  settings.no_proxy = either("no_proxy", "NO_PROXY");
  return settings;
}

Result<HttpReply> HttpClient::perform(const HttpRequest& request) const {
  KeptConnection alone;
  return perform(request, alone);
}

Result<HttpReply> HttpClient::perform(const HttpRequest& request, KeptConnection& kept) const {
  const auto start = std::chrono::steady_clock::now();
  const auto url = parse_url(request);
  if (url.has_error()) return url.error();
  if (!is_token(request.method)) {
    return Error{ErrorCode::bad_config, Hop::secret_source,  "method",
                 "is no HTTP method",   "This is a defect.", {}};
  }
  if (auto trusted = check_ca_file(*url, request.ca_file); trusted.has_error()) return trusted.error();
  auto headers = headers_of(request);
  if (headers.has_error()) return headers.error();

  const bool plain = url->scheme == "http";
  const bool proxied = !plain && !settings_.https_proxy.empty() && !is_local(*url);
  HeaderList resolved;
  if (!proxied) {
    auto found = resolve_for(*url);
    if (found.has_error()) return found.error();
    resolved = std::move(*found);
  }

  auto handle = kept.take(peer_of(*url, request));
  auto* easy = handle->easy.get();
  if (easy == nullptr) return not_prepared(CURLE_OUT_OF_MEMORY);
  Exchange exchange{*url, handle->notes};
  exchange.plain = plain;
  exchange.name_is_ours_to_check = !proxied || !settings_.https_proxy.reveal().starts_with("https:");
  exchange.failure.proxied = proxied;
  std::array<char, CURL_ERROR_SIZE> words{};
  const auto left = request.deadline - (std::chrono::steady_clock::now() - start);
  const auto connect_deadline = std::min<Duration>(request.deadline, http_connect_deadline);
  Options options{easy};
  set_callbacks(options, exchange);
  set_request(options, request, settings_, proxied);
  set(options, CURLOPT_HTTPHEADER, headers->get());
  set(options, CURLOPT_RESOLVE, resolved.get());
  set(options, CURLOPT_ERRORBUFFER, words.data());
  set(options, CURLOPT_TIMEOUT_MS, milliseconds(left));
  set(options, CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min<Duration>(left, connect_deadline)));
  if (options.refused != CURLE_OK) {
    curl().easy_reset(easy);
    return not_prepared(options.refused);
  }

  const auto code = curl().easy_perform(easy);
  long status = 0;
  auto& failure = exchange.failure;
  curl().easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  curl().easy_getinfo(easy, CURLINFO_OS_ERRNO, &failure.system_error);
  curl().easy_reset(easy);  // it points at this request, and may outlive it
  set(options, CURLOPT_NOSIGNAL, 1L);
  if (code == CURLE_OK) {
    exchange.reply.status = static_cast<int>(status);
    exchange.reply.body.shrink(exchange.body_size);
    // The context of a connection that shows a certificate holds its key.
    if (request.client_certificate.empty()) kept.give_back(std::move(handle));
    return std::move(exchange.reply);
  }
  failure.code = code;
  failure.text = words[0] == '\0' ? curl().easy_strerror(code) : words.data();
  if (exchange.sent_again) failure.text = "the server closed it without an answer";
  failure.deadline = failure.sent ? request.deadline : connect_deadline;
  failure.host = url->host;
  failure.port = url->port;
  failure.ca_file = request.authorities ? request.authorities->from : request.ca_file;
  failure.notes = &handle->notes;
  return explain_http_failure(failure, std::chrono::system_clock::now());
}

}  // namespace sallyport::net
