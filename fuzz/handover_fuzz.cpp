// What another process says at a binary upgrade: any bytes are refused with an error that repeats none of them, or are
// a message that is written and read again as the same.
#include "cli/handover_messages.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto message = cli::handover::decode_message({data, size});
  if (!message) {
    if (message.error().what.size() > 100) std::abort();
    return 0;
  }
  const auto once = cli::handover::encode_message(*message);
  // Fields that are not known are not written again: it is never longer.
  if (once.empty() || once.size() > size) std::abort();
  const auto again = cli::handover::decode_message(as_bytes(once));
  if (!again || again->index() != message->index()) std::abort();
  if (cli::handover::encode_message(*again) != once) std::abort();
  return 0;
}
