// What two processes of this service say to one another at a binary upgrade, one packet a message (docs/operations.md,
// Upgrade). They may be of different versions, so the form stays: "SPHO", form, kind, then fields of tag, length and
// value (big-endian). A field that is not known is passed over; everything has a limit. Pure.
//
//   successor → predecessor   hello, give, serving, cancel, reloaded
//   predecessor → successor   welcome or refusal; socket …, all_given; released; cancel_done
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "broker/cancel_elsewhere.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::cli::handover {

inline constexpr std::size_t packet_bytes_max = 32'768;
inline constexpr std::size_t text_bytes_max = 4'096;
inline constexpr std::size_t names_max = 1'000;

/// I am of this version, read this file, and would take over.
struct Hello {
  std::string version, config_file;
};
/// You may. The lock of the socket that you called comes along.
struct Welcome {
  std::string version;
};
/// You may not: printable, no secret.
struct Refusal {
  std::string what, fix;
};
/// My configuration is good: give me the sockets.
struct Give {};
/// One socket, and its lock if it has one, come along.
struct Socket {
  std::string path;  ///< of a Unix socket with a name of ours; empty: none
};
struct AllGiven {
  std::uint32_t count = 0;
  std::vector<std::string> credentials;  ///< TARGET/ROLE of those that I have
};
/// I accept connections.
struct Serving {};
/// I accept no more: the sockets' names are yours.
struct Released {
  std::vector<std::string> paused;  ///< targets
};
/// A cancel that may be for a session of yours.
struct Cancel {
  std::uint64_t number = 0;
  broker::CancelClaim claim;
};
struct CancelDone {
  std::uint64_t number = 0;
  bool found = false;
};
/// The configuration file has changed: judge your sessions by it.
struct Reloaded {};

using Message = std::variant<Hello, Welcome, Refusal, Give, Socket, AllGiven, Serving, Released, Cancel,
                             CancelDone, Reloaded>;

/// Empty: it would be longer than packet_bytes_max.
std::string encode_message(const Message& message);

/// Errors  invalid_message: not in this form, a field that is missing, twice or too long, or text that is not
///         printable.
Result<Message> decode_message(Bytes packet);

}  // namespace sallyport::cli::handover
