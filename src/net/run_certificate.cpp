#include "net/run_certificate.h"

#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

#include <array>

namespace sallyport::net {

namespace {

/// Longer than any run; the key dies with the process.
constexpr auto lifetime = std::chrono::hours{24 * 365 * 5};
/// A child in a container may have a clock that is a little behind.
constexpr auto leeway = std::chrono::hours{1};

struct ExtensionFree {
  void operator()(X509_EXTENSION* extension) const { X509_EXTENSION_free(extension); }
};
using ExtensionPtr = std::unique_ptr<X509_EXTENSION, ExtensionFree>;

struct Extension {
  int nid;
  const char* value;
};

bool add_extension(X509* certificate, X509* issuer, const Extension& wanted) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const ExtensionPtr extension{X509V3_EXT_conf_nid(nullptr, &context, wanted.nid, wanted.value)};
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

bool set_serial(X509* certificate) {
  std::array<unsigned char, 16> bytes{};
  if (RAND_bytes(bytes.data(), bytes.size()) != 1) return false;
  bytes[0] &= 0x7F;  // positive
  BIGNUM* number = BN_bin2bn(bytes.data(), bytes.size(), nullptr);
  const bool set =
      number != nullptr && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(certificate)) != nullptr;
  BN_free(number);
  return set;
}

/// Null `issuer`: by itself. Null result: OpenSSL has failed.
template <std::size_t N>
X509Ptr make(const char* name, EVP_PKEY* key, X509* issuer, EVP_PKEY* issuer_key, WallTime now,
             const std::array<Extension, N>& extensions) {
  X509Ptr made{X509_new()};
  auto* certificate = made.get();
  if (certificate == nullptr) return nullptr;
  auto* signer = issuer == nullptr ? certificate : issuer;
  const auto begin = std::chrono::system_clock::to_time_t(now - leeway);
  const auto end = std::chrono::system_clock::to_time_t(now + lifetime);
  bool good = X509_set_version(certificate, X509_VERSION_3) == 1 && set_serial(certificate) &&
              ASN1_TIME_set(X509_getm_notBefore(certificate), begin) != nullptr &&
              ASN1_TIME_set(X509_getm_notAfter(certificate), end) != nullptr &&
              X509_set_pubkey(certificate, key) == 1 &&
              X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate), "CN", MBSTRING_ASC,
                                         reinterpret_cast<const unsigned char*>(name), -1, -1, 0) == 1 &&
              X509_set_issuer_name(certificate, X509_get_subject_name(signer)) == 1;
  for (const auto& extension : extensions) good = good && add_extension(certificate, signer, extension);
  if (!good || X509_sign(certificate, issuer_key, EVP_sha256()) == 0) return nullptr;
  return made;
}

std::string pem_of(X509* certificate) {
  const BioPtr bio{BIO_new(BIO_s_mem())};
  if (bio == nullptr || PEM_write_bio_X509(bio.get(), certificate) != 1) return {};
  char* text = nullptr;
  const auto size = BIO_get_mem_data(bio.get(), &text);
  return {text, static_cast<std::size_t>(size)};
}

}  // namespace

Result<RunCertificate> make_run_certificate(WallTime now) {
  static constexpr std::array authority_extensions{
      Extension{NID_basic_constraints, "critical,CA:TRUE,pathlen:0"},
      Extension{NID_key_usage, "critical,keyCertSign,cRLSign"},
      Extension{NID_subject_key_identifier, "hash"}};
  static constexpr std::array own_extensions{
      Extension{NID_basic_constraints, "critical,CA:FALSE"},
      Extension{NID_key_usage, "critical,digitalSignature"},
      Extension{NID_ext_key_usage, "serverAuth"},
      Extension{NID_subject_key_identifier, "hash"},
      Extension{NID_authority_key_identifier, "keyid"},
      Extension{NID_subject_alt_name, "DNS:localhost,IP:127.0.0.1,IP:::1"}};
  const KeyPtr authority_key{EVP_EC_gen("P-256")};
  RunCertificate run;
  run.key.reset(EVP_EC_gen("P-256"));
  if (authority_key == nullptr || run.key == nullptr) return tls_out_of_memory();
  const auto authority = make("Sallyport, authority of one run", authority_key.get(), nullptr,
                              authority_key.get(), now, authority_extensions);
  if (authority == nullptr) return tls_out_of_memory();
  const auto own =
      make("localhost", run.key.get(), authority.get(), authority_key.get(), now, own_extensions);
  if (own == nullptr) return tls_out_of_memory();
  run.authority_pem = pem_of(authority.get());
  run.certificate_pem = pem_of(own.get());
  if (run.authority_pem.empty() || run.certificate_pem.empty()) return tls_out_of_memory();
  return run;
}

}  // namespace sallyport::net
