// A byte stream between us and one peer: plain, TLS, or in memory (the simulator).
//
// Events are edge-triggered: after on_readable() the owner reads until a result says `more == false`
// (or it stops on purpose and comes back later by itself). Writes are tried first; on_writable() comes
// only after a write that could not be finished.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <cstddef>
#include <string>

namespace sallyport::net {

enum class IoStatus {
  ok,
  would_block,  ///< nothing (more) now; an event will come
  closed,       ///< reading: the peer sends no more
  failed,       ///< the connection is broken; nothing more will come
};

struct IoResult {
  IoStatus status = IoStatus::ok;
  std::size_t bytes = 0;
  bool more = false;  ///< reading: another read may yield bytes now, without an event
};

class StreamEvents {
 public:
  virtual void on_readable() = 0;
  virtual void on_writable() = 0;

 protected:
  ~StreamEvents() = default;
};

class Stream {
 public:
  virtual ~Stream() = default;

  virtual IoResult read(MutableBytes into) = 0;
  virtual IoResult write(Bytes bytes) = 0;

  /// Tells the peer that no more bytes follow (FIN; close_notify first on TLS).
  virtual void shutdown_write() = 0;

  /// False while bytes that were written are known to lie unread: at the peer's end of a Unix socket, else on the way.
  [[nodiscard]] virtual bool has_been_read() const { return true; }

  /// Who is told of events. Null: nobody; events that come meanwhile are not repeated, so a new owner
  /// reads once before it waits.
  virtual void set_events(StreamEvents* events) = 0;

  [[nodiscard]] virtual std::string peer_address() const = 0;
  [[nodiscard]] virtual std::string local_address() const = 0;
};

}  // namespace sallyport::net
