// A cloud proxy's answer to our preamble, cut anywhere: taken, refused, or more is wanted; never more than was there.
#include "wire/postgres/preamble.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  if (size == 0) return 0;
  const auto form =
      data[0] % 2 == 0 ? postgres::PreambleAnswer::cloud_sql : postgres::PreambleAnswer::alloydb;
  const Bytes all{data + 1, size - 1};
  InputBuffer input;
  for (std::size_t at = 0; at < all.size(); ++at) {
    input.append(all.subspan(at, 1));
    const auto before = input.size();
    const auto taken = postgres::take_preamble_answer(form, input);
    if (!taken) return 0;
    if (!*taken && input.size() != before) std::abort();
    if (input.size() > before) std::abort();
    if (*taken) return 0;
    if (input.size() > postgres::preamble_answer_bytes_max + 12) std::abort();
  }
  return 0;
}
