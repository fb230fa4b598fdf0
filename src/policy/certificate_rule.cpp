#include "policy/certificate_rule.h"

#include "base/ascii.h"

#include <algorithm>
#include <vector>

namespace sallyport::policy {
namespace {

constexpr std::string_view dns_scheme = "dns:";
constexpr std::string_view spiffe_scheme = "spiffe://";
constexpr std::size_t spiffe_id_bytes_max = 2048;
constexpr std::size_t trust_domain_bytes_max = 255;
constexpr std::size_t host_name_bytes_max = 253;
constexpr std::size_t host_label_bytes_max = 63;

bool is_lower_or_digit(char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); }

bool is_trust_domain_character(char c) { return is_lower_or_digit(c) || c == '-' || c == '.' || c == '_'; }

bool is_path_character(char c) { return is_trust_domain_character(c) || (c >= 'A' && c <= 'Z'); }

std::vector<std::string_view> split(std::string_view text, char at) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto end = text.find(at);
    parts.push_back(text.substr(0, end));
    if (end == std::string_view::npos) return parts;
    text.remove_prefix(end + 1);
  }
}

Error wrong(std::string what, std::string hint = {}) {
  return {ErrorCode::bad_config, Hop::config, "certificate", std::move(what), std::move(hint), {}};
}

/// `star_allowed`: a pattern of ours, in which a whole segment may be `*`.
Result<void> check_id(std::string_view id, bool star_allowed) {
  const auto invalid = [](std::string what) {
    return Error{ErrorCode::invalid_message, Hop::identity, "SPIFFE ID", std::move(what), {}, {}};
  };
  if (!id.starts_with(spiffe_scheme)) return invalid("it does not begin with spiffe://");
  if (id.size() > spiffe_id_bytes_max) return invalid("it is longer than 2048 bytes");
  auto segments = split(id.substr(spiffe_scheme.size()), '/');
  const auto domain = segments.front();
  if (domain.empty() || domain.size() > trust_domain_bytes_max ||
      !std::ranges::all_of(domain, is_trust_domain_character)) {
    return invalid("its trust domain is not made of a-z, 0-9, `.`, `-` and `_`");
  }
  if (segments.size() < 2) return invalid("it has no path, so it names a trust domain and no workload");
  for (std::size_t i = 1; i < segments.size(); ++i) {
    const auto segment = segments[i];
    if (star_allowed && segment == "*") continue;
    if (segment.empty()) return invalid("a segment of its path is empty");
    if (segment == "." || segment == "..") return invalid("its path holds `.` or `..`");
    if (!std::ranges::all_of(segment, is_path_character)) {
      return invalid("its path is not made of letters, digits, `.`, `-` and `_`");
    }
  }
  return {};
}

bool is_host_name(std::string_view name) {
  if (name.empty() || name.size() > host_name_bytes_max) return false;
  return std::ranges::all_of(split(name, '.'), [](std::string_view label) {
    return !label.empty() && label.size() <= host_label_bytes_max && label.front() != '-' &&
           label.back() != '-' &&
           std::ranges::all_of(label, [](char c) { return is_lower_or_digit(c) || c == '-' || c == '_'; });
  });
}

Result<CertificateRule> parse_dns(std::string_view name) {
  CertificateRule rule{CertificateRule::Kind::dns, to_lower(name)};
  if (is_host_name(rule.text)) return rule;
  if (name.find('*') != std::string_view::npos) {
    return wrong("`dns:` takes no wildcard",
                 "Write each name out, or use SPIFFE IDs, in which `*` stands for one segment.");
  }
  return wrong("`dns:` is not followed by a host name", "Example: `dns:app.example.com`.");
}

/// Types of RFC 4514, and the others that OpenSSL names: enough to tell a subject from a mistyped scheme.
bool begins_like_a_subject(std::string_view text) {
  const auto equals = text.find('=');
  if (equals == std::string_view::npos || equals == 0) return false;
  return std::ranges::all_of(text.substr(0, equals), [](char c) { return is_path_character(c); });
}

bool matches_pattern(std::string_view pattern, std::string_view id) {
  const auto wanted = split(pattern.substr(spiffe_scheme.size()), '/');
  const auto given = split(id.substr(spiffe_scheme.size()), '/');
  if (wanted.size() != given.size() || wanted.front() != given.front()) return false;
  for (std::size_t i = 1; i < wanted.size(); ++i) {
    if (wanted[i] != "*" && wanted[i] != given[i]) return false;
  }
  return true;
}

}  // namespace

Result<void> check_spiffe_id(std::string_view id) { return check_id(id, false); }

Result<CertificateRule> parse_certificate_rule(std::string_view text) {
  if (text.starts_with(dns_scheme)) return parse_dns(text.substr(dns_scheme.size()));
  if (text.starts_with("spiffe:")) {
    if (auto checked = check_id(text, true); !checked) {
      return wrong("is no SPIFFE ID: " + checked.error().what,
                   "Example: `spiffe://example.org/ns/*/sa/app`; `*` stands for one whole segment.");
    }
    return CertificateRule{CertificateRule::Kind::spiffe, std::string{text}};
  }
  if (begins_like_a_subject(text)) return CertificateRule{CertificateRule::Kind::subject, std::string{text}};
  return wrong("is neither a subject nor a DNS name nor a SPIFFE ID",
               "Write e.g. `CN=app,O=Example`, `dns:app.example.com` or `spiffe://example.org/ns/*/sa/app`.");
}

bool matches(const CertificateRule& rule, const ClientCertificate& certificate) {
  switch (rule.kind) {
    case CertificateRule::Kind::subject: return !rule.text.empty() && rule.text == certificate.subject;
    case CertificateRule::Kind::dns:
      return std::ranges::find(certificate.dns_names, rule.text) != certificate.dns_names.end();
    case CertificateRule::Kind::spiffe:
      return !certificate.spiffe_id.empty() && matches_pattern(rule.text, certificate.spiffe_id);
  }
  return false;
}

bool covers(const CertificateRule& wide, const CertificateRule& narrow) {
  if (wide.kind != narrow.kind) return false;
  if (wide.kind != CertificateRule::Kind::spiffe) return wide.text == narrow.text;
  return matches_pattern(wide.text, narrow.text);  // a `*` of the narrow one is met by a `*` only
}

std::string certificate_identity(const CertificateRule& rule, const ClientCertificate& certificate) {
  return "cert:" + (rule.kind == CertificateRule::Kind::spiffe ? certificate.spiffe_id : to_string(rule));
}

std::string to_string(const CertificateRule& rule) {
  return rule.kind == CertificateRule::Kind::dns ? std::string{dns_scheme} + rule.text : rule.text;
}

bool same_owner(const ClientCertificate& one, const ClientCertificate& other) {
  if (!one.spiffe_id.empty() || !other.spiffe_id.empty()) return one.spiffe_id == other.spiffe_id;
  return one.subject == other.subject && one.dns_names == other.dns_names;
}

std::string describe(const ClientCertificate& certificate) {
  std::string out = "a certificate with ";
  if (!certificate.spiffe_id.empty()) return out + "SPIFFE ID " + certificate.spiffe_id;
  out += certificate.subject.empty() ? "no subject" : "subject " + certificate.subject;
  if (!certificate.dns_names.empty()) out += " and DNS name " + certificate.dns_names.front();
  if (certificate.dns_names.size() > 1) {
    out += " (and " + std::to_string(certificate.dns_names.size() - 1) + " more)";
  }
  if (!certificate.why_no_spiffe_id.empty()) out += ", no X.509-SVID: " + certificate.why_no_spiffe_id;
  return out;
}

}  // namespace sallyport::policy
