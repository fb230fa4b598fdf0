// Messages of an established session that a broker has to read or write itself. Rows never are.
//
// Views borrow the body that was decoded. The unlisted rest of the protocol passes through by frame.
#pragma once

#include "base/bytes.h"
#include "base/result.h"
#include "base/secret.h"

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::postgres {

/// _pq_ options named in one NegotiateProtocolVersion.
inline constexpr std::size_t negotiate_options_max = 512;

// ---- From the server --------------------------------------------------------------------------

struct ParameterStatus {
  std::string_view name;
  std::string_view value;
};  // 'S'
struct BackendKeyData {
  std::int32_t pid = 0;
  Bytes key;
};  // 'K'
enum class TransactionStatus : char { idle = 'I', in_transaction = 'T', failed = 'E' };
struct ReadyForQuery {
  TransactionStatus status = TransactionStatus::idle;
};                                            // 'Z'
struct NegotiateProtocolVersion {             // 'v'
  std::uint32_t newest = 0;                   ///< the whole version, 0x0003'0002
  std::vector<std::string_view> unsupported;  ///< _pq_ options that the server does not know
};
struct CommandComplete {
  std::string_view tag;
};  // 'C'
struct NotificationResponse {
  std::int32_t pid = 0;
  std::string_view channel;
  std::string_view payload;
};  // 'A'

Result<ParameterStatus> decode_parameter_status(Bytes body);
/// Limit  the key has 4 … limits::cancel_key_bytes_max bytes.
Result<BackendKeyData> decode_backend_key_data(Bytes body);
Result<ReadyForQuery> decode_ready_for_query(Bytes body);
Result<NegotiateProtocolVersion> decode_negotiate_protocol_version(Bytes body);
Result<CommandComplete> decode_command_complete(Bytes body);
Result<NotificationResponse> decode_notification_response(Bytes body);

void encode(WipedBytes& out, const ParameterStatus& message);
void encode(WipedBytes& out, const BackendKeyData& message);
void encode(WipedBytes& out, const ReadyForQuery& message);
void encode(WipedBytes& out, const NegotiateProtocolVersion& message);
void encode(WipedBytes& out, const CommandComplete& message);
void encode(WipedBytes& out, const NotificationResponse& message);

// ---- From the client --------------------------------------------------------------------------

struct Query {
  std::string_view sql;
};                             // 'Q'
struct Parse {                 // 'P'
  std::string_view statement;  ///< empty: the unnamed one
  std::string_view sql;
  std::vector<std::uint32_t> parameter_types;
};
/// 'B', its names only: parameters and formats are passed on unread.
struct BindNames {
  std::string_view portal;
  std::string_view statement;
};
enum class Named : char { statement = 'S', portal = 'P' };
struct Describe {
  Named what = Named::statement;
  std::string_view name;
};  // 'D'
struct Close {
  Named what = Named::statement;
  std::string_view name;
};  // 'C'
struct Execute {
  std::string_view portal;
  std::int32_t rows_max = 0;
};                    // 'E'
struct Sync {};       // 'S'
struct Flush {};      // 'H'
struct Terminate {};  // 'X'

Result<Query> decode_query(Bytes body);
Result<Parse> decode_parse(Bytes body);
Result<BindNames> decode_bind_names(Bytes body);
Result<Describe> decode_describe(Bytes body);
Result<Close> decode_close(Bytes body);
Result<Execute> decode_execute(Bytes body);

void encode(WipedBytes& out, const Query& message);
void encode(WipedBytes& out, const Parse& message);
void encode(WipedBytes& out, const Describe& message);
void encode(WipedBytes& out, const Close& message);
void encode(WipedBytes& out, const Execute& message);
void encode(WipedBytes& out, const Sync& message);
void encode(WipedBytes& out, const Flush& message);
void encode(WipedBytes& out, const Terminate& message);

}  // namespace sallyport::postgres
