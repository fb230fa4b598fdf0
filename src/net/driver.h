// The one driver of all conversations (base/conversation.h): it does what they ask for, on the login
// loop and its lanes, and tells them what came of it.
//
// A run ends exactly once: with the conversation's Done, with its error, or with the deadline, whose
// message says what was being waited for.
#pragma once

#include "base/conversation.h"
#include "base/credential.h"
#include "base/file_opener.h"
#include "net/dns.h"
#include "net/epoll_loop.h"
#include "net/helper.h"
#include "net/http.h"
#include "net/lane.h"
#include "net/socket_stream.h"
#include "net/tls.h"

#include <functional>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::net {

/// What runs share. The loop and the references outlive the driver; calls on lanes keep what they use.
struct DriverServices {
  EpollLoop& loop;
  const Clock& clock;
  Randomness& randomness;
  Lane& dns_lane;
  Lane& http_lane;
  Lane& file_lane;
  Lane& helper_lane;
  std::shared_ptr<const HttpClient> http;
  std::shared_ptr<Helper> helper;  ///< null: `exec:` is refused
  /// A variable of our initial environment. Called on the login loop.
  std::function<std::optional<Secret>(const std::string& name)> variable;
  FileOpener outside = nullptr;  ///< opens what the sandbox keeps from us
};

/// Where a conversation with a database server goes.
struct Dial {
  std::string host;
  std::uint16_t port = 0;
  std::optional<Address> address;         ///< set: exactly there, without a lookup (cancel)
  std::shared_ptr<const TlsContext> tls;  ///< null: StartTls is refused
  std::shared_ptr<const Credential>
      credential;  ///< its client certificate, and whose PBKDF2 result may be kept
};

struct RunResult {
  Result<void> outcome;
  std::unique_ptr<Conversation> conversation;
  std::unique_ptr<SocketStream> stream;  ///< of a Dial that ended well: detached, no byte unread
};

class Pbkdf2Memo;

class Driver {
 public:
  explicit Driver(DriverServices services);
  ~Driver();

  using DoneCallback = std::function<void(RunResult)>;

  /// Thread-safe. `done` is called on the login loop.
  void run(std::unique_ptr<Conversation> conversation, Duration deadline, DoneCallback done);
  /// net::resolve() on its lane; timed_out after `deadline`.
  void resolve(const std::string& host, std::uint16_t port, Duration deadline,
               std::function<void(Result<std::vector<Address>>)> done);
  void run_connected(Dial dial, std::unique_ptr<Conversation> conversation, Duration deadline,
                     DoneCallback done);

 private:
  std::shared_ptr<DriverServices> services_;
  std::shared_ptr<Pbkdf2Memo> memo_;
};

}  // namespace sallyport::net
