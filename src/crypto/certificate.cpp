#include "crypto/certificate.h"

#include "crypto/base64_pem.h"

#include <openssl/asn1.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

namespace sallyport::crypto {

Result<WallTime> certificate_end(std::string_view pem) {
  const Error none{ErrorCode::invalid_message, Hop::none, "certificate", "is none", {}, {}};
  const auto der = pem_body(pem, "CERTIFICATE");
  if (!der) return none;
  const auto* at = der->data();
  const std::unique_ptr<X509, decltype(&X509_free)> certificate{
      d2i_X509(nullptr, &at, static_cast<long>(der->size())), X509_free};
  std::tm end{};
  if (certificate == nullptr || ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &end) != 1)
    return none;
  using std::chrono::year_month_day;
  const year_month_day day{std::chrono::year{end.tm_year + 1900},
                           std::chrono::month{static_cast<unsigned>(end.tm_mon) + 1},
                           std::chrono::day{static_cast<unsigned>(end.tm_mday)}};
  // Beyond what 64 bits of nanoseconds hold: "99991231235959Z" means never.
  if (!day.ok() || day.year() > std::chrono::year{2200}) return WallTime::max();
  return WallTime{std::chrono::sys_days{day}} + std::chrono::hours{end.tm_hour} +
         std::chrono::minutes{end.tm_min} + std::chrono::seconds{end.tm_sec};
}

}  // namespace sallyport::crypto
