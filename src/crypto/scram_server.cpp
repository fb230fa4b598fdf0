#include "crypto/scram_server.h"

#include "crypto/scram_text.h"

#include <algorithm>

namespace sallyport::crypto {

namespace {

constexpr std::string_view client_first = "SCRAM client-first-message";
constexpr std::string_view client_final = "SCRAM client-final-message";
constexpr std::string_view end_point_binding = "p=tls-server-end-point";

}  // namespace

ScramServer::ScramServer(ScramServerOptions options, std::string nonce)
    : options_(std::move(options)), nonce_(std::move(nonce)) {}

Result<std::string> ScramServer::on_client_first(std::string_view message, bool plus) {
  if (step_ != Step::first) return scram_error(ErrorCode::peer_misbehaved, client_first, "sent twice");
  if (message.size() > scram_message_bytes_max) {
    return scram_error(ErrorCode::limit_exceeded, client_first, "longer than 4096 bytes");
  }
  ScramReader reader{message};
  const auto binding = reader.bare();
  const auto authorization = reader.bare();
  const auto bare_message = reader.rest();
  if (!authorization.empty()) {
    return scram_error(ErrorCode::peer_unsupported, client_first,
                       "an authorization identity is not supported");
  }
  if (plus && options_.end_point.empty()) {
    return scram_error(ErrorCode::peer_misbehaved, client_first, "SCRAM-SHA-256-PLUS was not offered");
  }
  if (plus != binding.starts_with("p=")) {
    return scram_error(ErrorCode::peer_misbehaved, client_first,
                       "the channel binding does not go with the mechanism");
  }
  if (plus && binding != end_point_binding) {
    return scram_error(ErrorCode::peer_unsupported, client_first,
                       "a channel binding other than tls-server-end-point");
  }
  if (!plus && binding != "n" && binding != "y") {
    return scram_error(ErrorCode::invalid_message, client_first, "does not begin with n, y or p=");
  }
  if (binding == "y" && !options_.end_point.empty()) {
    return scram_error(ErrorCode::peer_misbehaved, client_first,
                       "the client believes that we do not offer channel binding: somebody forged the offer");
  }
  if (reader.next_is('m'))
    return scram_error(ErrorCode::peer_unsupported, client_first, "a mandatory extension");
  (void)reader.value('n');
  const auto nonce = reader.value('r');
  if (!reader.ok() || nonce.empty() || !is_scram_printable(nonce)) {
    return scram_error(ErrorCode::invalid_message, client_first, "not of the form n=…,r=…");
  }
  plus_ = plus;
  gs2_header_ = std::string{binding} + ",,";
  first_bare_ = bare_message;
  whole_nonce_ = std::string{nonce} + nonce_;
  server_first_ = "r=" + whole_nonce_ + ",s=" + base64_encode(options_.verifier.salt) +
                  ",i=" + std::to_string(options_.verifier.iterations);
  step_ = Step::challenged;
  return server_first_;
}

Result<std::string> ScramServer::on_client_final(std::string_view message) {
  if (step_ != Step::challenged)
    return scram_error(ErrorCode::peer_misbehaved, client_final, "sent out of turn");
  if (message.size() > scram_message_bytes_max) {
    return scram_error(ErrorCode::limit_exceeded, client_final, "longer than 4096 bytes");
  }
  ScramReader reader{message};
  const auto binding = reader.value('c');
  const auto nonce = reader.value('r');
  // Extensions may stand between the nonce and the proof, which is the last attribute.
  while (reader.ok() && !reader.at_end() && !reader.next_is('p')) (void)reader.bare();
  const auto without_proof =
      message.substr(0, message.size() - std::min(message.size(), reader.rest().size() + 1));
  const auto proof = base64_decode(reader.value('p'), client_final);
  if (!reader.ok() || !reader.at_end() || !proof || proof->size() != sizeof(Sha256Digest)) {
    return scram_error(ErrorCode::invalid_message, client_final, "not of the form c=…,r=…,p=…");
  }
  if (binding != scram_channel_binding(gs2_header_, plus_ ? Bytes{options_.end_point} : Bytes{})) {
    return scram_error(ErrorCode::peer_misbehaved, client_final,
                       "the channel binding is that of another TLS connection: somebody stands between");
  }
  if (nonce != whole_nonce_)
    return scram_error(ErrorCode::peer_misbehaved, client_final, "the nonce is not ours");
  step_ = Step::finished;

  const auto auth_message = first_bare_ + "," + server_first_ + "," + std::string{without_proof};
  auto client_key = hmac_sha256(options_.verifier.stored_key, as_bytes(auth_message));
  for (std::size_t i = 0; i < client_key.size(); ++i) client_key[i] ^= (*proof)[i];
  const bool right = equal_in_constant_time(sha256(client_key), options_.verifier.stored_key);
  wipe_memory(client_key.data(), client_key.size());
  if (!right || options_.mock) {
    return Error{
        ErrorCode::denied, Hop::identity, "SCRAM proof", "the password or token is wrong", {}, "28P01"};
  }
  return "v=" + base64_encode(hmac_sha256(options_.verifier.server_key, as_bytes(auth_message)));
}

}  // namespace sallyport::crypto
