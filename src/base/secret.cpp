#include "base/secret.h"

#include <openssl/crypto.h>

#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

namespace sallyport {

namespace {

// A counter, not state: RLIMIT_MEMLOCK belongs to the process, and so does the tally of its refusals.
std::atomic<std::size_t> lock_failures{0};

std::size_t whole_pages(std::size_t size) {
  static const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  return (size + page - 1) / page * page;
}

}  // namespace

Secret::Secret(Secret&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      mapped_(std::exchange(other.mapped_, 0)) {}

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this != &other) {
    wipe();
    data_ = std::exchange(other.data_, nullptr);
    size_ = std::exchange(other.size_, 0);
    mapped_ = std::exchange(other.mapped_, 0);
  }
  return *this;
}

Secret Secret::of_size(std::size_t size) {
  Secret secret;
  if (size == 0) return secret;
  const auto mapped = whole_pages(size);
  void* pages = mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) throw std::bad_alloc{};
  if (mlock(pages, mapped) != 0) ++lock_failures;
  madvise(pages, mapped, MADV_DONTDUMP);
  madvise(pages, mapped, MADV_WIPEONFORK);
  secret.data_ = static_cast<char*>(pages);
  secret.size_ = size;
  secret.mapped_ = mapped;
  return secret;
}

Secret Secret::copy_of(std::string_view value) {
  auto secret = of_size(value.size());
  if (!value.empty()) std::memcpy(secret.data_, value.data(), value.size());
  return secret;
}

void Secret::shrink(std::size_t size) {
  if (size >= size_) return;
  wipe_memory(data_ + size, size_ - size);
  size_ = size;
}

bool Secret::equals(const Secret& other) const { return equals(std::string_view{other.data_, other.size_}); }

bool Secret::equals(std::string_view other) const {
  return equal_in_constant_time(as_bytes(reveal()), as_bytes(other));
}

void Secret::wipe() {
  if (data_ == nullptr) return;
  wipe_memory(data_, mapped_);
  munmap(data_, mapped_);
  data_ = nullptr;
  size_ = mapped_ = 0;
}

bool equal_in_constant_time(Bytes a, Bytes b) {
  return a.size() == b.size() && CRYPTO_memcmp(a.data(), b.data(), a.size()) == 0;
}

void wipe_memory(void* data, std::size_t size) { OPENSSL_cleanse(data, size); }

std::size_t secret_lock_failures() { return lock_failures.load(); }

Result<void> harden_process_memory() {
  const rlimit none{0, 0};
  if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return Error{ErrorCode::internal, Hop::none, "PR_SET_DUMPABLE", std::strerror(errno), {}, {}};
  }
  return {};
}

}  // namespace sallyport
