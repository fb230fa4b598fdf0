// A value that must not be seen: a password, a token, a private key.
//
// Each Secret has pages of its own, because locking (mlock), keeping out of core dumps
// (MADV_DONTDUMP) and out of forked children (MADV_WIPEONFORK) work on whole pages. It is wiped when
// it dies. It cannot be printed or copied by accident; `reveal()` is the only way in, and
// tools/tidy.py holds the list of files that may call it.
//
// A moved-from std::string keeps short contents behind (small string buffer), so secrets never live
// in one.
#pragma once

#include "base/bytes.h"

#include <cstddef>
#include <memory>
#include <string_view>
#include <vector>

namespace sallyport {

class Secret {
 public:
  Secret() = default;
  ~Secret() { wipe(); }

  Secret(Secret&& other) noexcept;
  Secret& operator=(Secret&& other) noexcept;
  Secret(const Secret&) = delete;
  Secret& operator=(const Secret&) = delete;

  /// Copies `value`; the caller wipes its own copy (wipe_memory) where it has one.
  static Secret copy_of(std::string_view value);
  static Secret copy_of(Bytes value) { return copy_of(as_text(value)); }

  /// `size` zero bytes, to be written through writable().
  static Secret of_size(std::size_t size);

  [[nodiscard]] bool empty() const { return size_ == 0; }
  [[nodiscard]] std::size_t size() const { return size_; }

  /// The only way in. Call sites are on the list in tools/tidy.py.
  [[nodiscard]] std::string_view reveal() const { return {data_, size_}; }

  /// For what fills a Secret in place (a read, a hash, a decoder).
  [[nodiscard]] MutableBytes writable() { return {reinterpret_cast<std::uint8_t*>(data_), size_}; }

  /// Shortens to `size` bytes and wipes the rest. Longer is ignored.
  void shrink(std::size_t size);

  [[nodiscard]] Secret clone() const { return copy_of(reveal()); }

  /// Constant time in the contents (not in the length).
  [[nodiscard]] bool equals(const Secret& other) const;
  [[nodiscard]] bool equals(std::string_view other) const;

  void wipe();

 private:
  char* data_ = nullptr;
  std::size_t size_ = 0;
  std::size_t mapped_ = 0;
};

/// Constant-time comparison of two byte strings of equal length; false when lengths differ.
bool equal_in_constant_time(Bytes a, Bytes b);

/// Overwrites memory in a way that the compiler may not leave out.
void wipe_memory(void* data, std::size_t size);

/// How many Secrets could not be locked in memory since start (RLIMIT_MEMLOCK): status reports it.
std::size_t secret_lock_failures();

/// Makes this process undumpable (PR_SET_DUMPABLE 0) and its core limit 0.
///
/// First call in main. Errors  internal: the kernel refused.
Result<void> harden_process_memory();

/// An allocator that wipes what it frees: for buffers that carry a secret for a moment (a password
/// message on its way to a socket). Not locked and not excluded from dumps; use Secret to keep one.
template <class T>
struct WipingAllocator {
  using value_type = T;
  WipingAllocator() = default;
  template <class U>
  WipingAllocator(const WipingAllocator<U>&) {}  // NOLINT(google-explicit-constructor)
  T* allocate(std::size_t n) { return std::allocator<T>{}.allocate(n); }
  void deallocate(T* p, std::size_t n) {
    wipe_memory(p, n * sizeof(T));
    std::allocator<T>{}.deallocate(p, n);
  }
  template <class U>
  bool operator==(const WipingAllocator<U>&) const {
    return true;
  }
};

using WipedBytes = std::vector<std::uint8_t, WipingAllocator<std::uint8_t>>;

}  // namespace sallyport
