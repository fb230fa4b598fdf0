#include "net/tls_material.h"

#include "base/trusted_file.h"
#include "net/file_reader.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include <array>
#include <ctime>

namespace sallyport::net {

namespace {

constexpr std::size_t key_file_bytes_max = 65'536;
constexpr std::size_t tls_file_bytes_max = 64U << 20;  // revocation lists of large authorities

struct InfosFree {
  void operator()(STACK_OF(X509_INFO) * infos) const { sk_X509_INFO_pop_free(infos, X509_INFO_free); }
};

/// How many of each a text brought.
struct Added {
  int certificates = 0, lists = 0;
};

enum class Take { lists, all };

Added add_to(X509_STORE* store, std::string_view pem, Take take) {
  Added added;
  auto bio = reading(pem);
  if (bio == nullptr) return added;
  const std::unique_ptr<STACK_OF(X509_INFO), InfosFree> infos{
      PEM_X509_INFO_read_bio(bio.get(), nullptr, no_passphrase, nullptr)};
  for (int i = 0; infos != nullptr && i < sk_X509_INFO_num(infos.get()); ++i) {
    const X509_INFO* info = sk_X509_INFO_value(infos.get(), i);
    const bool trusted = take == Take::all && info->x509 != nullptr;
    if (trusted && X509_STORE_add_cert(store, info->x509) == 1) ++added.certificates;
    if (info->crl != nullptr && X509_STORE_add_crl(store, info->crl) == 1) ++added.lists;
  }
  ERR_clear_error();
  return added;
}

}  // namespace

BioPtr reading(std::string_view text) {
  return BioPtr{BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
}

std::optional<WallTime> time_of(const ASN1_TIME* time) {
  std::tm parts{};
  if (time == nullptr || ASN1_TIME_to_tm(time, &parts) != 1) return {};
  return WallTime{std::chrono::seconds{timegm(&parts)}};
}

Error bad_tls_config(std::string where, std::string what, std::string hint) {
  ERR_clear_error();
  return {ErrorCode::bad_config, Hop::tls, std::move(where), std::move(what), std::move(hint), {}};
}

Error tls_out_of_memory() {
  ERR_clear_error();
  return {ErrorCode::internal, Hop::tls, "OpenSSL", "could not set up a context", {}, {}};
}

int no_passphrase(char*, int, int, void*) { return -1; }

Result<std::string> read_tls_file(const std::string& file, const FileOpener& outside) {
  auto content = read_trusted_file(file, tls_file_bytes_max, outside);
  if (content) return content;
  auto error = located_at(file, content.error());
  error.hop = Hop::tls;
  return error;
}

Result<KeyPtr> parse_key(const Secret& pem, const std::string& where, const std::string& whose) {
  auto bio = reading(pem.reveal());
  KeyPtr key{bio == nullptr ? nullptr : PEM_read_bio_PrivateKey(bio.get(), nullptr, no_passphrase, nullptr)};
  if (key != nullptr) return key;
  const bool encrypted = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_BAD_PASSWORD_READ ||
                         pem.reveal().find("ENCRYPTED") != std::string_view::npos;
  if (encrypted) {
    return bad_tls_config(where, whose + " key is encrypted",
                          "Store it without a passphrase in a private file: openssl pkey -in OLD -out NEW.");
  }
  return bad_tls_config(where, whose + " key is no PEM private key", "Expected -----BEGIN PRIVATE KEY-----.");
}

Result<KeyPtr> read_key_file(const std::string& file, const std::string& whose, const FileOpener& outside) {
  if (auto trusted = check_trusted_file(file); trusted.has_error()) {
    auto error = located_at(file, trusted.error());
    error.hop = Hop::tls;
    return error;
  }
  auto pem = read_file({file, key_file_bytes_max, FileTrust::is_private}, outside);
  if (pem.has_error()) {
    auto error = pem.error();
    error.hop = Hop::tls;
    error.code = ErrorCode::bad_config;
    return error;
  }
  return parse_key(*pem, file, whose);
}

Result<std::vector<X509Ptr>> parse_chain(std::string_view pem, const std::string& where,
                                         const std::string& hint) {
  std::vector<X509Ptr> chain;
  auto bio = reading(pem);
  while (bio != nullptr) {
    X509Ptr certificate{PEM_read_bio_X509(bio.get(), nullptr, no_passphrase, nullptr)};
    if (certificate == nullptr) break;
    chain.push_back(std::move(certificate));
  }
  ERR_clear_error();
  if (!chain.empty()) return chain;
  return bad_tls_config(where, "holds no PEM certificate", hint);
}

Result<void> trust_file(X509_STORE* store, const std::string& file, const FileOpener& outside) {
  const auto pem = read_tls_file(file, outside);
  if (!pem) return pem.error();
  const auto added = add_to(store, *pem, Take::all);
  if (added.certificates + added.lists > 0) return {};
  return bad_tls_config(file, "cannot be read, or holds no PEM certificate",
                        "tls.roots names files with -----BEGIN CERTIFICATE-----, or system.");
}

Result<void> check_revocation_by(X509_STORE* store, const std::string& file, const FileOpener& outside) {
  const auto pem = read_tls_file(file, outside);
  if (!pem) return pem.error();
  if (add_to(store, *pem, Take::lists).lists < 1) {
    return bad_tls_config(file, "cannot be read, or holds no PEM revocation list",
                          "Expected -----BEGIN X509 CRL-----.");
  }
  X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
  return {};
}

std::vector<std::uint8_t> end_point_of(const X509* certificate) {
  int digest = NID_undef;
  auto* asked = const_cast<X509*>(certificate);  // OpenSSL fills in what it has parsed
  if (X509_get_signature_info(asked, &digest, nullptr, nullptr, nullptr) != 1) return {};
  if (digest == NID_md5 || digest == NID_sha1) digest = NID_sha256;
  const EVP_MD* hash = EVP_get_digestbynid(digest);
  if (hash == nullptr) return {};
  std::vector<std::uint8_t> out(EVP_MAX_MD_SIZE);
  unsigned size = 0;
  if (X509_digest(certificate, hash, out.data(), &size) != 1) return {};
  out.resize(size);
  return out;
}

std::string sha256_of(const X509* certificate) {
  std::array<std::uint8_t, 32> digest{};
  unsigned size = 0;
  if (X509_digest(certificate, EVP_sha256(), digest.data(), &size) != 1) return {};
  std::string hex;
  for (const auto byte : digest) {
    hex += "0123456789abcdef"[byte >> 4];
    hex += "0123456789abcdef"[byte & 15];
  }
  return hex;
}

}  // namespace sallyport::net
