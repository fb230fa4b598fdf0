// What the relay looks at in passing: the frames that the session's tracker needs, parameters, and the replies to
// statements of our own. Private to the relay.
#pragma once

#include "broker/relay.h"
#include "broker/reset_role.h"
#include "broker/state_check.h"
#include "wire/postgres/database_words.h"
#include "wire/postgres/error_fields.h"
#include "wire/postgres/refused_state.h"

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

namespace sallyport::broker {

struct Relay::ClientVisitor {
  static constexpr std::uint32_t short_query_bytes_max = 1024;

  postgres::SessionTracker& tracker;
  AlteredDefaults& defaults;
  bool terminate = false;
  std::string needed_alone = {};  ///< a database, by the latest statement that needs one for itself

  void look_at(std::string_view sql, bool kept) {
    postgres::note_database_needed(needed_alone, sql);
    if (postgres::alters_defaults(sql)) defaults.on_statement(kept);
  }

  [[nodiscard]] bool wants_body(char type, std::uint32_t bytes) const {
    return tracker.wants_client_body(type, bytes) || (type == 'Q' && bytes <= short_query_bytes_max);
  }
  postgres::ScanStep on_frame(const postgres::Frame& frame) {
    if (frame.type == 'X') {
      terminate = true;
      return postgres::ScanStep::stop_before;
    }
    tracker.on_client_frame(frame.type);
    return postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) {
    tracker.on_client_body(frame.type, body);
    if (frame.type == 'Q') {
      tracker.on_client_piece(body);
      look_at(as_text(body), false);
    } else if (frame.type == 'P') {
      const auto text = as_text(body);  // the statement's name, its SQL
      const auto name_end = text.find('\0');
      if (name_end != std::string_view::npos) look_at(text.substr(name_end + 1), name_end > 0);
    }
    return postgres::ScanStep::go_on;
  }
  [[nodiscard]] bool wants_pieces(char type) const { return tracker.wants_client_pieces(type); }
  void on_piece(Bytes piece) const { tracker.on_client_piece(piece); }
};

/// The longest ParameterStatus that is followed: as much as the scanner of a server's bytes keeps whole.
inline constexpr std::uint32_t status_bytes_max = postgres::FrameScanner::collect_bytes_usual;

/// An ErrorResponse of a server that was to take writes: 25006 says that it does not.
inline void note_refused_write(Upstream& upstream, std::string_view sqlstate) {
  if (sqlstate == "25006") upstream.write_refused = true;
}

struct Relay::ServerVisitor {
  postgres::SessionTracker& tracker;
  Upstream& upstream;
  ClientName& client_name;
  AlteredDefaults& defaults;

  [[nodiscard]] static bool wants_body(char type, std::uint32_t bytes) {
    return postgres::SessionTracker::wants_server_body(type, bytes) ||
           (type == 'S' && bytes <= status_bytes_max) || (type == 'E' && bytes <= 8192);
  }
  postgres::ScanStep on_frame(const postgres::Frame& frame) const {
    tracker.on_server_frame(frame.type);
    return postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) const {
    if (frame.type == 'E') {
      tracker.on_server_frame('E');
      if (const auto fields = postgres::decode_error_fields(body))
        note_refused_write(upstream, fields->sqlstate());
    } else if (frame.type != 'S') {
      tracker.on_server_body(frame.type, body);
      if (frame.type == 'Z') {
        client_name.on_ready();
        defaults.on_ready(tracker.status() == postgres::TransactionStatus::idle);
      }
      if (frame.type == 'C') {
        client_name.on_tag(text_up_to_zero(body));
        defaults.on_tag(text_up_to_zero(body));
      }
    } else if (const auto status = postgres::decode_parameter_status(body)) {
      upstream.parameters.note(status->name, status->value);
      if (status->name == ClientName::parameter)
        client_name.on_reported(status->value, upstream.at_login.value_of(status->name));
    }
    return postgres::ScanStep::go_on;
  }
};

// As ServerVisitor, on a connection that is lent: it stops in front of answers to what was slipped in, and turns the
// answers to Closes that stand for Parses into theirs.
struct Relay::LentServerVisitor {
  postgres::SessionTracker& tracker;
  Upstream& upstream;
  ClientName& client_name;
  AlteredDefaults& defaults;
  postgres::PooledRequests& requests;
  MutableBytes chunk;
  std::int32_t told_pid = 0;  ///< the client's BackendKeyData
  bool hidden = false;

  [[nodiscard]] static bool wants_body(char type, std::uint32_t bytes) {
    return ServerVisitor::wants_body(type, bytes);
  }
  // libpq's way to know one's own NOTIFY: it names the process that BackendKeyData did. One whose first bytes are cut
  // off is told as it is.
  void name_own_process(const postgres::Frame& frame) const {
    constexpr std::size_t pid_bytes = 4;
    const auto at = frame.begin + postgres::frame_header_bytes;
    if (frame.body_bytes < pid_bytes || at + pid_bytes > chunk.size()) return;
    const auto pid = chunk.subspan(at, pid_bytes);
    if (ByteReader{pid}.i32() != upstream.pid) return;
    for (std::size_t i = 0; i < pid_bytes; ++i)
      pid[i] = static_cast<std::uint8_t>(static_cast<std::uint32_t>(told_pid) >> (8 * (pid_bytes - 1 - i)));
  }
  postgres::ScanStep on_frame(const postgres::Frame& frame) {
    if (frame.type == 'A') name_own_process(frame);
    // Too long to be followed, so that it could not be set back: it is for nobody else.
    if (frame.type == 'S') requests.state().add(postgres::StateReason::setting);
    const auto face = tracker.on_server_frame(frame.type);
    if (face == postgres::Face::as_it_is) return postgres::ScanStep::go_on;
    if (frame.body_bytes != 0) return postgres::ScanStep::fail;
    if (face == postgres::Face::hidden) {
      hidden = true;
      return postgres::ScanStep::stop_before;
    }
    chunk[frame.begin] = '1';
    return postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) {
    if (frame.type == 'E') {
      tracker.on_server_frame('E');
      if (const auto fields = postgres::decode_error_fields(body)) {
        note_refused_write(upstream, fields->sqlstate());
        requests.on_error(fields->sqlstate());
      }
      // One that came in pieces has been passed on already.
      const bool here =
          body.data() >= chunk.data() && body.data() + body.size() <= chunk.data() + chunk.size();
      if (here)
        postgres::tell_refusal(
            chunk.subspan(static_cast<std::size_t>(body.data() - chunk.data()), body.size()));
      return postgres::ScanStep::go_on;
    }
    if (frame.type == 'C') {
      requests.on_done(text_up_to_zero(body));
      if (text_up_to_zero(body) == "DISCARD ALL" &&
          discard_all_loses_role(upstream.parameters.value_of("server_version")))
        requests.mistrust();
    }
    const auto step = ServerVisitor{tracker, upstream, client_name, defaults}.on_body(frame, body);
    // It could not be set again elsewhere without a guess.
    if (frame.type == 'S' && holds_doubt(upstream.parameters.map()))
      requests.state().add(postgres::StateReason::setting);
    if (frame.type == 'Z' && tracker.status() == postgres::TransactionStatus::idle) requests.on_done({});
    return step;
  }
};

// The answer to the question what a session leaves behind.
struct Relay::CheckVisitor {
  Loan& loan;
  std::string_view role;  // that its sessions begin with
  std::string_view user;
  unsigned& left;

  [[nodiscard]] static bool wants_body(char type, std::uint32_t bytes) {
    return (type == 'D' && bytes <= 8192) || (type == 'Z' && bytes == 1);
  }
  static postgres::ScanStep on_frame(const postgres::Frame& frame) {
    return frame.type == 'Z' ? postgres::ScanStep::fail : postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) const {
    if (frame.type == 'Z') return --left == 0 ? postgres::ScanStep::stop_after : postgres::ScanStep::go_on;
    const auto found = state_of_answer(body, role, user);
    if (!found) return postgres::ScanStep::fail;
    loan.found = *found;
    loan.answered = true;
    return postgres::ScanStep::go_on;
  }
};

// Replies to our own statement: dropped up to its ReadyForQuery, but for parameters. ReadyForQuery counts once
// its body has arrived too, or that would be taken for the client's.
struct Relay::SwallowVisitor {
  ReportedParameters& parameters;
  unsigned& left;
  bool must_succeed = false;
  std::unique_ptr<postgres::ErrorFields> refusal = nullptr;  ///< of what must succeed

  [[nodiscard]] bool wants_body(char type, std::uint32_t bytes) const {
    return (type == 'S' && bytes <= status_bytes_max) || (type == 'Z' && bytes == 1) ||
           (type == 'E' && must_succeed && bytes <= status_bytes_max);
  }
  [[nodiscard]] postgres::ScanStep on_frame(const postgres::Frame& frame) const {
    return frame.type == 'Z' || (must_succeed && frame.type == 'E') ? postgres::ScanStep::fail
                                                                    : postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) {
    if (frame.type == 'Z') return --left == 0 ? postgres::ScanStep::stop_after : postgres::ScanStep::go_on;
    if (frame.type == 'E') {
      if (auto fields = postgres::decode_error_fields(body))
        refusal = std::make_unique<postgres::ErrorFields>(std::move(*fields));
      return postgres::ScanStep::fail;
    }
    if (const auto status = postgres::decode_parameter_status(body)) {
      parameters.note(status->name, status->value);
    }
    return postgres::ScanStep::go_on;
  }
};

}  // namespace sallyport::broker
