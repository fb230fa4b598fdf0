#include "crypto/saslprep.h"

#include <stringprep.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <optional>
#include <vector>

namespace sallyport::crypto {

namespace {

using CodePoints = std::vector<std::uint32_t, WipingAllocator<std::uint32_t>>;

/// Appends the code point at the front of `rest` and drops its bytes. False: not UTF-8 as RFC 3629 says
/// (cut short, overlong, a surrogate, above U+10FFFF).
bool take_code_point(Bytes& rest, CodePoints& out) {
  const std::uint8_t first = rest[0];
  const std::size_t size = first < 0x80 ? 1 : first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
  if ((first >= 0x80 && first < 0xc2) || first > 0xf4 || rest.size() < size) return false;
  std::uint32_t code = size == 1 ? first : first & (0xffU >> (size + 1));
  for (std::size_t i = 1; i < size; ++i) {
    if ((rest[i] & 0xc0) != 0x80) return false;
    code = code << 6 | (rest[i] & 0x3fU);
  }
  constexpr std::uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (code < smallest[size] || code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) return false;
  out.push_back(code);
  rest = rest.subspan(size);
  return true;
}

void append_utf8(std::uint32_t code, WipedBytes& out) {
  const auto continuation = [&](unsigned shift) {
    out.push_back(static_cast<std::uint8_t>(0x80 | (code >> shift & 0x3f)));
  };
  if (code < 0x80) {
    out.push_back(static_cast<std::uint8_t>(code));
  } else if (code < 0x800) {
    out.push_back(static_cast<std::uint8_t>(0xc0 | code >> 6));
    continuation(0);
  } else if (code < 0x10000) {
    out.push_back(static_cast<std::uint8_t>(0xe0 | code >> 12));
    continuation(6);
    continuation(0);
  } else {
    out.push_back(static_cast<std::uint8_t>(0xf0 | code >> 18));
    continuation(12);
    continuation(6);
    continuation(0);
  }
}

/// NFKC expands one code point to 18 at most (U+FDFA).
constexpr std::size_t expansion_max = 18;

/// SASLprep's steps without normalisation. PostgreSQL checks for prohibited characters and directions in
/// the mapped text, not in the normalised one as the RFC says; a password that only differs there must still
/// be the same bytes for both of us.
std::vector<Stringprep_profile> steps_before_normalisation() {
  std::vector<Stringprep_profile> steps;
  for (const auto* step = stringprep_saslprep; step->operation != 0; ++step) {
    if (step->operation != STRINGPREP_NFKC) steps.push_back(*step);
  }
  steps.push_back({});
  return steps;
}

/// Five characters that Unicode 3.2, libidn's, normalised wrongly (Corrigendum 4); PostgreSQL's tables are newer.
std::uint32_t corrected(std::uint32_t code) {
  switch (code) {
    case 0x2f868: return 0x36fc;
    case 0x2f874: return 0x5f53;
    case 0x2f91f: return 0x243ab;
    case 0x2f95f: return 0x7aee;
    case 0x2f9bf: return 0x45d7;
    default: return code;
  }
}

std::optional<WipedBytes> normalised(Bytes password) {
  CodePoints codes;
  codes.reserve(password.size() * expansion_max + 1);
  while (!password.empty()) {
    if (!take_code_point(password, codes)) return std::nullopt;
  }
  auto size = codes.size();
  codes.resize(codes.capacity());
  const auto checks = steps_before_normalisation();
  if (stringprep_4i(codes.data(), &size, codes.size(), STRINGPREP_NO_UNASSIGNED, checks.data()) !=
          STRINGPREP_OK ||
      size == 0) {
    return std::nullopt;
  }
  std::transform(codes.begin(), codes.begin() + static_cast<std::ptrdiff_t>(size), codes.begin(), corrected);
  const std::array<Stringprep_profile, 2> normalise{
      {{STRINGPREP_NFKC, Stringprep_profile_flags{}, nullptr, 0}, {}}};
  if (stringprep_4i(codes.data(), &size, codes.size(), Stringprep_profile_flags{}, normalise.data()) !=
      STRINGPREP_OK) {
    return std::nullopt;
  }
  WipedBytes text;
  text.reserve(size * 4);
  for (std::size_t i = 0; i < size; ++i) append_utf8(codes[i], text);
  return text;
}

}  // namespace

Secret saslprep_or_raw(const Secret& password) {
  const auto raw = as_bytes(password.reveal());
  const bool ascii = std::all_of(raw.begin(), raw.end(), [](std::uint8_t byte) { return byte < 0x80; });
  if (ascii) return password.clone();
  const auto text = normalised(raw);
  return text ? Secret::copy_of(Bytes{*text}) : password.clone();
}

}  // namespace sallyport::crypto
