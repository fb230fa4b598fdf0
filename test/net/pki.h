// Certificates for tests, made with OpenSSL while the test runs: authorities, servers, clients, lists of
// revoked ones. Nothing here is committed, so nothing here expires.
#pragma once

#include "base/secret.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

namespace sallyport::test {

template <auto Free>
struct With {
  template <class T>
  void operator()(T* p) const {
    Free(p);
  }
};
using Certificate = std::shared_ptr<X509>;
using Key = std::shared_ptr<EVP_PKEY>;

struct Identity {
  Certificate certificate;
  Key key;
};

struct CertificateSpec {
  std::string common_name;
  std::string names;  ///< OpenSSL's syntax: "DNS:a.example,IP:127.0.0.1"; empty: no SAN
  bool authority = false;
  int valid_from_days = -1;
  int valid_until_days = 30;
  std::string usage = "serverAuth";
  const EVP_MD* hash = EVP_sha256();
  int key_type = EVP_PKEY_EC;
};

inline void must(bool ok, const char* what) {
  if (!ok) throw std::runtime_error(what);
}

inline Key make_key(int type = EVP_PKEY_EC) {
  EVP_PKEY* key = type == EVP_PKEY_EC        ? EVP_EC_gen("P-256")
                  : type == EVP_PKEY_ED25519 ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                                             : EVP_RSA_gen(2048);
  must(key != nullptr, "key");
  return {key, EVP_PKEY_free};
}

inline void add_extension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx_nodb(&context);
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  std::unique_ptr<X509_EXTENSION, With<X509_EXTENSION_free>> extension{
      X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str())};
  must(extension != nullptr, value.c_str());
  must(X509_add_ext(certificate, extension.get(), -1) == 1, "add extension");
}

/// Null `issuer`: self-signed.
inline Identity make_identity(const CertificateSpec& spec, const Identity* issuer) {
  static long serial = 1000;
  Identity made{{X509_new(), X509_free}, make_key(spec.key_type)};
  X509* certificate = made.certificate.get();
  X509_set_version(certificate, X509_VERSION_3);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), ++serial);
  X509_gmtime_adj(X509_getm_notBefore(certificate), spec.valid_from_days * 86'400L);
  X509_gmtime_adj(X509_getm_notAfter(certificate), spec.valid_until_days * 86'400L);
  X509_set_pubkey(certificate, made.key.get());
  X509_NAME* name = X509_get_subject_name(certificate);
  if (!spec.common_name.empty()) {
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(spec.common_name.c_str()), -1, -1, 0);
  } else {
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, reinterpret_cast<const unsigned char*>("No Name"),
                               -1, -1, 0);
  }
  X509* signer = issuer == nullptr ? certificate : issuer->certificate.get();
  X509_set_issuer_name(certificate, X509_get_subject_name(signer));
  add_extension(certificate, signer, NID_basic_constraints,
                spec.authority ? "critical,CA:TRUE" : "critical,CA:FALSE");
  if (spec.authority) {
    add_extension(certificate, signer, NID_key_usage, "critical,keyCertSign,cRLSign");
  } else if (!spec.usage.empty()) {
    add_extension(certificate, signer, NID_ext_key_usage, spec.usage);
  }
  add_extension(certificate, signer, NID_subject_key_identifier, "hash");
  if (!spec.names.empty()) add_extension(certificate, signer, NID_subject_alt_name, spec.names);
  const auto& signing_key = issuer == nullptr ? made.key : issuer->key;
  const bool hashless = EVP_PKEY_get_base_id(signing_key.get()) == EVP_PKEY_ED25519;
  must(X509_sign(certificate, signing_key.get(), hashless ? nullptr : spec.hash) > 0, "sign");
  return made;
}

inline Identity make_authority(const std::string& name, const Identity* issuer = nullptr) {
  return make_identity({.common_name = name, .authority = true, .valid_until_days = 365}, issuer);
}

inline std::string pem_of(const BIO* bio) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(const_cast<BIO*>(bio), &data);
  return {data, static_cast<std::size_t>(size)};
}

inline std::string certificate_pem(const Identity& identity) {
  std::unique_ptr<BIO, With<BIO_free_all>> bio{BIO_new(BIO_s_mem())};
  must(PEM_write_bio_X509(bio.get(), identity.certificate.get()) == 1, "write certificate");
  return pem_of(bio.get());
}

inline std::string key_pem(const Identity& identity, const char* passphrase = nullptr) {
  std::unique_ptr<BIO, With<BIO_free_all>> bio{BIO_new(BIO_s_mem())};
  const int size = passphrase == nullptr ? 0 : static_cast<int>(std::string_view{passphrase}.size());
  must(PEM_write_bio_PKCS8PrivateKey(bio.get(), identity.key.get(),
                                     passphrase == nullptr ? nullptr : EVP_aes_128_cbc(), passphrase, size,
                                     nullptr, nullptr) == 1,
       "write key");
  return pem_of(bio.get());
}

/// A revocation list of `issuer`; `until_days` is its next update.
inline std::string crl_pem(const Identity& issuer, const std::vector<Identity>& revoked,
                           int until_days = 10) {
  std::unique_ptr<X509_CRL, With<X509_CRL_free>> crl{X509_CRL_new()};
  X509_CRL_set_version(crl.get(), X509_CRL_VERSION_2);
  X509_CRL_set_issuer_name(crl.get(), X509_get_subject_name(issuer.certificate.get()));
  std::unique_ptr<ASN1_TIME, With<ASN1_TIME_free>> from{X509_gmtime_adj(nullptr, -20 * 86'400L)};
  std::unique_ptr<ASN1_TIME, With<ASN1_TIME_free>> until{X509_gmtime_adj(nullptr, until_days * 86'400L)};
  X509_CRL_set1_lastUpdate(crl.get(), from.get());
  X509_CRL_set1_nextUpdate(crl.get(), until.get());
  for (const auto& identity : revoked) {
    X509_REVOKED* entry = X509_REVOKED_new();
    X509_REVOKED_set_serialNumber(entry, X509_get_serialNumber(identity.certificate.get()));
    X509_REVOKED_set_revocationDate(entry, from.get());
    X509_CRL_add0_revoked(crl.get(), entry);
  }
  must(X509_CRL_sign(crl.get(), issuer.key.get(), EVP_sha256()) > 0, "sign list");
  std::unique_ptr<BIO, With<BIO_free_all>> bio{BIO_new(BIO_s_mem())};
  must(PEM_write_bio_X509_CRL(bio.get(), crl.get()) == 1, "write list");
  return pem_of(bio.get());
}

/// A private directory that goes with the test.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sallyport-test-XXXXXX").string();
    must(mkdtemp(pattern.data()) != nullptr, "mkdtemp");
    path_ = pattern;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  [[nodiscard]] const std::string& path() const { return path_; }

  std::string write(const std::string& name, const std::string& text, int mode = 0600) const {
    const auto path = path_ + "/" + name;
    std::ofstream{path, std::ios::binary} << text;
    std::filesystem::permissions(path, std::filesystem::perms(mode));
    return path;
  }

 private:
  std::string path_;
};

}  // namespace sallyport::test
