// What is wrong with a certificate, in words (the certificate half of tls_explain.h).
#include "base/ascii.h"
#include "net/tls_explain.h"
#include "net/tls_material.h"

#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>

#include <cstring>
#include <memory>
#include <optional>

namespace sallyport::net {

namespace {

constexpr std::size_t text_bytes_max = 120;

struct NamesFree {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};

/// Printable ASCII, bounded: it comes from a stranger and goes to a terminal.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, text_bytes_max)) out += c >= ' ' && c <= '~' && c != '`' ? c : '?';
  if (text.size() > text_bytes_max) out += "...";
  return out;
}

std::string text_of(const ASN1_STRING* string) {
  unsigned char* utf8 = nullptr;
  const int size = string == nullptr ? -1 : ASN1_STRING_to_UTF8(&utf8, string);
  if (size < 0) return {};
  auto text = printable({reinterpret_cast<const char*>(utf8), static_cast<std::size_t>(size)});
  OPENSSL_free(utf8);
  return text;
}

std::string entry_of(const X509_NAME* name, int nid) {
  const int at = name == nullptr ? -1 : X509_NAME_get_index_by_NID(name, nid, -1);
  return at < 0 ? std::string{} : text_of(X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at)));
}

/// An authority's common name, or its organisation.
std::string title_of(const X509_NAME* name) {
  for (const int nid : {NID_commonName, NID_organizationalUnitName, NID_organizationName}) {
    if (auto text = entry_of(name, nid); !text.empty()) return "`" + text + "`";
  }
  return "an authority without a name";
}

std::string ip_text(const ASN1_OCTET_STRING* octets) {
  char text[INET6_ADDRSTRLEN] = "?";
  const auto size = ASN1_STRING_length(octets);
  inet_ntop(size == 4 ? AF_INET : AF_INET6, ASN1_STRING_get0_data(octets), text, sizeof text);
  return size == 4 || size == 16 ? text : "?";
}

std::optional<std::string> name_text(const GENERAL_NAME* name) {
  if (name->type == GEN_DNS) {
    return printable({reinterpret_cast<const char*>(ASN1_STRING_get0_data(name->d.dNSName)),
                      static_cast<std::size_t>(ASN1_STRING_length(name->d.dNSName))});
  }
  if (name->type == GEN_IPADD) return ip_text(name->d.iPAddress);
  return {};
}

std::string day(WallTime time) { return format_utc(time).substr(0, 10); }

/// "the certificate", or for one further up "the certificate of the authority `X`".
std::string subject_text(const CertificateProblem& problem) {
  if (problem.depth == 0 || problem.certificate == nullptr) return "the certificate";
  return "the certificate of the authority " + title_of(X509_get_subject_name(problem.certificate));
}

Error tls_error(ErrorCode code, std::string what, std::string hint) {
  return {code, Hop::tls, {}, std::move(what), std::move(hint), {}};
}

std::string clock_hint(WallTime now) {
  return "; if this machine's clock is wrong (it says " + format_utc(now).substr(0, 16) + "Z), set it";
}

Error explain_expired(const CertificateProblem& problem, WallTime now) {
  std::string what = subject_text(problem) + " has expired";
  if (problem.certificate != nullptr) {
    if (const auto end = time_of(X509_get0_notAfter(problem.certificate)); end && *end < now) {
      what = subject_text(problem) + " expired " + format_duration(now - *end) + " ago (" + day(*end) + ")";
    }
  }
  return tls_error(ErrorCode::denied, what, "Renew it on the server" + clock_hint(now) + ".");
}

Error explain_not_yet_valid(const CertificateProblem& problem, WallTime now) {
  std::string what = subject_text(problem) + " is not valid yet";
  if (problem.certificate != nullptr) {
    if (const auto start = time_of(X509_get0_notBefore(problem.certificate)); start && *start > now) {
      what = subject_text(problem) + " is not valid for another " + format_duration(*start - now) +
             " (from " + day(*start) + " on)";
    }
  }
  return tls_error(ErrorCode::denied, what,
                   "Compare the clocks of this machine (it says " + format_utc(now).substr(0, 16) +
                       "Z) and of the one that issued it, or wait.");
}

Error explain_name(const CertificateProblem& problem, bool is_ip) {
  const auto names = problem.leaf == nullptr ? std::string{} : names_of(problem.leaf);
  const auto common =
      problem.leaf == nullptr ? std::string{} : entry_of(X509_get_subject_name(problem.leaf), NID_commonName);
  const auto wanted = printable(problem.name);
  std::string what = names.empty() ? "the certificate has no name, so it is not for `" + wanted + "`"
                                   : "the certificate is for " + names + ", not `" + wanted + "`";
  if (common == wanted && is_ip) {
    what = "the certificate has `" + wanted +
           "` as its common name only, which does not count for an IP address";
  } else if (common == wanted) {
    what += " (that is its common name, which does not count beside DNS names)";
  }
  std::string hint = is_ip ? "Connect by one of its names, set tls.server_name (server_name= in a reference) "
                             "to it, or reissue the certificate "
                             "with this IP address as a subject alternative name."
                           : "If that is the right server, connect by one of its names or set "
                             "tls.server_name (server_name= in a reference) to it; "
                             "or reissue the certificate with this name.";
  return tls_error(ErrorCode::denied, what, hint);
}

/// Amazon signs the certificates of RDS with authorities of its own, which are in no system's store.
std::string rds_hint(const CertificateProblem& problem) {
  const auto name = to_lower(problem.name);
  const bool china = name.ends_with(".amazonaws.com.cn");
  const bool rds = name.find(".rds.") != std::string::npos && (china || name.ends_with(".amazonaws.com"));
  if (!rds) return {};
  const auto* url = china ? "https://rds-truststore.s3.cn-north-1.amazonaws.com.cn/global/global-bundle.pem"
                          : "https://truststore.pki.rds.amazonaws.com/global/global-bundle.pem";
  return "Amazon signs the certificates of RDS with authorities of its own: get " + std::string{url} +
         " and name the file, sslrootcert=/PATH/global-bundle.pem in a reference, tls: {roots: "
         "[/PATH/global-bundle.pem]} "
         "in sallyport.yaml";
}

Error for_rds(Error error, const CertificateProblem& problem) {
  if (auto hint = rds_hint(problem); !hint.empty()) error.hint = std::move(hint);
  return error;
}

/// No path to a root. What helps depends on whether the server left out an intermediate, which cannot be
/// known from here, so the hint names both.
Error explain_unknown_authority(const CertificateProblem& problem) {
  const auto issuer = problem.certificate == nullptr ? std::string{"an authority"}
                                                     : title_of(X509_get_issuer_name(problem.certificate));
  if (problem.depth > 0) {
    return tls_error(
        ErrorCode::denied,
        "the certificate's chain leads to " + issuer + ", an authority that is not in " + problem.roots,
        "If you trust it, add its certificate to " + problem.roots_setting +
            "; else this is not the server that you mean.");
  }
  return tls_error(ErrorCode::denied,
                   "the certificate was issued by " + issuer + ", an authority that is not in " +
                       problem.roots + ", and the server sent no intermediate certificate that leads there",
                   "If " + issuer +
                       " is an intermediate authority, make the server send its full chain; if it is "
                       "a root that you trust, add its certificate to " +
                       problem.roots_setting + "; if neither, this is not the server that you mean.");
}

Error explain_self_signed(const CertificateProblem& problem) {
  if (problem.verify_result == X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN && problem.certificate != nullptr) {
    return tls_error(ErrorCode::denied,
                     "the certificate was issued by " + title_of(X509_get_subject_name(problem.certificate)) +
                         ", an authority that is not in " + problem.roots,
                     "If you trust it, add its certificate to " + problem.roots_setting +
                         "; else this is not the server that you mean.");
  }
  return tls_error(ErrorCode::denied, "the certificate is self-signed, and it is not in " + problem.roots,
                   "Get it from the server's operator (not over this connection) and add it to " +
                       problem.roots_setting + ", or have one issued by an authority.");
}

Error explain_crl(const CertificateProblem& problem, WallTime now) {
  const auto issuer = problem.certificate == nullptr ? std::string{"the authority"}
                                                     : title_of(X509_get_issuer_name(problem.certificate));
  switch (problem.verify_result) {
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
      return tls_error(ErrorCode::bad_config, problem.crl_file + " has no revocation list of " + issuer,
                       "Add one for every authority of the chain, or unset tls.crl.");
    case X509_V_ERR_CRL_HAS_EXPIRED:
      return tls_error(ErrorCode::bad_config,
                       "the revocation list of " + issuer + " in " + problem.crl_file + " has expired",
                       "Replace the file by the authority's current list" + clock_hint(now) + ".");
    case X509_V_ERR_CRL_NOT_YET_VALID:
      return tls_error(ErrorCode::bad_config,
                       "the revocation list of " + issuer + " in " + problem.crl_file + " is not valid yet",
                       "Compare this machine's clock with the authority's.");
    default:
      return tls_error(ErrorCode::bad_config,
                       "the revocation list of " + issuer + " in " + problem.crl_file +
                           " cannot be used: " + X509_verify_cert_error_string(problem.verify_result),
                       "Replace the file by the authority's current list.");
  }
}

Error explain_other(const CertificateProblem& problem) {
  const auto subject = subject_text(problem);
  switch (problem.verify_result) {
    case X509_V_ERR_CERT_REVOKED:
      return tls_error(
          ErrorCode::denied, subject + " was revoked by its authority",
          "Whoever holds its key may be a stranger: replace it on the server, and find out why.");
    case X509_V_ERR_INVALID_PURPOSE:
      return tls_error(ErrorCode::denied,
                       subject + " is not meant for servers (its extended key usage lacks serverAuth)",
                       "Have it reissued for server authentication.");
    case X509_V_ERR_INVALID_CA:
    case X509_V_ERR_INVALID_NON_CA:
      return tls_error(ErrorCode::denied,
                       subject + " was used to issue another, but it is not an authority's",
                       "Check the chain that the server sends, and the certificate's basicConstraints.");
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
      return tls_error(
          ErrorCode::bad_config,
          problem.roots + " holds an intermediate authority but not the root that issued it" +
              (problem.certificate == nullptr ? std::string{}
                                              : ", " + title_of(X509_get_issuer_name(problem.certificate))),
          "Add the root's certificate to " + problem.roots_setting + ".");
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
      return tls_error(ErrorCode::denied, "the signature of " + subject.substr(4) + " is wrong",
                       "It is forged, or two authorities have the same name: compare the keys in " +
                           problem.roots_setting + ".");
    case X509_V_ERR_EE_KEY_TOO_SMALL:
    case X509_V_ERR_CA_KEY_TOO_SMALL:
    case X509_V_ERR_CA_MD_TOO_WEAK:
      return tls_error(ErrorCode::denied, subject + " has too short a key or too weak a signature",
                       "Reissue it with ECDSA P-256 or RSA of at least 2048 bits, and SHA-256.");
    default:
      return tls_error(
          ErrorCode::denied,
          subject + " is not acceptable: " + X509_verify_cert_error_string(problem.verify_result),
          "Reissue it, or correct the chain that the server sends.");
  }
}

}  // namespace

std::string names_of(X509* certificate, std::size_t names_max) {
  std::unique_ptr<GENERAL_NAMES, NamesFree> names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  std::string out;
  std::size_t count = 0;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto text = name_text(sk_GENERAL_NAME_value(names.get(), i));
    if (!text) continue;
    if (count++ == names_max) return out + ", …";
    out += (out.empty() ? "`" : ", `") + *text + "`";
  }
  if (!out.empty()) return out;
  const auto common = entry_of(X509_get_subject_name(certificate), NID_commonName);
  return common.empty() ? std::string{} : "`" + common + "`";
}

Error explain_certificate(const CertificateProblem& problem, WallTime now) {
  switch (problem.verify_result) {
    case X509_V_ERR_CERT_HAS_EXPIRED: return explain_expired(problem, now);
    case X509_V_ERR_CERT_NOT_YET_VALID: return explain_not_yet_valid(problem, now);
    case X509_V_ERR_HOSTNAME_MISMATCH: return explain_name(problem, false);
    case X509_V_ERR_IP_ADDRESS_MISMATCH: return explain_name(problem, true);
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
      return for_rds(explain_unknown_authority(problem), problem);
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN: return for_rds(explain_self_signed(problem), problem);
    case X509_V_ERR_UNABLE_TO_GET_CRL:
    case X509_V_ERR_UNABLE_TO_GET_CRL_ISSUER:
    case X509_V_ERR_CRL_HAS_EXPIRED:
    case X509_V_ERR_CRL_NOT_YET_VALID:
    case X509_V_ERR_CRL_SIGNATURE_FAILURE:
    case X509_V_ERR_DIFFERENT_CRL_SCOPE: return explain_crl(problem, now);
    default: return explain_other(problem);
  }
}

}  // namespace sallyport::net
