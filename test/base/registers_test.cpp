#include "base/registers.h"

#include <gtest/gtest.h>

#include <array>
#include <cstdint>

namespace sallyport::registers_test {
namespace {

#if defined(__x86_64__)

using Wide = std::array<std::uint64_t, 8>;

TEST(Registers, WhatStoodInAVectorRegisterIsGone) {
  const std::uint64_t canary = 0x5a5a'1234'5a5a'1234;
  asm volatile("movq %0, %%xmm11" ::"r"(canary) : "xmm11");
  std::uint64_t before = 0;
  asm volatile("movq %%xmm11, %0" : "=r"(before)::);
  EXPECT_EQ(before, canary) << "the look itself finds nothing: it proves nothing";

  asm volatile("movq %0, %%xmm11" ::"r"(canary) : "xmm11");
  clear_vector_registers();
  std::uint64_t after = canary;
  asm volatile("movq %%xmm11, %0" : "=r"(after)::);
  EXPECT_EQ(after, 0U);
}

TEST(Registers, TheWideOnesToo) {
  if (!__builtin_cpu_supports("avx512f")) GTEST_SKIP() << "this processor has no AVX-512";
  Wide canary{1, 2, 3, 4, 5, 6, 7, 8};
  Wide before{};
  Wide after = canary;
  asm volatile("vmovdqu64 %0, %%zmm21\n\t" ::"m"(canary));
  asm volatile("vmovdqu64 %%zmm21, %0\n\t" : "=m"(before));
  clear_vector_registers();
  asm volatile("vmovdqu64 %%zmm21, %0\n\t" : "=m"(after));
  EXPECT_EQ(before, canary) << "the look itself finds nothing: it proves nothing";
  EXPECT_EQ(after, Wide{});
}

#endif

}  // namespace
}  // namespace sallyport::registers_test
