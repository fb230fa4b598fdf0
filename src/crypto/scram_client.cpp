#include "crypto/scram_client.h"

#include "base/limits.h"
#include "crypto/scram_text.h"

#include <algorithm>
#include <charconv>

namespace sallyport::crypto {

namespace {

constexpr std::string_view server_first = "SCRAM server-first-message";
constexpr std::string_view server_final = "SCRAM server-final-message";

/// A user name as the attribute n= carries it.
std::string escape_name(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == ',')
      text += "=2C";
    else if (c == '=')
      text += "=3D";
    else
      text += c;
  }
  return text;
}

}  // namespace

ScramClient::ScramClient(ScramClientOptions options, std::string nonce)
    : options_(std::move(options)), nonce_(std::move(nonce)) {
  first_bare_ = "n=" + escape_name(options_.user) + ",r=" + nonce_;
}

std::string_view ScramClient::mechanism() const {
  return options_.binding == ScramBinding::tls_server_end_point ? scram_sha_256_plus : scram_sha_256;
}

std::string ScramClient::gs2_header() const {
  switch (options_.binding) {
    case ScramBinding::unsupported: return "n,,";
    case ScramBinding::not_offered: return "y,,";
    case ScramBinding::tls_server_end_point: break;
  }
  return "p=tls-server-end-point,,";
}

std::string ScramClient::first_message() const { return gs2_header() + first_bare_; }

Result<ScramChallenge> ScramClient::on_server_first(std::string_view message) {
  if (step_ != Step::first) return scram_error(ErrorCode::peer_misbehaved, server_first, "sent twice");
  if (message.size() > scram_message_bytes_max) {
    return scram_error(ErrorCode::limit_exceeded, server_first, "longer than 4096 bytes");
  }
  ScramReader reader{message};
  if (reader.next_is('m')) {
    return scram_error(ErrorCode::peer_unsupported, server_first, "the server demands a SCRAM extension");
  }
  if (reader.next_is('e'))
    return scram_error(ErrorCode::denied, server_first, "the server ended SCRAM with an error");
  const auto nonce = reader.value('r');
  const auto salt_text = reader.value('s');
  const auto iterations_text = reader.value('i');
  if (!reader.ok() || !is_scram_printable(nonce)) {
    return scram_error(ErrorCode::invalid_message, server_first, "not of the form r=…,s=…,i=…");
  }
  if (nonce.size() <= nonce_.size() || !nonce.starts_with(nonce_)) {
    return scram_error(ErrorCode::peer_misbehaved, server_first, "the nonce does not continue ours");
  }
  auto salt = base64_decode(salt_text, server_first);
  if (!salt || salt->empty())
    return scram_error(ErrorCode::invalid_message, server_first, "the salt is not base64");
  if (salt->size() > scram_salt_bytes_max) {
    return scram_error(ErrorCode::limit_exceeded, server_first, "the salt is longer than 1024 bytes");
  }
  unsigned iterations = 0;
  const auto* text_end = iterations_text.data() + iterations_text.size();
  const auto [end, wrong] = std::from_chars(iterations_text.data(), text_end, iterations);
  if (wrong == std::errc::result_out_of_range ||
      (wrong == std::errc{} && iterations > limits::scram_iterations_max)) {
    return scram_error(ErrorCode::limit_exceeded, server_first,
                       "the server asks for more than 2000000 iterations",
                       "Lower scram_iterations on the server and set the password again");
  }
  if (wrong != std::errc{} || end != text_end || iterations == 0) {
    return scram_error(ErrorCode::invalid_message, server_first, "the iteration count is no positive number");
  }
  server_first_ = message;
  server_nonce_ = nonce;
  step_ = Step::challenged;
  return ScramChallenge{std::move(*salt), iterations};
}

Result<std::string> ScramClient::final_message(const Secret& salted_password) {
  if (step_ != Step::challenged || salted_password.size() != sizeof(Sha256Digest)) {
    return scram_error(ErrorCode::internal, "SCRAM client-final-message", "asked for out of turn");
  }
  const auto end_point =
      options_.binding == ScramBinding::tls_server_end_point ? Bytes{options_.end_point} : Bytes{};
  auto message = "c=" + scram_channel_binding(gs2_header(), end_point) + ",r=" + server_nonce_;
  const auto auth_message = first_bare_ + "," + server_first_ + "," + message;

  const HmacSha256Key key{as_bytes(salted_password.reveal())};
  auto client_key = Secret::of_size(sizeof(Sha256Digest));
  auto derived = key.mac(as_bytes("Client Key"));
  std::copy(derived.begin(), derived.end(), client_key.writable().begin());
  wipe_memory(derived.data(), derived.size());

  auto proof = hmac_sha256(sha256(client_key.writable()), as_bytes(auth_message));
  for (std::size_t i = 0; i < proof.size(); ++i) proof[i] ^= client_key.writable()[i];
  server_signature_ = hmac_sha256(key.mac(as_bytes("Server Key")), as_bytes(auth_message));
  step_ = Step::proved;
  return message + ",p=" + base64_encode(proof);
}

Result<void> ScramClient::on_server_final(std::string_view message) {
  if (step_ != Step::proved)
    return scram_error(ErrorCode::peer_misbehaved, server_final, "sent before our proof");
  if (message.size() > scram_message_bytes_max) {
    return scram_error(ErrorCode::limit_exceeded, server_final, "longer than 4096 bytes");
  }
  ScramReader reader{message};
  if (reader.next_is('e'))
    return scram_error(ErrorCode::denied, server_final, "the server ended SCRAM with an error");
  const auto signature = base64_decode(reader.value('v'), server_final);
  if (!reader.ok() || !signature)
    return scram_error(ErrorCode::invalid_message, server_final, "not of the form v=…");
  if (!equal_in_constant_time(*signature, server_signature_)) {
    return scram_error(
        ErrorCode::peer_misbehaved, server_final,
        "the server's signature is wrong: it does not know this password's verifier",
        "Whoever answered is not the database that this password belongs to: check host, port and DNS");
  }
  step_ = Step::finished;
  return {};
}

}  // namespace sallyport::crypto
