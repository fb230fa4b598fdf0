#include "net/server_tls.h"

#include "net/client_certificate.h"
#include "net/tls_material.h"

#include <openssl/err.h>

namespace sallyport::net {

namespace {

// ECDHE with an AEAD only; AES-128-GCM first, which costs least where the processor has it.
constexpr const char* ciphers_12 =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE+AESGCM:ECDHE+CHACHA20:!aNULL:!PSK";
constexpr const char* ciphers_13 =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256";
constexpr const char* groups = "X25519:P-256:P-384:P-521";

constexpr const char* our_key = "the route's";
constexpr const char* chain_hint = "Expected -----BEGIN CERTIFICATE-----, the route's own first.";
/// A client's whole chain. Before anything is known of it, this is what it may make us keep and parse.
constexpr long client_chain_bytes_max = 32'768;

/// Marks the SSL of a client that began with TLS.
char direct_mark = 0;

/// "\x0apostgresql": as ALPN writes a list.
constexpr unsigned char alpn_list[] = "\x0apostgresql";

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned offered_size, void*) {
  unsigned char* found = nullptr;
  const auto verdict =
      SSL_select_next_proto(&found, size, alpn_list, sizeof alpn_list - 1, offered, offered_size);
  *chosen = found;
  return verdict == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

// Called once the ClientHello is whole, before anything is answered.
int check_hello(SSL* ssl, int* alert, void*) {
  const unsigned char* extension = nullptr;
  std::size_t size = 0;
  const bool has_alpn = SSL_client_hello_get0_ext(ssl, TLSEXT_TYPE_application_layer_protocol_negotiation,
                                                  &extension, &size) == 1;
  if (has_alpn || SSL_get_app_data(ssl) != &direct_mark) return SSL_CLIENT_HELLO_SUCCESS;
  *alert = SSL_AD_NO_APPLICATION_PROTOCOL;
  return SSL_CLIENT_HELLO_ERROR;
}

}  // namespace

Result<std::shared_ptr<const ServerTls>> ServerTls::from_files(const ClientTlsPolicy& policy,
                                                               const FileOpener& outside) {
  std::shared_ptr<ServerTls> made{new ServerTls{policy}};
  if (auto done = made->set_up(); !done) return done.error();
  auto pem = read_tls_file(policy.certificate_file, outside);
  if (!pem) return pem.error();
  if (auto used = made->use_certificate(*pem, policy.certificate_file); !used) return used.error();
  auto key = read_key_file(policy.key_file, our_key, outside);
  if (!key) return key.error();
  if (auto used = made->use_key(key->get(), policy.key_file); !used) return used.error();
  if (auto trusted = made->trust_clients(outside); !trusted) return trusted.error();
  return std::shared_ptr<const ServerTls>{std::move(made)};
}

Result<std::shared_ptr<const ServerTls>> ServerTls::from_memory(std::string_view certificate_pem,
                                                                EVP_PKEY* key) {
  const std::string where = "certificate of this run";
  std::shared_ptr<ServerTls> made{new ServerTls{{}}};
  if (auto done = made->set_up(); !done) return done.error();
  if (auto used = made->use_certificate(certificate_pem, where); !used) return used.error();
  if (auto used = made->use_key(key, where); !used) return used.error();
  return std::shared_ptr<const ServerTls>{std::move(made)};
}

Result<void> ServerTls::set_up() {
  ERR_clear_error();
  context_.reset(SSL_CTX_new(TLS_server_method()));
  auto* context = context_.get();
  if (context == nullptr || SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1 ||
      SSL_CTX_set_cipher_list(context, ciphers_12) != 1 ||
      SSL_CTX_set_ciphersuites(context, ciphers_13) != 1 || SSL_CTX_set1_groups_list(context, groups) != 1 ||
      SSL_CTX_set_num_tickets(context, 0) != 1) {
    return tls_out_of_memory();
  }
  SSL_CTX_set_options(context, SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
                                   SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
  // Idle clients are many: their buffers go back between two messages.
  SSL_CTX_set_mode(context, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_read_ahead(context, 1);
  SSL_CTX_set_default_passwd_cb(context, no_passphrase);
  SSL_CTX_set_max_cert_list(context, client_chain_bytes_max);
  SSL_CTX_set_alpn_select_cb(context, choose_protocol, nullptr);
  SSL_CTX_set_client_hello_cb(context, check_hello, nullptr);
  return {};
}

Result<void> ServerTls::use_certificate(std::string_view pem, const std::string& where) {
  auto chain = parse_chain(pem, where, chain_hint);
  if (!chain) return chain.error();
  auto* own = chain->front().get();
  if (SSL_CTX_use_certificate(context_.get(), own) != 1) {
    return bad_tls_config(where, "is not acceptable to OpenSSL (key too short, or an outdated signature)",
                          "Reissue it.");
  }
  for (std::size_t i = 1; i < chain->size(); ++i) {
    if (SSL_CTX_add1_chain_cert(context_.get(), (*chain)[i].get()) != 1) return tls_out_of_memory();
  }
  end_point_ = end_point_of(own);
  return {};
}

Result<void> ServerTls::use_key(EVP_PKEY* key, const std::string& where) {
  if (SSL_CTX_use_PrivateKey(context_.get(), key) == 1) return {};
  return bad_tls_config(where, "the private key does not belong to the route's certificate",
                        "Give the key that the certificate was issued for.");
}

Result<void> ServerTls::trust_clients(const FileOpener& outside) {
  if (policy_.client_ca_file.empty()) return {};
  auto pem = read_tls_file(policy_.client_ca_file, outside);
  if (!pem) return pem.error();
  auto authorities = parse_chain(*pem, policy_.client_ca_file, "Expected -----BEGIN CERTIFICATE-----.");
  if (!authorities) return authorities.error();
  auto* store = SSL_CTX_get_cert_store(context_.get());
  for (const auto& authority : *authorities) {
    // Its names are sent, so that a client with several certificates knows which one is meant.
    if (X509_STORE_add_cert(store, authority.get()) != 1 ||
        SSL_CTX_add_client_CA(context_.get(), authority.get()) != 1) {
      return tls_out_of_memory();
    }
  }
  if (!policy_.client_crl_file.empty()) {
    if (auto checked = check_revocation_by(store, policy_.client_crl_file, outside); !checked)
      return checked.error();
  }
  // One that is shown has to be good; whether one is needed, policy says, in the protocol's own words.
  SSL_CTX_set_verify(context_.get(), SSL_VERIFY_PEER, nullptr);
  take_leaf_notes(context_.get());
  return {};
}

Result<SslHandle> ServerTls::accept(bool direct) const {
  ERR_clear_error();
  SslHandle ssl{SSL_new(context_.get())};
  if (ssl == nullptr) return tls_out_of_memory();
  if (direct) SSL_set_app_data(ssl.get(), &direct_mark);
  SSL_set_accept_state(ssl.get());
  return ssl;
}

ClientTlsFacts client_facts_of(SSL* ssl, const ServerTls& context) {
  ClientTlsFacts facts;
  facts.protocol = SSL_get_version(ssl);
  facts.cipher = SSL_CIPHER_get_name(SSL_get_current_cipher(ssl));
  facts.end_point = context.end_point();
  X509* certificate = SSL_get0_peer_certificate(ssl);
  // The verify mode is asked of the SSL as well, so that nobody can loosen it after accept() unseen.
  const bool verified = certificate != nullptr && (SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER) != 0 &&
                        SSL_get_verify_result(ssl) == X509_V_OK;
  if (verified) {
    facts.certificate =
        std::make_shared<const policy::ClientCertificate>(decode_client_certificate(certificate));
  }
  return facts;
}

}  // namespace sallyport::net
