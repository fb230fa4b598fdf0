// A cancel whose session another process has: after a binary upgrade clients know the new one, and sessions live on in
// the old one (docs/operations.md, Upgrade).
//
// Who asks is proven where it has connected; whether it may is judged where the session is.
#pragma once

#include "policy/client_certificate.h"

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::broker {

/// What is known of whoever asks for a cancel (threat 16).
struct CancelAsker {
  std::string route;
  std::optional<std::uint32_t> uid;  ///< none: not known, as of TCP peers
  std::string address;               ///< of a TCP peer, without port
  std::shared_ptr<const policy::ClientCertificate> certificate;
  bool secured = false;    ///< it came over TLS
  bool clear = false;      ///< it did not, and its route hears such cancels
  bool local = false;      ///< the kernel says which process it is: the key has not left this machine
  bool counted = false;    ///< its uid is proven: wrong guesses are counted by it
  std::int64_t pid = 0;    ///< for the trail, as far as seen; another process of ours is not told
  std::string executable;  ///< likewise
};

struct CancelClaim {
  std::int32_t pid = 0;
  std::vector<std::uint8_t> key;
  CancelAsker asker;
};

class CancelElsewhere {
 public:
  virtual ~CancelElsewhere() = default;
  /// `done` once, from a later turn: whether there was a session that it may cancel, and then only when its server has
  /// acted. False: nobody can be asked; `done` is dropped.
  virtual bool ask(const CancelClaim& claim, std::function<void(bool found)> done) = 0;
};

}  // namespace sallyport::broker
