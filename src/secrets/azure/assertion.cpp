// A client's assertion: a JSON web token (RFC 7523) signed with the certificate's key, whose thumbprint it names.
#include "crypto/base64_pem.h"
#include "crypto/hash.h"
#include "crypto/rsa.h"
#include "secrets/azure/provider.h"
#include "secrets/json_writer.h"
#include "secrets/web.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

constexpr auto life = std::chrono::minutes{10};

std::int64_t seconds_of(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// A number that is used once, in a GUID's form: another one for each time.
std::string fresh_id(Bytes random, WallTime theirs) {
  std::vector<std::uint8_t> seed(random.begin(), random.end());
  const auto time = theirs.time_since_epoch().count();
  for (int shift = 0; shift < 64; shift += 8) seed.push_back(static_cast<std::uint8_t>(time >> shift));
  auto digest = crypto::sha256(seed);
  digest[6] = static_cast<std::uint8_t>((digest[6] & 0x0FU) | 0x40U);
  digest[8] = static_cast<std::uint8_t>((digest[8] & 0x3FU) | 0x80U);
  auto out = crypto::hex(Bytes{digest}.first(16));
  for (const std::size_t at : {8U, 13U, 18U, 23U}) out.insert(at, "-");
  return out;
}

std::string encoded(JsonWriter& json) {
  const auto text = json.finish();
  return crypto::base64url_encode(as_bytes(text.reveal()));
}

}  // namespace

Result<Secret> client_assertion(const Secret& pem, const Settings& settings, WallTime theirs, Bytes random) {
  const auto thumbprint = crypto::certificate_sha1(pem.reveal());
  if (!thumbprint) {
    return Error{ErrorCode::bad_config,
                 Hop::secret_source,
                 {},
                 "no certificate (BEGIN CERTIFICATE) in it",
                 "Put the certificate and its private key into one PEM file",
                 {}};
  }
  JsonWriter head;
  head.text("alg", "RS256");
  head.text("typ", "JWT");
  head.text("x5t", crypto::base64url_encode(*thumbprint));
  JsonWriter claims;
  claims.text("aud", token_url(settings));
  claims.text("iss", settings.client_id);
  claims.text("sub", settings.client_id);
  claims.text("jti", fresh_id(random, theirs));
  claims.number("nbf", seconds_of(theirs));
  claims.number("iat", seconds_of(theirs));
  claims.number("exp", seconds_of(theirs + life));
  const auto signed_part = encoded(head) + "." + encoded(claims);
  const auto signature = crypto::sign_rs256(pem, as_bytes(signed_part));
  if (!signature) {
    return Error{ErrorCode::bad_config,
                 Hop::secret_source,
                 {},
                 "no private RSA key of 2048 bits or more in it, or one that is encrypted",
                 "Put the certificate and its private key into one PEM file; openssl pkey -in KEY takes a "
                 "password off",
                 {}};
  }
  auto text = crypto::base64url_encode(*signature);
  auto out = joined({signed_part, ".", text});
  wipe_memory(text.data(), text.size());
  return out;
}

}  // namespace sallyport::secrets::azure
