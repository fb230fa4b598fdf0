// CRC-32C (Castagnoli, RFC 3720 B.4), which GCP's Secret Manager sends beside a payload.
#pragma once

#include "base/bytes.h"

#include <cstdint>

namespace sallyport::crypto {

std::uint32_t crc32c(Bytes bytes);

}  // namespace sallyport::crypto
