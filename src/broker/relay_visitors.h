// What the relay looks at in passing: the frames that the session's tracker needs, parameters, and the replies to
// statements of our own. Private to relay.cpp.
#pragma once

#include "broker/relay.h"

#include <string>

namespace sallyport::broker {

struct Relay::ClientVisitor {
  postgres::SessionTracker& tracker;
  bool terminate = false;

  [[nodiscard]] bool wants_body(char type, std::uint32_t bytes) const {
    return tracker.wants_client_body(type, bytes);
  }
  postgres::ScanStep on_frame(const postgres::Frame& frame) {
    if (frame.type == 'X') {
      terminate = true;
      return postgres::ScanStep::stop_before;
    }
    tracker.on_client_frame(frame.type);
    return postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) const {
    tracker.on_client_body(frame.type, body);
    return postgres::ScanStep::go_on;
  }
  [[nodiscard]] bool wants_pieces(char type) const { return tracker.wants_client_pieces(type); }
  void on_piece(Bytes piece) const { tracker.on_client_piece(piece); }
};

struct Relay::ServerVisitor {
  postgres::SessionTracker& tracker;
  ParameterMap& parameters;

  [[nodiscard]] static bool wants_body(char type, std::uint32_t bytes) {
    return postgres::SessionTracker::wants_server_body(type, bytes) || (type == 'S' && bytes <= 1024);
  }
  postgres::ScanStep on_frame(const postgres::Frame& frame) const {
    tracker.on_server_frame(frame.type);
    return postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) const {
    if (frame.type != 'S') {
      tracker.on_server_body(frame.type, body);
    } else if (const auto status = postgres::decode_parameter_status(body)) {
      note_parameter(parameters, status->name, status->value);
    }
    return postgres::ScanStep::go_on;
  }
};

// Replies to our own statement: dropped up to its ReadyForQuery, but for parameters. ReadyForQuery counts once
// its body has arrived too, or that would be taken for the client's.
struct Relay::SwallowVisitor {
  ParameterMap& parameters;
  unsigned& left;

  [[nodiscard]] static bool wants_body(char type, std::uint32_t bytes) {
    return (type == 'S' && bytes <= 1024) || (type == 'Z' && bytes == 1);
  }
  static postgres::ScanStep on_frame(const postgres::Frame& frame) {
    return frame.type == 'Z' ? postgres::ScanStep::fail : postgres::ScanStep::go_on;
  }
  postgres::ScanStep on_body(const postgres::Frame& frame, Bytes body) const {
    if (frame.type == 'Z') return --left == 0 ? postgres::ScanStep::stop_after : postgres::ScanStep::go_on;
    if (const auto status = postgres::decode_parameter_status(body)) {
      note_parameter(parameters, status->name, status->value);
    }
    return postgres::ScanStep::go_on;
  }
};

}  // namespace sallyport::broker
