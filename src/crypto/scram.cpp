#include "crypto/scram.h"

#include "base/limits.h"
#include "crypto/pbkdf2.h"
#include "crypto/saslprep.h"
#include "crypto/scram_text.h"

#include <algorithm>
#include <charconv>

namespace sallyport::crypto {

ScramVerifier make_scram_verifier(const Secret& salted_password, Bytes salt, unsigned iterations) {
  const HmacSha256Key key{as_bytes(salted_password.reveal())};
  auto client_key = key.mac(as_bytes("Client Key"));
  ScramVerifier verifier{
      iterations, {salt.begin(), salt.end()}, sha256(client_key), key.mac(as_bytes("Server Key"))};
  wipe_memory(client_key.data(), client_key.size());
  return verifier;
}

ScramVerifier make_scram_verifier_from_password(const Secret& password, Bytes salt, unsigned iterations) {
  return make_scram_verifier(pbkdf2_sha256(saslprep_or_raw(password), salt, iterations), salt, iterations);
}

std::string print_scram_verifier(const ScramVerifier& verifier) {
  std::string text{scram_sha_256};
  text += '$';
  text += std::to_string(verifier.iterations);
  text += ':';
  text += base64_encode(verifier.salt);
  text += '$';
  text += base64_encode(verifier.stored_key);
  text += ':';
  text += base64_encode(verifier.server_key);
  return text;
}

namespace {

Error bad_verifier(std::string_view part) {
  return {
      ErrorCode::invalid_message,
      Hop::none,
      "SCRAM verifier",
      std::string{part},
      "Use the form SCRAM-SHA-256$iterations:salt$StoredKey:ServerKey that PostgreSQL keeps in rolpassword",
      {}};
}

/// Cuts `rest` at `separator` and returns what stood before it.
std::string_view cut(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto part = rest.substr(0, at);
  rest.remove_prefix(at == std::string_view::npos ? rest.size() : at + 1);
  return part;
}

bool decode_key(std::string_view text, Sha256Digest& key) {
  const auto bytes = base64_decode(text);
  if (!bytes || bytes->size() != key.size()) return false;
  std::copy(bytes->begin(), bytes->end(), key.begin());
  return true;
}

}  // namespace

Result<ScramVerifier> parse_scram_verifier(std::string_view text) {
  if (text.size() > scram_message_bytes_max) return bad_verifier("longer than any verifier");
  if (cut(text, '$') != scram_sha_256) return bad_verifier("does not begin with SCRAM-SHA-256$");
  const auto iterations = cut(text, ':');
  const auto salt = base64_decode(cut(text, '$'));
  ScramVerifier verifier;
  const auto [end, wrong] =
      std::from_chars(iterations.data(), iterations.data() + iterations.size(), verifier.iterations);
  if (wrong != std::errc{} || end != iterations.data() + iterations.size() || verifier.iterations == 0 ||
      verifier.iterations > limits::scram_iterations_max) {
    return bad_verifier("the iteration count is no number from 1 to 2000000");
  }
  if (!salt || salt->empty() || salt->size() > scram_salt_bytes_max)
    return bad_verifier("the salt is not base64");
  verifier.salt = *salt;
  if (!decode_key(cut(text, ':'), verifier.stored_key))
    return bad_verifier("StoredKey is not base64 of 32 bytes");
  if (!decode_key(text, verifier.server_key)) return bad_verifier("ServerKey is not base64 of 32 bytes");
  return verifier;
}

ScramVerifier mock_scram_verifier(Bytes mock_secret, std::string_view user, unsigned iterations,
                                  std::size_t salt_bytes) {
  const HmacSha256Key key{mock_secret};
  const auto derive = [&](std::string_view purpose) { return key.mac({as_bytes(purpose), as_bytes(user)}); };
  const auto salt = derive("salt:");
  const auto end = salt.begin() + static_cast<std::ptrdiff_t>(std::min(salt_bytes, salt.size()));
  return {iterations, {salt.begin(), end}, derive("stored:"), derive("server:")};
}

}  // namespace sallyport::crypto
