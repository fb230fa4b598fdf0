#include "net/http.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/registers.h"
#include "base/trusted_file.h"
#include "net/dns.h"
#include "net/http_error.h"
#include "net/http_request.h"

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <memory>

namespace sallyport::net {

namespace {

constexpr std::size_t first_body_bytes = 4096;

struct EasyFree {
  void operator()(CURL* easy) const { curl_easy_cleanup(easy); }
};

/// One request while it runs; libcurl's callbacks write here.
struct Exchange {
  const Url& url;
  bool plain = false;
  bool name_is_ours_to_check = true;
  HandshakeNotes notes;
  HttpFailure failure;
  HttpReply reply;
  std::size_t body_size = 0;
  std::size_t header_bytes = 0;

  bool make_room(std::size_t wanted) {
    if (wanted > limits::secret_reply_bytes_max) return false;
    if (wanted <= reply.body.size()) return true;
    auto larger = Secret::of_size(std::min(std::max({wanted, reply.body.size() * 2, first_body_bytes}),
                                           limits::secret_reply_bytes_max));
    std::ranges::copy(reply.body.writable().first(body_size), larger.writable().begin());
    reply.body = std::move(larger);
    return true;
  }
};

std::size_t on_body(char* data, std::size_t one, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const auto size = one * count;
  if (!exchange.make_room(exchange.body_size + size)) {
    exchange.failure.body_too_large = true;
    return 0;
  }
  std::memcpy(exchange.reply.body.writable().data() + exchange.body_size, data, size);
  exchange.body_size += size;
  return size;
}

std::size_t on_header(char* data, std::size_t one, std::size_t count, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  const std::string_view line{data, one * count};
  exchange.header_bytes += line.size();
  if (exchange.header_bytes > reply_header_bytes_max) {
    exchange.failure.headers_too_large = true;
    return 0;
  }
  if (line.starts_with("HTTP/")) exchange.reply.headers.clear();  // what came before was an interim reply
  const auto colon = line.find(':');
  if (colon == std::string_view::npos) return line.size();
  auto name = to_lower(line.substr(0, colon));
  auto value = line.substr(colon + 1);
  const auto first = value.find_first_not_of(" \t");
  const auto last = value.find_last_not_of(" \t\r\n");
  value = first == std::string_view::npos || last == std::string_view::npos || last < first
              ? std::string_view{}
              : value.substr(first, last - first + 1);
  exchange.reply.headers.emplace_back(std::move(name), value);
  return line.size();
}

/// The connection stands, TLS included, and not a byte of the request has left.
int on_connected(void* user, char* peer_ip, char*, int, int) {
  auto& exchange = *static_cast<Exchange*>(user);
  if (exchange.plain) {
    const auto address = literal_address(peer_ip == nullptr ? "" : peer_ip, 0);
    if (!address || !(address->is_loopback() || address->is_link_local())) {
      exchange.failure.address_refused = true;
      exchange.failure.address = peer_ip == nullptr ? "?" : peer_ip;
      return CURL_PREREQFUNC_ABORT;
    }
  }
  exchange.failure.sent = true;
  return CURL_PREREQFUNC_OK;
}

/// libcurl calls it after it has sent what it could, before it waits.
int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  clear_vector_registers();
  return 0;
}

CURLcode on_tls_context(CURL*, void* context, void* user) {
  auto& exchange = *static_cast<Exchange*>(user);
  exchange.failure.connected = true;  // a handshake begins once TCP stands
  auto* tls = static_cast<SSL_CTX*>(context);
  take_notes(tls, exchange.notes);
  if (!exchange.name_is_ours_to_check) return CURLE_OK;
  // libcurl checks the name itself, after the handshake; checked by OpenSSL as well, the failure has our words.
  auto* expected = SSL_CTX_get0_param(tls);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  auto name = exchange.url.host;
  if (name.size() > 1 && name.back() == '.') name.pop_back();
  const bool set = is_ip_literal(name)
                       ? X509_VERIFY_PARAM_set1_ip_asc(expected, name.substr(0, name.find('%')).c_str()) == 1
                       : X509_VERIFY_PARAM_set1_host(expected, name.c_str(), name.size()) == 1;
  return set ? CURLE_OK : CURLE_SSL_CONNECT_ERROR;
}

template <class T>
void set(CURL* easy, CURLoption option, T value) {
  curl_easy_setopt(easy, option, value);
}

void set_method_and_body(CURL* easy, const HttpRequest& request) {
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

void set_fixed_options(CURL* easy) {
  set(easy, CURLOPT_PROTOCOLS_STR, "http,https");
  set(easy, CURLOPT_FOLLOWLOCATION, 0L);
  set(easy, CURLOPT_NETRC, static_cast<long>(CURL_NETRC_IGNORED));
  set(easy, CURLOPT_DISALLOW_USERNAME_IN_URL, 1L);
  set(easy, CURLOPT_PATH_AS_IS, 1L);
  set(easy, CURLOPT_NOSIGNAL, 1L);
  set(easy, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_1_1));
  set(easy, CURLOPT_HTTP09_ALLOWED, 0L);
  set(easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  // One request, one connection: nothing is sent twice behind our back, nothing is kept.
  set(easy, CURLOPT_FRESH_CONNECT, 1L);
  set(easy, CURLOPT_FORBID_REUSE, 1L);
  set(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L);
  set(easy, CURLOPT_SSL_VERIFYPEER, 1L);
  set(easy, CURLOPT_SSL_VERIFYHOST, 2L);
  set(easy, CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
}

void set_callbacks(CURL* easy, Exchange& exchange) {
  set(easy, CURLOPT_WRITEFUNCTION, on_body);
  set(easy, CURLOPT_WRITEDATA, &exchange);
  set(easy, CURLOPT_HEADERFUNCTION, on_header);
  set(easy, CURLOPT_HEADERDATA, &exchange);
  set(easy, CURLOPT_PREREQFUNCTION, on_connected);
  set(easy, CURLOPT_PREREQDATA, &exchange);
  set(easy, CURLOPT_NOPROGRESS, 0L);
  set(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  set(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
  set(easy, CURLOPT_SSL_CTX_DATA, &exchange);
}

/// libcurl asks the environment for what is not set, so both are always set.
void set_proxy(CURL* easy, const HttpSettings& settings, bool used) {
  auto proxy = Secret::of_size(settings.https_proxy.size() + 1);  // zero byte at the end
  if (used) std::ranges::copy(settings.https_proxy.reveal(), proxy.writable().begin());
  set(easy, CURLOPT_PROXY, proxy.reveal().data());
  set(easy, CURLOPT_NOPROXY, settings.no_proxy.c_str());
}

long milliseconds(Duration duration) {
  return static_cast<long>(
      std::max<std::int64_t>(std::chrono::ceil<std::chrono::milliseconds>(duration).count(), 1));
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

  Exchange exchange{*url};
  exchange.plain = url->scheme == "http";
  const bool proxied = !exchange.plain && !settings_.https_proxy.empty() && !is_local(*url);
  exchange.name_is_ours_to_check = !proxied || !settings_.https_proxy.reveal().starts_with("https:");
  exchange.failure.proxied = proxied;
  HeaderList resolved;
  if (!proxied) {
    auto found = resolve_for(*url);
    if (found.has_error()) return found.error();
    resolved = std::move(*found);
  }

  const std::unique_ptr<CURL, EasyFree> easy{curl_easy_init()};
  if (easy == nullptr)
    return Error{ErrorCode::retry_later, Hop::secret_source, "libcurl, not sent", "out of memory", {}, {}};
  std::array<char, CURL_ERROR_SIZE> words{};
  set_fixed_options(easy.get());
  set_callbacks(easy.get(), exchange);
  set_method_and_body(easy.get(), request);
  set_proxy(easy.get(), settings_, proxied);
  set(easy.get(), CURLOPT_URL, request.url.c_str());
  set(easy.get(), CURLOPT_HTTPHEADER, headers->get());
  set(easy.get(), CURLOPT_RESOLVE, resolved.get());
  set(easy.get(), CURLOPT_ERRORBUFFER, words.data());
  const auto agent = settings_.user_agent + (settings_.version.empty() ? "" : "/" + settings_.version);
  set(easy.get(), CURLOPT_USERAGENT, agent.c_str());
  if (!request.ca_file.empty()) {
    set(easy.get(), CURLOPT_CAINFO, request.ca_file.c_str());
    set(easy.get(), CURLOPT_CAPATH,
        static_cast<const char*>(nullptr));  // else the system's store counts, too
  }
  set_material(easy.get(), request);
  const auto left = request.deadline - (std::chrono::steady_clock::now() - start);
  const auto connect_deadline = std::min<Duration>(request.deadline, http_connect_deadline);
  set(easy.get(), CURLOPT_TIMEOUT_MS, milliseconds(left));
  set(easy.get(), CURLOPT_CONNECTTIMEOUT_MS, milliseconds(std::min<Duration>(left, connect_deadline)));

  const auto code = curl_easy_perform(easy.get());
  if (code == CURLE_OK) {
    long status = 0;
    curl_easy_getinfo(easy.get(), CURLINFO_RESPONSE_CODE, &status);
    exchange.reply.status = static_cast<int>(status);
    exchange.reply.body.shrink(exchange.body_size);
    return std::move(exchange.reply);
  }
  auto& failure = exchange.failure;
  failure.code = code;
  failure.text = words[0] == '\0' ? curl_easy_strerror(code) : words.data();
  curl_easy_getinfo(easy.get(), CURLINFO_OS_ERRNO, &failure.system_error);
  failure.deadline = failure.sent ? request.deadline : connect_deadline;
  failure.host = url->host;
  failure.port = url->port;
  failure.ca_file = request.authorities ? request.authorities->from : request.ca_file;
  failure.notes = &exchange.notes;
  return explain_http_failure(failure, std::chrono::system_clock::now());
}

}  // namespace sallyport::net
