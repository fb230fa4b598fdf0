#include "net/validity.h"

#include "net/tls_material.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <ctime>

namespace sallyport::net {

namespace {

constexpr auto ahead_max = std::chrono::days{14};

struct ListFree {
  void operator()(X509_CRL* list) const { X509_CRL_free(list); }
};

std::optional<WallTime> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime{std::chrono::seconds{timegm(&parts)}};
}

std::optional<Validity> between(const ASN1_TIME* begin, const ASN1_TIME* end) {
  const auto from = time_of(begin), until = time_of(end);
  if (!from || !until) return {};
  return Validity{*from, *until};
}

BioPtr reader_of(std::string_view pem) {
  return BioPtr{BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))};
}

}  // namespace

std::optional<Validity> validity_of_certificate(std::string_view pem) {
  const auto bio = reader_of(pem);
  if (bio == nullptr) return {};
  const X509Ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)};
  ERR_clear_error();
  if (certificate == nullptr) return {};
  return between(X509_get0_notBefore(certificate.get()), X509_get0_notAfter(certificate.get()));
}

std::optional<Validity> validity_of_lists(std::string_view pem) {
  const auto bio = reader_of(pem);
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
