// `allow[].certificate`: which client certificates a rule means.
//
//   CN=app,O=Example                     the whole subject, as RFC 4514 writes it
//   dns:app.example.com                  a DNS name of the subject alternative name
//   spiffe://example.org/ns/*/sa/app     a SPIFFE ID; `*` stands for exactly one segment of the path
//
// The trust domain is always literal: a name of another one never matches, whoever signed it.
#pragma once

#include "base/result.h"
#include "policy/client_certificate.h"

#include <string>
#include <string_view>

namespace sallyport::policy {

struct CertificateRule {
  enum class Kind { subject, dns, spiffe };
  Kind kind = Kind::subject;
  std::string text;  ///< without "dns:", the host name in lower case; with "spiffe://"
  bool operator==(const CertificateRule&) const = default;
};

/// Errors  bad_config: `what` and `hint` are for the configuration's reader.
Result<CertificateRule> parse_certificate_rule(std::string_view text);

bool matches(const CertificateRule& rule, const ClientCertificate& certificate);

/// Whoever matches `narrow` also matches `wide`.
bool covers(const CertificateRule& wide, const CertificateRule& narrow);

/// The identity of a certificate that matches: "cert:spiffe://example.org/ns/prod/sa/app", never the pattern.
std::string certificate_identity(const CertificateRule& rule, const ClientCertificate& certificate);

/// As parse_certificate_rule() reads it.
std::string to_string(const CertificateRule& rule);

/// Both name the same owner, whether or not it is the same certificate (they are renewed often): the SPIFFE ID, or
/// without one subject and DNS names.
bool same_owner(const ClientCertificate& one, const ClientCertificate& other);

/// What a certificate says of its owner, shortest first choice: for messages about one that matches no rule.
std::string describe(const ClientCertificate& certificate);

/// A SPIFFE ID of a workload: "spiffe://", a trust domain, a path with at least one segment; at most 2048 bytes.
/// Source  SPIFFE ID standard, "SPIFFE Identity".
/// Errors  invalid_message: `what` says which part is wrong.
Result<void> check_spiffe_id(std::string_view id);

}  // namespace sallyport::policy
