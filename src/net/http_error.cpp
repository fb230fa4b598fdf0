#include "net/http_error.h"

#include "base/limits.h"
#include "net/http.h"
#include "net/tls_explain.h"

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

Error fault(ErrorCode code, std::string what, std::string hint = {}) {
  return {code, Hop::secret_source, {}, std::move(what), std::move(hint), {}};
}

/// libcurl's text may quote the server.
std::string printable(const std::string& text) {
  std::string out = text.substr(0, 200);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

bool says(const HttpFailure& failure, const char* words) {
  return failure.text.find(words) != std::string::npos;
}

Error explain_certificate_of(const HttpFailure& failure, WallTime now) {
  CertificateProblem problem;
  problem.verify_result = failure.notes->verify_result;
  problem.depth = failure.notes->depth;
  problem.certificate = failure.notes->certificate.get();
  problem.leaf = failure.notes->leaf.get();
  problem.name = failure.host;
  problem.roots = failure.ca_file.empty() ? "the system's store" : failure.ca_file;
  problem.roots_setting = failure.ca_file.empty() ? "the system's store, or name a CA file" : failure.ca_file;
  auto error = explain_certificate(problem, now);
  error.hop = Hop::secret_source;
  return error;
}

Error explain_tls(const HttpFailure& failure, WallTime now) {
  if (failure.notes != nullptr && failure.notes->verify_result != X509_V_OK)
    return explain_certificate_of(failure, now);
  if (failure.code == CURLE_SSL_CACERT_BADFILE) {
    return fault(ErrorCode::bad_config,
                 "the CA file " + failure.ca_file + " cannot be read, or holds no certificate",
                 "Name a PEM file with -----BEGIN CERTIFICATE-----.");
  }
  if (says(failure, "wrong version number") || says(failure, "http request") ||
      says(failure, "packet length too long")) {
    return fault(ErrorCode::peer_unsupported, "the server answered with bytes that are not TLS",
                 "Check the port; if the server speaks plain http, give it a certificate.");
  }
  if (says(failure, "unexpected eof") || says(failure, "SSL_ERROR_SYSCALL") ||
      says(failure, "reset by peer")) {
    return fault(ErrorCode::retry_later, "the server closed the connection during the TLS handshake",
                 "It may be restarting.");
  }
  if (says(failure, "alert protocol version") || says(failure, "unsupported protocol")) {
    return fault(ErrorCode::peer_unsupported, "the server does not speak TLS 1.2 or later",
                 "Update the server's TLS.");
  }
  if (says(failure, "certificate required")) {
    return fault(ErrorCode::denied, "the server requires a client certificate, which is not supported here",
                 {});
  }
  return fault(
      failure.code == CURLE_PEER_FAILED_VERIFICATION ? ErrorCode::denied : ErrorCode::peer_unsupported,
      "the TLS handshake failed: " + printable(failure.text), "The server's log may say more.");
}

/// libcurl's words name whom it could not connect to.
bool is_of_the_proxy(const HttpFailure& failure) {
  return failure.proxied && says(failure, "Failed to connect to ") &&
         !says(failure, (" " + failure.host + " port").c_str());
}

Error explain_connect(const HttpFailure& failure) {
  if (is_of_the_proxy(failure)) {
    return fault(ErrorCode::retry_later,
                 "the proxy in HTTPS_PROXY cannot be connected to: " + printable(failure.text),
                 "Correct HTTPS_PROXY, see that the proxy runs, or add the host to NO_PROXY.");
  }
  switch (failure.system_error) {
    case ECONNREFUSED:
      return fault(ErrorCode::retry_later, "refused the connection: nothing listens there",
                   "Check host and port, and that it runs.");
    case ENETUNREACH:
    case EHOSTUNREACH:
      return fault(ErrorCode::retry_later, "cannot be reached: there is no route to it",
                   "Check the network.");
    case 0:
      return fault(ErrorCode::retry_later, "cannot be connected to", "Check host and port, and the network.");
    default:
      return fault(
          ErrorCode::retry_later,
          std::string{"cannot be connected to: "} + std::strerror(static_cast<int>(failure.system_error)),
          "Check host and port, and the network.");
  }
}

Error explain_not_sent(const HttpFailure& failure, WallTime now) {
  if (failure.address_refused) {
    return fault(ErrorCode::denied,
                 "plain http to " + failure.address + " would send secrets in clear over a network",
                 "Use https; plain http is for loopback and link-local metadata addresses only.");
  }
  switch (failure.code) {
    case CURLE_OPERATION_TIMEDOUT:
      return failure.connected
                 ? fault(ErrorCode::retry_later,
                         "the TLS handshake did not end within " + format_duration(failure.deadline),
                         "It may be overloaded.")
                 : fault(ErrorCode::retry_later, "no connection within " + format_duration(failure.deadline),
                         "Check host and port, and firewalls on the way.");
    case CURLE_COULDNT_RESOLVE_HOST:
      return fault(ErrorCode::retry_later, "the host name cannot be resolved",
                   "Check the spelling and the name server.");
    case CURLE_COULDNT_RESOLVE_PROXY:
      return fault(ErrorCode::bad_config, "the name of the proxy in HTTPS_PROXY cannot be resolved",
                   "Correct HTTPS_PROXY, or add the host to NO_PROXY.");
    case CURLE_COULDNT_CONNECT: return explain_connect(failure);
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_SSL_CIPHER: return explain_tls(failure, now);
    default: break;
  }
  if (says(failure, "response 401") || says(failure, "response 403") || says(failure, "response 407")) {
    return fault(
        ErrorCode::denied, "the proxy in HTTPS_PROXY refused: " + printable(failure.text),
        "Correct the user and password in HTTPS_PROXY, allow the host there, or add it to NO_PROXY.");
  }
  if (says(failure, "CONNECT")) {
    return fault(ErrorCode::retry_later, "the proxy in HTTPS_PROXY refused: " + printable(failure.text),
                 "Allow the host there, or add it to NO_PROXY.");
  }
  if (failure.code == CURLE_OUT_OF_MEMORY || failure.code == CURLE_FAILED_INIT) {
    return fault(ErrorCode::retry_later, "the request could not be prepared: " + printable(failure.text));
  }
  return fault(ErrorCode::retry_later, "the connection failed: " + printable(failure.text),
               "Check host and port.");
}

Error explain_sent(const HttpFailure& failure) {
  if (failure.body_too_large) {
    return fault(ErrorCode::limit_exceeded,
                 "the reply is larger than " + std::to_string(limits::secret_reply_bytes_max) + " bytes",
                 "Check that the address is a secret manager's.");
  }
  if (failure.headers_too_large) {
    return fault(ErrorCode::limit_exceeded,
                 "the reply's headers are larger than " + std::to_string(reply_header_bytes_max) + " bytes",
                 "Check that the address is a secret manager's.");
  }
  switch (failure.code) {
    case CURLE_OPERATION_TIMEDOUT:
      return fault(ErrorCode::timed_out, "no whole reply within " + format_duration(failure.deadline),
                   "The request may have been executed all the same.");
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_BAD_CONTENT_ENCODING:
      return fault(ErrorCode::invalid_message, "the reply is not HTTP", "Check host and port.");
    default:
      return fault(ErrorCode::peer_misbehaved,
                   "the connection broke before the reply was whole: " + printable(failure.text),
                   "The request may have been executed all the same.");
  }
}

}  // namespace

Error explain_http_failure(const HttpFailure& failure, WallTime now) {
  auto error = failure.sent ? explain_sent(failure) : explain_not_sent(failure, now);
  error.where = failure.host + ":" + failure.port + (failure.sent ? "" : ", not sent");
  return error;
}

bool may_have_been_executed(const Error& error) {
  switch (error.code) {
    case ErrorCode::timed_out:
    case ErrorCode::peer_misbehaved:
    case ErrorCode::invalid_message:
    case ErrorCode::limit_exceeded: return true;
    default: return false;
  }
}

}  // namespace sallyport::net
