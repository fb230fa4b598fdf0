#include "net/http_exchange.h"

#include "base/ascii.h"
#include "base/limits.h"
#include "base/registers.h"
#include "net/dns.h"
#include "net/http.h"

#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <new>

namespace sallyport::net {

namespace {

constexpr std::size_t first_body_bytes = 4096;

/// No exception may pass through the frames of libcurl, which is C: out of memory is a failure like others.
template <class Answer, class Work>
Answer without_exceptions(Answer failed, const Work& work) {
  try {
    return work();
  } catch (const std::bad_alloc&) {
    return failed;
  }
}

std::size_t take_body(char* data, std::size_t one, std::size_t count, Exchange& exchange) {
  const auto size = one * count;
  if (!exchange.make_room(exchange.body_size + size)) {
    exchange.failure.body_too_large = true;
    return 0;
  }
  std::memcpy(exchange.reply.body.writable().data() + exchange.body_size, data, size);
  exchange.body_size += size;
  return size;
}

std::size_t on_body(char* data, std::size_t one, std::size_t count, void* user) {
  return without_exceptions(std::size_t{0},
                            [&] { return take_body(data, one, count, *static_cast<Exchange*>(user)); });
}

std::size_t take_header(char* data, std::size_t one, std::size_t count, Exchange& exchange) {
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

std::size_t on_header(char* data, std::size_t one, std::size_t count, void* user) {
  return without_exceptions(std::size_t{0},
                            [&] { return take_header(data, one, count, *static_cast<Exchange*>(user)); });
}

int check_connected(Exchange& exchange, const char* peer_ip) {
  if (exchange.failure.sent) {
    // libcurl repeats what a kept connection closed under; whether that may be is the conversation's to say.
    exchange.sent_again = true;
    return CURL_PREREQFUNC_ABORT;
  }
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

/// The connection stands, TLS included; called before the request is sent, or sent again.
int on_connected(void* user, char* peer_ip, char*, int, int) {
  return without_exceptions(CURL_PREREQFUNC_ABORT,
                            [&] { return check_connected(*static_cast<Exchange*>(user), peer_ip); });
}

/// libcurl calls it after it has sent what it could, before it waits.
int on_progress(void*, curl_off_t, curl_off_t, curl_off_t, curl_off_t) {
  clear_vector_registers();
  return 0;
}

CURLcode prepare_tls(Exchange& exchange, void* context) {
  exchange.failure.connected = true;  // a handshake begins once TCP stands
  auto* tls = static_cast<SSL_CTX*>(context);
  take_notes(tls, exchange.notes);
  // libcurl, when it is loaded, looks for SSLKEYLOGFILE.
  SSL_CTX_set_keylog_callback(tls, nullptr);
  // Closing sends nothing, as the socket is shut down by then.
  SSL_CTX_set_quiet_shutdown(tls, 1);
  // What is kept between requests stays what was verified, and holds no plaintext.
  SSL_CTX_set_options(tls, SSL_OP_NO_RENEGOTIATION);
  SSL_CTX_set_mode(tls, SSL_MODE_RELEASE_BUFFERS);
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

CURLcode on_tls_context(CURL*, void* context, void* user) {
  return without_exceptions(CURLE_OUT_OF_MEMORY,
                            [&] { return prepare_tls(*static_cast<Exchange*>(user), context); });
}

/// Not the child's that is forked meanwhile.
curl_socket_t open_socket(void*, curlsocktype, curl_sockaddr* address) {
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

}  // namespace

bool Exchange::make_room(std::size_t wanted) {
  if (wanted > limits::secret_reply_bytes_max) return false;
  if (wanted <= reply.body.size()) return true;
  auto larger = Secret::of_size(
      std::min(std::max({wanted, reply.body.size() * 2, first_body_bytes}), limits::secret_reply_bytes_max));
  std::ranges::copy(reply.body.writable().first(body_size), larger.writable().begin());
  reply.body = std::move(larger);
  return true;
}

void set_callbacks(Options& easy, Exchange& exchange) {
  set(easy, CURLOPT_WRITEFUNCTION, on_body);
  set(easy, CURLOPT_WRITEDATA, &exchange);
  set(easy, CURLOPT_HEADERFUNCTION, on_header);
  set(easy, CURLOPT_HEADERDATA, &exchange);
  set(easy, CURLOPT_PREREQFUNCTION, on_connected);
  set(easy, CURLOPT_PREREQDATA, &exchange);
  set(easy, CURLOPT_OPENSOCKETFUNCTION, open_socket);
  set(easy, CURLOPT_NOPROGRESS, 0L);
  set(easy, CURLOPT_XFERINFOFUNCTION, on_progress);
  set(easy, CURLOPT_SSL_CTX_FUNCTION, on_tls_context);
  set(easy, CURLOPT_SSL_CTX_DATA, &exchange);
}

}  // namespace sallyport::net
