// Memory for a C library that copies secrets: locked, kept out of core dumps, wiped when it is given back
// (threat 13). The functions have the signatures of malloc(3) and its family, for curl_global_init_mem.
//
// Not for memory that a forked child goes on using: it is zeroed there, as every Secret is.
#pragma once

#include <cstddef>

namespace sallyport::net::kept_memory {

/// How many there have been: tells whether a library uses these functions.
std::size_t allocations();

/// Null when there is no memory, as malloc(3).
void* allocate(std::size_t size);
void* allocate_zeroed(std::size_t count, std::size_t size);
/// What is left behind by a move is wiped.
void* reallocate(void* memory, std::size_t size);
char* copy_text(const char* text);
void release(void* memory);

}  // namespace sallyport::net::kept_memory
