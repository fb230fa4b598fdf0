// Remembers salted passwords, so that a pool that logs in again with the same credential to the same
// server does not pay for PBKDF2 again. An entry dies with its credential.
#pragma once

#include "base/conversation.h"
#include "base/credential.h"

#include <list>
#include <memory>
#include <vector>

namespace sallyport::net {

class Pbkdf2Memo {
 public:
  static constexpr std::size_t entries_max = 64;

  /// The salted password; computed when it is not remembered. Without an owner nothing is kept.
  Secret compute(const ComputePbkdf2& request, const std::shared_ptr<const Credential>& owner);

 private:
  struct Entry {
    std::weak_ptr<const Credential> owner;
    std::vector<std::uint8_t> salt;
    unsigned iterations = 0;
    Secret salted;
  };
  std::list<Entry> entries_;  // most recently used first
};

}  // namespace sallyport::net
