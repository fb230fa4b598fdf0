// Certificates and keys as files and texts hold them, for both sides of TLS: what is read, what is wrong with it,
// and the digests that others know a certificate by.
#pragma once

#include "base/clock.h"
#include "base/file_opener.h"
#include "base/result.h"
#include "base/secret.h"
#include "net/tls_verify.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::net {

struct BioFree {
  void operator()(BIO* bio) const { BIO_free_all(bio); }
};
using BioPtr = std::unique_ptr<BIO, BioFree>;

struct KeyFree {
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};
using KeyPtr = std::unique_ptr<EVP_PKEY, KeyFree>;

/// bad_config at hop tls; clears OpenSSL's error queue.
Error bad_tls_config(std::string where, std::string what, std::string hint);
Error tls_out_of_memory();

/// Over `text`, which outlives it. Null: out of memory.
BioPtr reading(std::string_view text);

/// Without a callback OpenSSL would ask for a passphrase on the terminal.
int no_passphrase(char*, int, int, void*);

/// Whoever writes an authority or a key decides whom we believe and who we are (threat 14): read once, after its checks.
/// Errors as read_trusted_file(), hop tls.
Result<std::string> read_tls_file(const std::string& file, const FileOpener& outside);

/// `whose`: "the client certificate's", for messages.
/// Errors  bad_config: encrypted, or no PEM private key.
Result<KeyPtr> parse_key(const Secret& pem, const std::string& where, const std::string& whose);

/// A private, trusted file with a key. Errors  bad_config, where = file.
Result<KeyPtr> read_key_file(const std::string& file, const std::string& whose, const FileOpener& outside);

/// The certificates of a PEM text in their order. `hint` is said when there is none.
/// Errors  bad_config.
Result<std::vector<X509Ptr>> parse_chain(std::string_view pem, const std::string& where,
                                         const std::string& hint);

/// Adds the certificates and revocation lists of a trusted PEM file to `store`.
/// Errors  bad_config, where = file: it holds neither.
Result<void> trust_file(X509_STORE* store, const std::string& file, const FileOpener& outside);

/// Adds the revocation lists of a trusted PEM file to `store` and makes it check every certificate of a chain.
/// Errors  bad_config, where = file.
Result<void> check_revocation_by(X509_STORE* store, const std::string& file, const FileOpener& outside);

/// RFC 5929 tls-server-end-point: the DER hashed with the hash of the certificate's own signature (SHA-256 in place
/// of MD5 and SHA-1); empty for signatures that name no hash (Ed25519).
std::vector<std::uint8_t> end_point_of(const X509* certificate);

/// None: there is no time, or none that can be read.
std::optional<WallTime> time_of(const ASN1_TIME* time);

/// Lower-case hex of the DER's SHA-256.
std::string sha256_of(const X509* certificate);

}  // namespace sallyport::net
