#include "net/tls_explain.h"

#include "net/tls_verify.h"

#include <openssl/err.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

// An alert that the peer sent arrives as reason SSL_AD_REASON_OFFSET + its number (RFC 8446, "Alert Protocol").
constexpr int alert_of(int reason) {
  return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256 ? reason - SSL_AD_REASON_OFFSET
                                                                               : -1;
}

struct Failure {
  unsigned long code = 0;  // of OpenSSL's queue: the first entry is the cause
  int system_error = 0;
  bool sent_certificate = false;
  bool asked_for_certificate = false;
};

Error tls_error(ErrorCode code, std::string what, std::string hint) {
  return {code, Hop::tls, {}, std::move(what), std::move(hint), {}};
}

std::string roots_text(const TlsPolicy& policy) {
  std::string text;
  for (const auto& root : policy.roots) {
    text += (text.empty() ? "" : " or ") + (root == "system" ? "the system's store" : root);
  }
  return text.empty() ? "the system's store" : text;
}

Error explain_refused_certificate(int alert) {
  const std::string refused = "the server refused our client certificate: ";
  const std::string reissue = "Have a client certificate issued that this server accepts.";
  switch (alert) {
    case SSL_AD_CERTIFICATE_EXPIRED:
      return tls_error(ErrorCode::denied, refused + "it has expired", "Renew it.");
    case SSL_AD_CERTIFICATE_REVOKED: return tls_error(ErrorCode::denied, refused + "it was revoked", reissue);
    case SSL_AD_UNKNOWN_CA:
      return tls_error(
          ErrorCode::denied, refused + "it does not know the authority that issued it",
          "Add the authority to the server's client CA file, or use a certificate of one it has; "
          "a missing intermediate belongs into tls.client_certificate.");
    default:
      return tls_error(ErrorCode::denied,
                       refused + "alert " + std::to_string(alert) + ", " + SSL_alert_desc_string_long(alert),
                       reissue);
  }
}

Error certificate_required() {
  return tls_error(
      ErrorCode::bad_config, "the server requires a client certificate, and none is configured",
      "Set tls.client_certificate and tls.client_key, or use a source that yields a certificate.");
}

Error explain_alert(int alert, const Failure& failure, const TlsPolicy& policy) {
  switch (alert) {
    case SSL_AD_CERTIFICATE_REQUIRED: return certificate_required();
    case SSL_AD_PROTOCOL_VERSION:
      return tls_error(
          ErrorCode::peer_unsupported, "the server does not speak TLS " + policy.min_version + " or later",
          "Update the server's TLS" +
              std::string{policy.min_version == "1.3" ? ", or set tls.min_version: \"1.2\"." : "."});
    case SSL_AD_HANDSHAKE_FAILURE:
      if (failure.asked_for_certificate && !failure.sent_certificate) return certificate_required();
      return tls_error(ErrorCode::peer_unsupported, "the server found no cipher or curve in common with us",
                       "Allow ECDHE with AES-GCM or ChaCha20 on the server.");
    case SSL_AD_INSUFFICIENT_SECURITY:
      return tls_error(ErrorCode::peer_unsupported, "the server wants stronger ciphers than we offer",
                       "Allow AES-128-GCM or AES-256-GCM on the server.");
    case SSL_AD_UNRECOGNIZED_NAME:
      return tls_error(ErrorCode::denied, "the server has no certificate for the name that we asked for",
                       "Check the host name, or set tls.server_name (server_name= in a reference).");
    case SSL_AD_NO_APPLICATION_PROTOCOL:
      return tls_error(ErrorCode::peer_unsupported,
                       "something else than the expected protocol answers on this port (ALPN)",
                       "Check host and port.");
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
    case SSL_AD_DECRYPT_ERROR:
      if (failure.sent_certificate) return explain_refused_certificate(alert);
      if (failure.asked_for_certificate) return certificate_required();
      [[fallthrough]];
    default:
      return tls_error(ErrorCode::denied,
                       "the server ended the handshake with alert " + std::to_string(alert) + ", " +
                           SSL_alert_desc_string_long(alert),
                       "The server's log says why.");
  }
}

Error explain_reason(const Failure& failure, const TlsPolicy& policy) {
  const int reason = ERR_GET_REASON(failure.code);
  switch (reason) {
    case SSL_R_WRONG_VERSION_NUMBER:
    case SSL_R_HTTP_REQUEST:
    case SSL_R_UNKNOWN_PROTOCOL:
    case SSL_R_BAD_RECORD_TYPE:
    case SSL_R_PACKET_LENGTH_TOO_LONG:
    case SSL_R_RECORD_LENGTH_MISMATCH:
      return tls_error(ErrorCode::peer_unsupported, "the server answered with bytes that are not TLS",
                       "Check host and port, and that TLS is on there.");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW: return explain_alert(SSL_AD_PROTOCOL_VERSION, failure, policy);
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return tls_error(
          ErrorCode::retry_later, "the server closed the connection during the handshake",
          "It may be restarting, or something on the way does not let TLS through; its log may say more.");
    case SSL_R_DH_KEY_TOO_SMALL:
    case SSL_R_EE_KEY_TOO_SMALL:
    case SSL_R_CA_MD_TOO_WEAK:
      return tls_error(ErrorCode::peer_unsupported, "the server uses keys that are too short to be safe",
                       "Give it ECDSA P-256 or RSA of at least 2048 bits, and Diffie-Hellman parameters of "
                       "at least 2048.");
    default: break;
  }
  const char* text = ERR_reason_error_string(failure.code);
  return tls_error(ErrorCode::invalid_message,
                   std::string{"the handshake failed: "} + (text == nullptr ? "unknown reason" : text),
                   "Check that a TLS server of today is on that port.");
}

Error explain_system_error(int system_error) {
  if (system_error == ECONNRESET || system_error == EPIPE) {
    return tls_error(ErrorCode::retry_later, "the server reset the connection during the handshake",
                     "It may be restarting, or something on the way does not let TLS through.");
  }
  if (system_error == 0) {
    return tls_error(ErrorCode::retry_later, "the server closed the connection during the handshake",
                     "It may be restarting; its log may say more.");
  }
  return tls_error(ErrorCode::retry_later,
                   std::string{"the connection broke: "} + std::strerror(system_error), {});
}

}  // namespace

Error explain_handshake_failure(SSL* ssl, const TlsPolicy& policy, const std::string& host, Moment now) {
  Failure failure;
  failure.system_error = errno;
  failure.code = ERR_peek_error();
  ERR_clear_error();
  const auto* notes = notes_of(ssl);
  failure.sent_certificate = SSL_get_certificate(ssl) != nullptr;
  failure.asked_for_certificate = notes != nullptr && notes->client_certificate_asked_for;

  Error error;
  const int reason = ERR_GET_REASON(failure.code);
  const bool from_ssl = ERR_GET_LIB(failure.code) == ERR_LIB_SSL;
  if (from_ssl && reason == SSL_R_CERTIFICATE_VERIFY_FAILED && notes != nullptr) {
    CertificateProblem problem;
    problem.verify_result = notes->verify_result;
    problem.depth = notes->depth;
    problem.certificate = notes->certificate.get();
    problem.leaf = notes->leaf.get();
    problem.name = policy.server_name.empty() ? host : policy.server_name;
    problem.roots = roots_text(policy);
    problem.roots_setting = "tls.roots (sslrootcert= in a reference)";
    problem.crl_file = policy.crl_file;
    error = explain_certificate(problem, now.wall);
  } else if (from_ssl && alert_of(reason) >= 0) {
    error = explain_alert(alert_of(reason), failure, policy);
  } else if (failure.code != 0 && ERR_GET_LIB(failure.code) != ERR_LIB_SYS) {
    error = explain_reason(failure, policy);
  } else {
    error = explain_system_error(failure.code == 0 ? failure.system_error : reason);
  }
  error.where = host;
  return error;
}

}  // namespace sallyport::net
