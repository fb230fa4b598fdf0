#include "net/validity.h"

#include "net/tls_material.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>

namespace sallyport::net {

namespace {

constexpr auto ahead_max = std::chrono::days{14};

struct ListFree {
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
};

std::optional<Validity> between(const ASN1_TIME* begin, const ASN1_TIME* end) {
  const auto from = time_of(begin), until = time_of(end);
  if (!from || !until) return {};
  return Validity{*from, *until};
}

}  // namespace

std::optional<Validity> validity_of_certificate(std::string_view pem) {
  const auto chain = parse_chain(pem, {}, {});
  if (!chain) return {};
  const auto* certificate = chain->front().get();
  return between(X509_get0_notBefore(certificate), X509_get0_notAfter(certificate));
}

std::optional<Validity> validity_of_lists(std::string_view pem) {
  const auto bio = reading(pem);
  std::optional<Validity> soonest;
  while (bio != nullptr) {
    const std::unique_ptr<X509_CRL, ListFree> list{
        PEM_read_bio_X509_CRL(bio.get(), nullptr, no_passphrase, nullptr)};
    if (list == nullptr) break;
    const auto one = between(X509_CRL_get0_lastUpdate(list.get()), X509_CRL_get0_nextUpdate(list.get()));
    if (one && (!soonest || one->until < soonest->until)) soonest = one;
  }
  ERR_clear_error();
  return soonest;
}

Duration warn_ahead(const Validity& validity) {
  return std::min<Duration>((validity.until - validity.from) / 5, ahead_max);
}

}  // namespace sallyport::net
