#include "net/tls.h"

#include "net/dns.h"
#include "net/tls_material.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <algorithm>

namespace sallyport::net {

namespace {

// ECDHE with an AEAD only: whatever still speaks TLS 1.2 today has these.
constexpr const char* ciphers_12 = "ECDHE+AESGCM:ECDHE+CHACHA20:DHE+AESGCM:!aNULL:!PSK";
constexpr const char* ciphers_13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256:P-384:P-521";

constexpr const char* our_key = "the client certificate's";
constexpr const char* chain_hint = "Expected -----BEGIN CERTIFICATE-----, the client's own first.";

Error key_mismatch(const std::string& where) {
  return bad_tls_config(where, "the private key does not belong to the client certificate",
                        "Give the key that the certificate was issued for.");
}

Result<void> use_certificate(SSL* ssl, const Credential& credential) {
  const std::string where = "client certificate";
  auto chain = parse_chain(credential.certificate_pem, where, chain_hint);
  if (chain.has_error()) return chain.error();
  auto key = parse_key(credential.secret, where, our_key);
  if (key.has_error()) return key.error();
  if (SSL_use_certificate(ssl, chain->front().get()) != 1) {
    return bad_tls_config(where, "is not acceptable to OpenSSL (key too short, or an outdated signature)",
                          "Reissue it.");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_add1_chain_cert(ssl, (*chain)[i].get()) != 1) return tls_out_of_memory();
  }
  if (SSL_use_PrivateKey(ssl, key->get()) != 1 || SSL_check_private_key(ssl) != 1) return key_mismatch(where);
  return {};
}

/// The name that the certificate must have; empty for a Unix directory.
std::string expected_name(const TlsPolicy& policy, const std::string& host) {
  std::string name = policy.server_name.empty() ? host : policy.server_name;
  if (!name.empty() && name.front() == '/') return {};
  if (name.size() > 2 && name.front() == '[' && name.back() == ']') name = name.substr(1, name.size() - 2);
  if (name.size() > 1 && name.back() == '.') name.pop_back();  // the root label is not in certificates
  return name;
}

}  // namespace

Result<std::shared_ptr<const TlsContext>> TlsContext::for_upstream(const TlsPolicy& policy,
                                                                   const FileOpener& outside) {
  if (policy.mode == TlsMode::disable) {
    return bad_tls_config("tls.mode", "is disable, so there is no TLS context",
                          "This is a defect: plain connections need none.");
  }
  std::shared_ptr<TlsContext> context{new TlsContext{policy}};
  if (auto loaded = context->load(outside); loaded.has_error()) return loaded.error();
  return std::shared_ptr<const TlsContext>{std::move(context)};
}

Result<std::shared_ptr<const TlsContext>> TlsContext::for_identity(const TlsIdentity& identity) {
  if (identity.names.empty() && identity.common_name.empty()) {
    return bad_tls_config("name", "is missing: the server's certificate would be anybody's",
                          "This is a defect.");
  }
  TlsPolicy policy;
  policy.mode = TlsMode::verify_full;
  policy.min_version = "1.3";
  std::shared_ptr<TlsContext> context{new TlsContext{std::move(policy)}};
  context->identity_ = identity;
  if (auto loaded = context->load(nullptr); loaded.has_error()) return loaded.error();
  return std::shared_ptr<const TlsContext>{std::move(context)};
}

/// Any of the names, or the common name, which counts beside DNS names too: Cloud SQL's older certificates have both.
Result<void> TlsContext::expect_identity(SSL* ssl) const {
  auto* expected = SSL_get0_param(ssl);
  const auto subject = identity_->common_name.empty() ? X509_CHECK_FLAG_NEVER_CHECK_SUBJECT
                                                      : X509_CHECK_FLAG_ALWAYS_CHECK_SUBJECT;
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | subject);
  auto names = identity_->names;
  if (!names.empty() && SSL_set_tlsext_host_name(ssl, names.front().c_str()) != 1) return tls_out_of_memory();
  if (!identity_->common_name.empty()) names.push_back(identity_->common_name);
  for (const auto& name : names) {
    const bool plain = !name.empty() && name.front() != '.' && name.find('\0') == std::string::npos;
    if (!plain || X509_VERIFY_PARAM_add1_host(expected, name.c_str(), name.size()) != 1) {
      return bad_tls_config(name, "is no name that a certificate can have", "This is a defect.");
    }
  }
  return {};
}

Result<void> TlsContext::load(const FileOpener& outside) {
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_client_method()));
  if (context_ == nullptr) return tls_out_of_memory();
  auto* context = context_.get();
  const int version = policy_.min_version == "1.3" ? TLS1_3_VERSION : TLS1_2_VERSION;
  if (SSL_CTX_set_min_proto_version(context, version) != 1 ||
      SSL_CTX_set_cipher_list(context, ciphers_12) != 1 ||
      SSL_CTX_set_ciphersuites(context, ciphers_13) != 1 || SSL_CTX_set1_groups_list(context, groups) != 1) {
    return tls_out_of_memory();
  }
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  SSL_CTX_set_verify(context, policy_.mode == TlsMode::require ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, nullptr);
  take_notes(context);
  if (identity_) {
    const auto chain = parse_chain(identity_->authorities_pem, "authorities", {});
    if (!chain) return chain.error();
    for (const auto& one : *chain) X509_STORE_add_cert(SSL_CTX_get_cert_store(context), one.get());
    return {};
  }
  if (policy_.mode != TlsMode::require) {
    if (auto trust = load_trust(outside); trust.has_error()) return trust;
  }
  return load_client_certificate(outside);
}

Result<void> TlsContext::load_trust(const FileOpener& outside) {
  X509_STORE* store = SSL_CTX_get_cert_store(context_.get());
  auto roots = policy_.roots;
  if (roots.empty()) roots.emplace_back("system");
  for (const auto& root : roots) {
    if (root == "system") {
      // By name rather than through SSL_CERT_FILE and SSL_CERT_DIR: the environment may not add trust.
      // Either may be missing; a store that trusts nobody fails every handshake with a clear message.
      X509_STORE_load_file(store, X509_get_default_cert_file());
      X509_STORE_load_path(store, X509_get_default_cert_dir());
      ERR_clear_error();
      continue;
    }
    if (auto trusted = trust_file(store, root, outside); trusted.has_error()) return trusted;
  }
  if (policy_.crl_file.empty()) return {};
  return check_revocation_by(store, policy_.crl_file, outside);
}

Result<void> TlsContext::load_client_certificate(const FileOpener& outside) {
  const auto& file = policy_.client_certificate_file;
  if (file.empty()) return {};
  const auto pem = read_tls_file(file, outside);
  if (!pem) return pem.error();
  const auto chain = parse_chain(*pem, file, chain_hint);
  if (!chain || SSL_CTX_use_certificate(context_.get(), chain->front().get()) != 1) {
    return bad_tls_config(
        file, "cannot be read, or holds no usable PEM certificate",
        "tls.client_certificate names a file with the client's certificate first, then its chain.");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context_.get(), (*chain)[i].get()) != 1) return tls_out_of_memory();
  }
  auto key = read_key_file(policy_.client_key_file, our_key, outside);
  if (key.has_error()) return key.error();
  if (SSL_CTX_use_PrivateKey(context_.get(), key->get()) != 1) return key_mismatch(policy_.client_key_file);
  return {};
}

Result<void> TlsContext::expect_name(SSL* ssl, const std::string& name) const {
  const bool is_ip = is_ip_literal(name);
  if (!is_ip && !name.empty() && SSL_set_tlsext_host_name(ssl, name.c_str()) != 1) {
    return bad_tls_config(name, "is no host name that TLS can carry",
                          "Host names have at most 255 characters.");
  }
  if (policy_.mode != TlsMode::verify_full) return {};
  // OpenSSL takes a leading dot to mean "any host below", and an empty name to mean "any name".
  if (name.empty() || name.front() == '.' || name.find('\0') != std::string::npos) {
    return bad_tls_config("tls.server_name",
                          "is missing, and there is no host name to check the certificate against",
                          "Write tls.server_name: the name in the server's certificate.");
  }
  auto* expected = SSL_get0_param(ssl);
  X509_VERIFY_PARAM_set_hostflags(expected, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  const auto address = name.substr(0, name.find('%'));  // certificates know no scope
  const bool set = is_ip ? X509_VERIFY_PARAM_set1_ip_asc(expected, address.c_str()) == 1
                         : X509_VERIFY_PARAM_set1_host(expected, name.c_str(), name.size()) == 1;
  if (!set)
    return bad_tls_config(name, "is no name that a certificate can have",
                          "Write a host name or an IP address.");
  return {};
}

Result<SslPtr> TlsContext::connect(const std::string& host, std::string_view alpn,
                                   const Credential* client_certificate) const {
  ERR_clear_error();
  SslPtr ssl{SSL_new(context_.get())};
  if (ssl == nullptr) return tls_out_of_memory();
  auto name = identity_ ? expect_identity(ssl.get()) : expect_name(ssl.get(), expected_name(policy_, host));
  if (name.has_error()) return name.error();
  if (!alpn.empty()) {
    if (alpn.size() > 255) return bad_tls_config("ALPN", "is longer than 255 bytes", "This is a defect.");
    std::vector<unsigned char> list{static_cast<unsigned char>(alpn.size())};
    list.insert(list.end(), alpn.begin(), alpn.end());
    if (SSL_set_alpn_protos(ssl.get(), list.data(), static_cast<unsigned>(list.size())) != 0)
      return tls_out_of_memory();
  }
  if (client_certificate != nullptr && client_certificate->kind == CredentialKind::client_certificate) {
    if (auto used = use_certificate(ssl.get(), *client_certificate); used.has_error()) return used.error();
  }
  SSL_set_connect_state(ssl.get());
  return ssl;
}

TlsFacts facts_of(SSL* ssl, const TlsContext& context) {
  TlsFacts facts;
  facts.protocol = SSL_get_version(ssl);
  facts.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl));
  const unsigned char* alpn = nullptr;
  unsigned alpn_size = 0;
  SSL_get0_alpn_selected(ssl, &alpn, &alpn_size);
  if (alpn_size > 0) facts.alpn.assign(reinterpret_cast<const char*>(alpn), alpn_size);
  X509* certificate = SSL_get0_peer_certificate(ssl);
  if (certificate == nullptr) return facts;
  facts.peer_certificate_sha256 = sha256_of(certificate);
  facts.server_end_point = end_point_of(certificate);
  // The verify mode is asked of the SSL as well, so that nobody can loosen it after connect() unseen.
  facts.peer_verified = context.policy().mode == TlsMode::verify_full && SSL_is_init_finished(ssl) == 1 &&
                        (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
                        SSL_get_verify_result(ssl) == X509_V_OK;
  return facts;
}

}  // namespace sallyport::net
