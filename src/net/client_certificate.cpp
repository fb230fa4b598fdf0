#include "net/client_certificate.h"

#include "net/tls_material.h"
#include "policy/certificate_rule.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <memory>
#include <optional>
#include <string_view>

namespace sallyport::net {

namespace {

struct NamesFree {
  void operator()(GENERAL_NAMES* names) const { GENERAL_NAMES_free(names); }
};
using NamesPtr = std::unique_ptr<GENERAL_NAMES, NamesFree>;

std::string subject_of(X509* certificate) {
  const auto* name = X509_get_subject_name(certificate);
  if (X509_NAME_entry_count(name) == 0) return {};
  const BioPtr bio{BIO_new(BIO_s_mem())};
  // As `openssl x509 -noout -subject -nameopt RFC2253,-esc_msb` prints it: UTF-8 as it is, the rest escaped.
  constexpr unsigned long form = XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB);
  if (bio == nullptr || X509_NAME_print_ex(bio.get(), name, 0, form) < 0) return {};
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

std::string_view view(const ASN1_IA5STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<std::size_t>(ASN1_STRING_length(string))};
}

/// In lower case; none: no host name, or a wildcard, which names nobody.
std::optional<std::string> host_name(std::string_view text) {
  const auto rule = policy::parse_certificate_rule("dns:" + std::string{text});
  if (!rule) return {};
  return rule->text;
}

/// Empty: nothing is wrong with this certificate as a workload's.
std::string why_no_leaf(X509* certificate) {
  if (X509_check_ca(certificate) != 0) return "it is an authority's certificate";
  const auto usage = X509_get_key_usage(certificate);
  if (usage == UINT32_MAX) return {};  // the standard wants the extension, many authorities leave it out
  if ((usage & (KU_KEY_CERT_SIGN | KU_CRL_SIGN)) != 0)
    return "its key may sign certificates or revocation lists";
  if ((usage & KU_DIGITAL_SIGNATURE) == 0) return "its key usage lacks digitalSignature";
  return {};
}

void read_uris(X509* certificate, const std::vector<std::string_view>& uris, policy::ClientCertificate& out) {
  if (uris.empty()) return;
  out.why_no_spiffe_id = why_no_leaf(certificate);
  if (uris.size() > 1) {
    out.why_no_spiffe_id = "it has " + std::to_string(uris.size()) + " URI names, exactly one is allowed";
  }
  if (!out.why_no_spiffe_id.empty()) return;
  if (const auto checked = policy::check_spiffe_id(uris.front()); !checked) {
    out.why_no_spiffe_id = "its URI name is no SPIFFE ID: " + checked.error().what;
  } else {
    out.spiffe_id = uris.front();
  }
}

}  // namespace

policy::ClientCertificate decode_client_certificate(X509* certificate) {
  policy::ClientCertificate out;
  out.subject = subject_of(certificate);
  out.sha256 = sha256_of(certificate);
  if (const auto end = time_of(X509_get0_notAfter(certificate))) out.expires_at = *end;
  // Twice the same extension reads as none.
  const NamesPtr names{
      static_cast<GENERAL_NAMES*>(X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr))};
  std::vector<std::string_view> uris;
  for (int i = 0; names != nullptr && i < sk_GENERAL_NAME_num(names.get()); ++i) {
    const auto* name = sk_GENERAL_NAME_value(names.get(), i);
    if (name->type == GEN_URI) uris.push_back(view(name->d.uniformResourceIdentifier));
    if (name->type != GEN_DNS) continue;
    if (auto host = host_name(view(name->d.dNSName))) out.dns_names.push_back(std::move(*host));
  }
  read_uris(certificate, uris, out);
  ERR_clear_error();
  return out;
}

}  // namespace sallyport::net
