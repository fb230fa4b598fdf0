// Memory for libcurl: works as malloc(3) does, and stays out of core dumps.
#include "net/kept_memory.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <vector>

namespace sallyport::net::kept_memory_test {
namespace {

/// The kernel's flags of the mapping that `address` is in, "rd wr mr … dd"; empty when it is in none.
std::string flags_of(const void* address) {
  const auto wanted = reinterpret_cast<std::uintptr_t>(address);
  std::ifstream smaps{"/proc/self/smaps"};
  bool inside = false;
  for (std::string line; std::getline(smaps, line);) {
    char* rest = nullptr;
    const auto from = std::strtoull(line.c_str(), &rest, 16);
    if (*rest == '-') inside = from <= wanted && wanted < std::strtoull(rest + 1, nullptr, 16);
    if (inside && line.starts_with("VmFlags:")) return line.substr(8) + " ";
  }
  return {};
}

TEST(KeptMemory, SmallAndLargeBlocksAreInNoCoreDump) {
  for (const std::size_t size : {1UL, 100UL, 16'384UL, 3'000'000UL}) {
    void* memory = kept_memory::allocate(size);
    ASSERT_NE(memory, nullptr);
    std::memset(memory, 'x', size);
    EXPECT_NE(flags_of(memory).find(" dd "), std::string::npos) << size << ":" << flags_of(memory);
    kept_memory::release(memory);
  }
  const auto* ordinary = std::getenv("PATH");
  EXPECT_EQ(flags_of(ordinary).find(" dd "), std::string::npos) << "the reading itself";
}

TEST(KeptMemory, ContentSurvivesGrowingAndShrinking) {
  char* text = kept_memory::copy_text("correct horse");
  for (const std::size_t size : {20UL, 70'000UL, 3'000'000UL, 14UL}) {
    text = static_cast<char*>(kept_memory::reallocate(text, size));
    ASSERT_NE(text, nullptr);
    EXPECT_STREQ(text, "correct horse");
  }
  kept_memory::release(text);
  kept_memory::release(nullptr);
  void* fresh = kept_memory::reallocate(nullptr, 10);
  EXPECT_NE(fresh, nullptr);
  kept_memory::release(fresh);
}

TEST(KeptMemory, EveryBlockIsAlignedForAnyType) {
  std::vector<void*> blocks;
  for (std::size_t size = 0; size < 5'000'000; size = size * 9 / 8 + 1)
    blocks.push_back(kept_memory::allocate(size));
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(blocks[i]) % alignof(std::max_align_t), 0U) << "block " << i;
    kept_memory::release(blocks[i]);
  }
}

TEST(KeptMemory, ZeroedIsZeroAndWhatCannotBeIsNull) {
  auto* zeros = static_cast<char*>(kept_memory::allocate_zeroed(100, 7));
  for (int i = 0; i < 700; ++i) ASSERT_EQ(zeros[i], 0);
  kept_memory::release(zeros);
  EXPECT_EQ(kept_memory::allocate_zeroed(SIZE_MAX / 2, 3), nullptr);
  EXPECT_EQ(kept_memory::allocate(SIZE_MAX), nullptr);
}

}  // namespace
}  // namespace sallyport::net::kept_memory_test
