#include "net/pbkdf2_memo.h"

#include "crypto/pbkdf2.h"

namespace sallyport::net {

Secret Pbkdf2Memo::compute(const ComputePbkdf2& request, const std::shared_ptr<const Credential>& owner) {
  entries_.remove_if([](const Entry& entry) { return entry.owner.expired(); });
  for (auto entry = entries_.begin(); entry != entries_.end(); ++entry) {
    if (owner != nullptr && entry->owner.lock() == owner && entry->iterations == request.iterations &&
        entry->salt == request.salt) {
      entries_.splice(entries_.begin(), entries_, entry);
      return entries_.front().salted.clone();
    }
  }
  auto salted = crypto::pbkdf2_sha256(request.password, request.salt, request.iterations);
  if (owner != nullptr) {
    entries_.push_front({owner, request.salt, request.iterations, salted.clone()});
    if (entries_.size() > entries_max) entries_.pop_back();
  }
  return salted;
}

}  // namespace sallyport::net
