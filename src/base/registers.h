// Vector registers keep what went through them last. A copy of 64 bytes goes through registers that little else
// uses (AVX-512's upper sixteen), so a secret may stand there while its thread waits, and a core image holds
// the registers of every thread: memory that is never dumped does not help.
#pragma once

namespace sallyport {

/// Empties the vector registers of this thread (x86-64: all that the processor has; AArch64: the 32 of Advanced SIMD; else
/// nothing). Call before waiting, where a secret may have been copied. Costs some nanoseconds; never fails.
void clear_vector_registers();

}  // namespace sallyport
