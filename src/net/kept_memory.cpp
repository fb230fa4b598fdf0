#include "net/kept_memory.h"

#include "base/secret.h"

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <map>
#include <memory_resource>
#include <mutex>
#include <new>

namespace sallyport::net::kept_memory {

namespace {

/// Each allocation is a Secret: whole pages, so only for the pool's chunks and for what is too large for it.
class SecretPages final : public std::pmr::memory_resource {
 private:
  void* do_allocate(std::size_t size, std::size_t) override {
    auto pages = Secret::of_size(size);
    void* memory = pages.writable().data();
    pages_.emplace(memory, std::move(pages));
    return memory;
  }
  void do_deallocate(void* memory, std::size_t, std::size_t) override { pages_.erase(memory); }
  [[nodiscard]] bool do_is_equal(const std::pmr::memory_resource& other) const noexcept override {
    return this == &other;
  }

  std::map<void*, Secret> pages_;
};

/// Stands in front of each block: free() is not told how long it is.
struct alignas(std::max_align_t) Header {
  std::size_t size;
};

/// What the pool is asked for. libstdc++ before 15 takes it from blocks of the next larger size even where those lie
/// 24 bytes apart and 16 are asked as alignment (GCC bug 118681): a multiple of the alignment never fits such a block.
constexpr std::size_t with_header(std::size_t size) {
  constexpr auto alignment = alignof(Header);
  return (sizeof(Header) + size + alignment - 1) / alignment * alignment;
}

class Heap {
 public:
  void* allocate(std::size_t size) {
    if (size > SIZE_MAX - sizeof(Header) - alignof(Header)) return nullptr;
    const std::lock_guard lock{mutex_};
    try {
      auto* header = new (pool_.allocate(with_header(size))) Header{size};
      ++allocations_;
      return header + 1;
    } catch (const std::bad_alloc&) {
      return nullptr;
    }
  }
  void release(void* memory) {
    const auto size = size_of(memory);
    wipe_memory(memory, size);
    const std::lock_guard lock{mutex_};
    pool_.deallocate(static_cast<Header*>(memory) - 1, with_header(size));
  }
  std::size_t allocations() {
    const std::lock_guard lock{mutex_};
    return allocations_;
  }
  static std::size_t size_of(const void* memory) { return (static_cast<const Header*>(memory) - 1)->size; }

 private:
  std::mutex mutex_;  // transfers run on more than one loop
  std::size_t allocations_ = 0;
  SecretPages pages_;
  std::pmr::unsynchronized_pool_resource pool_{&pages_};
};

// The library's callbacks carry no context. Never destroyed: the library may free after static destructors.
Heap& heap() {
  static auto* const one = new Heap;
  return *one;
}

}  // namespace

std::size_t allocations() { return heap().allocations(); }

void* allocate(std::size_t size) { return heap().allocate(size); }

void* allocate_zeroed(std::size_t count, std::size_t size) {
  if (size != 0 && count > SIZE_MAX / size) return nullptr;
  void* memory = allocate(count * size);
  if (memory != nullptr) std::memset(memory, 0, count * size);
  return memory;
}

void* reallocate(void* memory, std::size_t size) {
  if (memory == nullptr) return allocate(size);
  const auto old_size = Heap::size_of(memory);
  void* moved = allocate(size);
  if (moved == nullptr) return nullptr;
  std::memcpy(moved, memory, std::min(old_size, size));
  release(memory);
  return moved;
}

char* copy_text(const char* text) {
  const auto size = std::strlen(text) + 1;
  auto* copy = static_cast<char*>(allocate(size));
  if (copy != nullptr) std::memcpy(copy, text, size);
  return copy;
}

void release(void* memory) {
  if (memory != nullptr) heap().release(memory);
}

}  // namespace sallyport::net::kept_memory
