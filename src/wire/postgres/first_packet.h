// What a client says before anything else: it has no type byte, only a length and a code.
//
// A client may ask for TLS and GSS encryption in any order, each answered by one byte, and then starts up
// or cancels. A TLS ClientHello at once is PostgreSQL 17's direct TLS.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace sallyport::postgres {

inline constexpr std::uint32_t protocol_3_0 = 0x0003'0000;
inline constexpr std::uint32_t protocol_3_2 = 0x0003'0002;
/// What new libpq versions ask for to keep servers honest: must be answered, never be spoken.
inline constexpr std::uint32_t protocol_grease = 0x0003'0000 + 9999;
inline constexpr std::uint32_t ssl_request_code = 80'877'103;
inline constexpr std::uint32_t gssenc_request_code = 80'877'104;
inline constexpr std::uint32_t cancel_request_code = 80'877'102;

/// Start-up parameters in one packet; PostgreSQL bounds only the bytes.
inline constexpr std::size_t startup_parameters_max = 512;

using Parameters = std::vector<std::pair<std::string, std::string>>;

struct DirectTls {};  ///< the first byte is a TLS handshake record's; nothing is consumed
struct SslRequest {};
struct GssencRequest {};

struct CancelRequest {
  std::int32_t pid = 0;
  std::vector<std::uint8_t> key;  ///< 4 … limits::cancel_key_bytes_max bytes
};

struct StartupMessage {
  std::uint32_t protocol = protocol_3_0;
  Parameters parameters;  ///< in the client's order; _pq_.* too

  /// The last value given for `name`, as PostgreSQL takes it; nullptr when there is none.
  [[nodiscard]] const std::string* find(std::string_view name) const;
  /// Empty when the client named none (PostgreSQL refuses that with 28000).
  [[nodiscard]] std::string_view user() const;
  /// The database asked for; the user's name when none was.
  [[nodiscard]] std::string_view database() const;
};

struct FirstPacket {
  std::variant<DirectTls, SslRequest, GssencRequest, CancelRequest, StartupMessage> message;
  std::size_t bytes = 0;  ///< what to consume; 0 for DirectTls
};

/// Its length, the first four bytes, is none that a first packet can have. PostgreSQL closes without a word
/// (ProcessStartupPacket): what it would say is for nobody, or for a client that has ended before it began.
bool has_impossible_length(Bytes input);

/// Decodes what a client says first, or next after an answered SslRequest or GssencRequest.
///
/// Returns nullopt when it has not all arrived. Fails as soon as the length or the code is known to be
/// wrong, so a stranger's HTTP request is refused at its eighth byte.
///
/// Limits  limits::startup_packet_bytes_max, limits::cancel_key_bytes_max, startup_parameters_max.
/// Errors  invalid_message, limit_exceeded; peer_unsupported: a protocol whose major version is not 3.
/// Source  PostgreSQL manual, "Message Formats"; ProcessStartupPacket().
Result<std::optional<FirstPacket>> decode_first_packet(Bytes input);

void encode(WipedBytes& out, const SslRequest& message);
void encode(WipedBytes& out, const GssencRequest& message);
void encode(WipedBytes& out, const CancelRequest& message);
void encode(WipedBytes& out, const StartupMessage& message);

}  // namespace sallyport::postgres
