#include "net/tls_verify.h"

#include <openssl/x509_vfy.h>

namespace sallyport::net {

namespace {

void free_notes(void*, void* notes, CRYPTO_EX_DATA*, int, long, void*) {
  delete static_cast<HandshakeNotes*>(notes);
}

int notes_index() {
  static const int index = SSL_get_ex_new_index(0, nullptr, nullptr, nullptr, free_notes);
  return index;
}

HandshakeNotes* writable_notes(SSL* ssl) {
  if (auto* notes = static_cast<HandshakeNotes*>(SSL_get_ex_data(ssl, notes_index()))) return notes;
  auto notes = std::make_unique<HandshakeNotes>();
  if (SSL_set_ex_data(ssl, notes_index(), notes.get()) != 1) return nullptr;
  return notes.release();
}

X509Ptr shared(X509* certificate) {
  if (certificate != nullptr) X509_up_ref(certificate);
  return X509Ptr{certificate};
}

int verify_and_note(X509_STORE_CTX* store, void* shared_notes) {
  const int verdict = X509_verify_cert(store);
  if (verdict > 0) return verdict;
  auto* ssl = static_cast<SSL*>(X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx()));
  auto* notes = static_cast<HandshakeNotes*>(shared_notes);
  if (notes == nullptr && ssl != nullptr) notes = writable_notes(ssl);
  if (notes != nullptr) {
    notes->verify_result = X509_STORE_CTX_get_error(store);
    notes->depth = X509_STORE_CTX_get_error_depth(store);
    notes->certificate = shared(X509_STORE_CTX_get_current_cert(store));
    notes->leaf = shared(X509_STORE_CTX_get0_cert(store));
  }
  return verdict;
}

int verify_and_forget_chain(X509_STORE_CTX* store, void* shared_notes) {
  const int verdict = verify_and_note(store, shared_notes);
  if (verdict > 0) X509_STORE_CTX_set0_verified_chain(store, nullptr);
  return verdict;
}

// A client's certificate callback is called only when the server has sent a CertificateRequest.
int note_request(SSL* ssl, void*) {
  if (auto* notes = writable_notes(ssl)) notes->client_certificate_asked_for = true;
  return 1;
}

}  // namespace

void take_leaf_notes(SSL_CTX* context) {
  SSL_CTX_set_cert_verify_callback(context, verify_and_forget_chain, nullptr);
}

void take_notes(SSL_CTX* context) {
  SSL_CTX_set_cert_verify_callback(context, verify_and_note, nullptr);
  SSL_CTX_set_cert_cb(context, note_request, nullptr);
}

void take_notes(SSL_CTX* context, HandshakeNotes& notes) {
  SSL_CTX_set_cert_verify_callback(context, verify_and_note, &notes);
}

const HandshakeNotes* notes_of(const SSL* ssl) {
  return static_cast<const HandshakeNotes*>(SSL_get_ex_data(ssl, notes_index()));
}

}  // namespace sallyport::net
