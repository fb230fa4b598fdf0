// CRC-32C (Castagnoli): the checksum of every record of the trail, and what Google's Secret Manager sends beside a
// payload. It finds bits that a disk, a network or a careless hand changed. It is no proof against somebody who
// recomputes it; for the trail that is what the hash chain of a later version is for.
#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace sallyport::crypto {

/// Source  RFC 3720 appendix B.4 (test vectors there).
std::uint32_t crc32c(Bytes input);

}  // namespace sallyport::crypto
