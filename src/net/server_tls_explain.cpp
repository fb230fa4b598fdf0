// Why a client's handshake failed. Only the log and the trail read this: whoever failed has not said who it is.
#include "net/server_tls.h"
#include "net/tls_verify.h"

#include <openssl/err.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

// An alert that the peer sent arrives as reason SSL_AD_REASON_OFFSET + its number (RFC 8446, "Alert Protocol").
int alert_of(int reason) {
  return reason >= SSL_AD_REASON_OFFSET && reason < SSL_AD_REASON_OFFSET + 256 ? reason - SSL_AD_REASON_OFFSET
                                                                               : -1;
}

Error failed(ErrorCode code, std::string what, std::string hint = {}) {
  return {code, Hop::identity, "client TLS", std::move(what), std::move(hint), "28000"};
}

/// A name out of a stranger's certificate, fit for a log.
std::string shown(const X509_NAME* name) {
  char text[160] = "";
  if (name != nullptr) X509_NAME_oneline(name, text, sizeof text);
  std::string out;
  for (const char c : std::string{text}) out += c >= ' ' && c <= '~' && c != '`' ? c : '?';
  return "`" + out + "`";
}

Error explain_certificate(const HandshakeNotes& notes, const ClientTlsPolicy& policy, WallTime now) {
  auto* certificate = notes.certificate.get();
  std::string whose = "the client's certificate";
  if (notes.leaf != nullptr) whose += " " + shown(X509_get_subject_name(notes.leaf.get()));
  if (notes.depth > 0 && certificate != nullptr) {
    whose += ": its authority " + shown(X509_get_subject_name(certificate));
  }
  const std::string issuer =
      certificate == nullptr ? std::string{"an authority"} : shown(X509_get_issuer_name(certificate));
  switch (notes.verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return failed(
          ErrorCode::denied, whose + " has expired",
          "Renew it, or set this machine's clock (it says " + format_utc(now).substr(0, 16) + "Z).");
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return failed(ErrorCode::denied, whose + " is not valid yet",
                    "Compare the clocks of this machine (it says " + format_utc(now).substr(0, 16) +
                        "Z) and of the one that issued it.");
    case X509_V_ERR_CERT_REVOKED:
      return failed(ErrorCode::denied, whose + " was revoked", "Whoever holds its key may be a stranger.");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
      return failed(ErrorCode::denied,
                    whose + " leads to " + issuer + ", which is not in " + policy.client_ca_file,
                    "If it is one of yours, add the authority to tls.client_ca, or let the client send its "
                    "intermediate certificates.");
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
      return failed(ErrorCode::denied, whose + " is self-signed", "Have it issued by an authority.");
    case X509_V_ERR_INVALID_PURPOSE:
      return failed(ErrorCode::denied,
                    whose + " is not meant for clients (its extended key usage lacks clientAuth)",
                    "Have it reissued for client authentication.");
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return failed(ErrorCode::bad_config, policy.client_crl_file + " has no revocation list of " + issuer,
                    "Add one for every authority of the chain, or unset tls.client_crl.");
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return failed(ErrorCode::bad_config,
                    "the revocation list of " + issuer + " in " + policy.client_crl_file + " has expired",
                    "Replace the file by the authority's current list.");
    default:
      return failed(ErrorCode::denied,
                    whose + " is not acceptable: " + X509_verify_cert_error_string(notes.verify_result));
  }
}

Error explain_alert(int alert) {
  const std::string named = "alert " + std::to_string(alert) + ", " + SSL_alert_desc_string_long(alert);
  switch (alert) {
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_CERTIFICATE_EXPIRED:
      return failed(
          ErrorCode::denied, "the client does not accept our certificate (" + named + ")",
          "Give the client our authority (sslrootcert), a name that the certificate has, or renew it.");
    default: return failed(ErrorCode::denied, "the client ended the handshake (" + named + ")");
  }
}

Error explain_reason(int reason) {
  switch (reason) {
    case SSL_R_NO_APPLICATION_PROTOCOL:
    case SSL_R_CALLBACK_FAILED:
      return failed(ErrorCode::peer_unsupported, "the client did not ask for protocol `postgresql` (ALPN)",
                    "Direct TLS needs it: it keeps other protocols' clients from being led here.");
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_VERSION_TOO_LOW:
      return failed(ErrorCode::peer_unsupported, "the client does not speak TLS 1.2 or later", "Update it.");
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
      return failed(ErrorCode::peer_unsupported, "the client has no cipher or curve in common with us");
    case SSL_R_UNEXPECTED_EOF_WHILE_READING:
      return failed(ErrorCode::cancelled, "the client closed the connection during the handshake");
    case SSL_R_EXCESSIVE_MESSAGE_SIZE:
      return failed(ErrorCode::limit_exceeded, "the client's certificate chain is longer than 32 kB");
    default: break;
  }
  const char* text = ERR_reason_error_string(ERR_PACK(ERR_LIB_SSL, 0, reason));
  return failed(ErrorCode::invalid_message,
                std::string{"the client's handshake failed: "} + (text == nullptr ? "unknown reason" : text));
}

}  // namespace

Error explain_client_handshake(SSL* ssl, const ServerTls& context, WallTime now) {
  const int system_error = errno;
  const auto code = ERR_peek_error();
  ERR_clear_error();
  const int reason = ERR_GET_REASON(code);
  const auto* notes = notes_of(ssl);
  if (code == 0 || ERR_GET_LIB(code) == ERR_LIB_SYS) {
    return failed(ErrorCode::cancelled, system_error == 0
                                            ? "the client closed the connection during the handshake"
                                            : "the connection broke during the handshake: " +
                                                  std::string{std::strerror(system_error)});
  }
  if (reason == SSL_R_CERTIFICATE_VERIFY_FAILED && notes != nullptr) {
    return explain_certificate(*notes, context.policy(), now);
  }
  return alert_of(reason) >= 0 ? explain_alert(alert_of(reason)) : explain_reason(reason);
}

}  // namespace sallyport::net
