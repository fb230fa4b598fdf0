// TLS handshakes with clients, on the login loop: a connection comes, the handshake runs within a deadline, and the
// connection is handed back with what was proved. Signatures take a processor a tenth of a millisecond or more, so
// that none of them may hold up the relay (threat 17).
#pragma once

#include "net/epoll_loop.h"
#include "net/server_tls.h"
#include "net/socket_stream.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <unordered_map>
#include <vector>

namespace sallyport::net {

struct HandshakeOrder {
  std::unique_ptr<SocketStream> stream;  ///< attached to no loop, its events nobody's
  std::shared_ptr<const ServerTls> tls;
  std::vector<std::uint8_t> first_bytes;  ///< read from the socket already: of TLS, and nothing else
  bool direct = false;                    ///< see ServerTls::accept()
  Duration deadline{};
};

struct HandshakeOutcome {
  std::unique_ptr<SocketStream> stream;  ///< detached; what the client sent behind its handshake waits in it.
      ///< After a failure without TLS: an alert is on its way, and then no more
  Result<ClientTlsFacts> facts;
};

class Handshakes {
 public:
  using Id = std::uint64_t;
  using DoneCallback = std::function<void(HandshakeOutcome)>;
  /// More at once are refused. Who starts them has tighter limits, by account and address (broker/doorstep.h).
  static constexpr std::size_t at_once_max = 2048;

  /// `loop` outlives this, and has stopped when this goes.
  explicit Handshakes(EpollLoop& loop);
  ~Handshakes();

  /// Thread-safe. `id` is the caller's choice, never used twice. `done` is called once on the loop's thread, unless
  /// cancel() comes first.
  void start(Id id, HandshakeOrder order, DoneCallback done);
  /// Thread-safe. The connection is closed, and `done` comes no more (it may be on its way already).
  void cancel(Id id);

 private:
  class Run;
  void begin(Id id, HandshakeOrder order, DoneCallback done);

  EpollLoop& loop_;
  std::unordered_map<Id, std::unique_ptr<Run>> runs_;  // the loop's thread only
};

}  // namespace sallyport::net
