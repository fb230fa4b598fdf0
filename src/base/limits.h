// Limits that more than one folder has to keep to, and those whose numbers were chosen together, each with its unit and
// reason. What one class alone needs stands there (broker/pool.h, broker/doorstep.h, broker/turnstile.h, …); those that a
// user can meet are the table "Limits" of docs/operations.md.
#pragma once

#include <chrono>
#include <cstddef>

namespace sallyport::limits {

using namespace std::chrono_literals;

/// A start-up packet. PostgreSQL's own MAX_STARTUP_PACKET_LENGTH.
inline constexpr std::size_t startup_packet_bytes_max = 10'000;

/// The body of one message before the session is established, either side. PostgreSQL's
/// PG_MAX_AUTH_TOKEN_LENGTH is 65,535; Entra tokens reach 7 kB.
inline constexpr std::size_t login_body_bytes_max = 65'536;

/// A cancel key, protocol 3.2.
inline constexpr std::size_t cancel_key_bytes_max = 256;

/// PBKDF2 iterations that a server may ask for: 4,096 is usual, 600,000 what OWASP advises. More
/// would let a hostile server burn our processor.
inline constexpr unsigned scram_iterations_max = 2'000'000;

/// What one client gets to prove who it is and send its start-up packet.
inline constexpr auto client_login_deadline = 10s;

/// DNS + TCP + TLS + login to a database server.
inline constexpr auto upstream_login_deadline = 15s;

/// A cancel's way to a database server and back, on a connection of its own.
inline constexpr auto upstream_cancel_deadline = 10s;

/// One read from a socket on a relay loop.
inline constexpr std::size_t relay_read_bytes = 65'536;

/// Unsent bytes for one peer at which its source is no longer read.
inline constexpr std::size_t relay_pending_bytes_max = 262'144;

/// A reply of a secret manager.
inline constexpr std::size_t secret_reply_bytes_max = 1'048'576;

/// One secret (file, variable, program output).
inline constexpr std::size_t secret_bytes_max = 65'536;

/// One HTTP request to a secret manager, all of it.
inline constexpr auto http_deadline = 20s;

/// A program run for an `exec:` reference.
inline constexpr auto program_deadline = 10s;

/// What a client's prepared statements may take in memory before its session cannot be moved.
inline constexpr std::size_t session_statements_bytes_max = 1'048'576;

/// Likewise of all that a server connection of transaction pooling has: the least recently used are closed.
inline constexpr std::size_t upstream_statements_bytes_max = 16 * session_statements_bytes_max;

/// Requests of one session that the server has not answered, above which its client is no longer read (some 13,000
/// more fit into one read). 32 bytes each. A server may hold back answers up to 5 bytes times this: PostgreSQL's
/// own buffer has 8 kB.
inline constexpr std::size_t session_requests_max = 50'000;

/// Encoded records of the trail that wait for one commit; above it they are dropped, and the commit fails. It bounds
/// memory while the disk is full.
inline constexpr std::size_t trail_commit_bytes_max = 16U << 20;

/// Records that one commit is given, in memory: encoded they are below trail_commit_bytes_max even if every byte has
/// to be escaped, and a relay loop that writes them loses some ms.
inline constexpr std::size_t trail_chunk_bytes_max = 1U << 20;

/// Records kept while the trail cannot be written, and their bytes in memory. A session's end has about 1.5 kB.
inline constexpr std::size_t trail_kept_max = 10'000;
inline constexpr std::size_t trail_kept_bytes_max = 16U << 20;

/// Start-up profiles kept ready for one identity in one database (broker/pool_keys.cpp).
inline constexpr std::size_t pool_profiles_max = 8;

}  // namespace sallyport::limits
