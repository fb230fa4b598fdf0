// Who may read what over HTTP, and what is answered: decided from values, without a socket (threat 15).
//
// A page in somebody's browser can send requests to 127.0.0.1, and with a name of its own that it points there it
// could read the answers (DNS rebinding): so `Host` has to be an address, localhost or a name that the configuration
// gives, and a foreign `Origin` is refused. An address cannot be rebound.
#pragma once

#include "base/secret.h"
#include "broker/status.h"

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace sallyport::admin {

/// What /metrics and /status ask for on TCP. Set and asked from different threads; empty matches nothing.
class BearerToken {
 public:
  void set(Secret token);
  [[nodiscard]] bool equals(std::string_view given) const;
  [[nodiscard]] bool empty() const;

 private:
  mutable std::mutex mutex_;
  Secret token_;
};

struct HttpRules {
  bool tcp = false;                ///< false: a Unix socket, whose peer was checked
  std::vector<std::string> hosts;  ///< lower-case names that Host may be, beside addresses and localhost
  std::shared_ptr<const BearerToken> token;  ///< null: on TCP nothing but health is told
  bool trail_required = true;                ///< audit.mode
};

/// Views borrow from the request that was read.
struct HttpRequest {
  std::string_view method, path;  ///< the path without its query
  std::optional<std::string_view> host, origin, authorization, accept;
};

struct HttpAnswer {
  unsigned status = 200;
  std::string content_type = "text/plain; charset=utf-8";
  std::string body;
};

enum class Resource { live, ready, started, metrics, status };

/// What is asked for, or why not.
std::variant<Resource, HttpAnswer> admit(const HttpRequest& request, const HttpRules& rules);

/// `status` null: the relay loop did not answer in time.
HttpAnswer answer(Resource resource, const HttpRequest& request, const HttpRules& rules,
                  const broker::Status* status);

}  // namespace sallyport::admin
