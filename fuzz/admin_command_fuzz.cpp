// The admin socket's lines: any bytes are refused with an error that repeats none of them, or are a command that is
// written and read again as the same.
#include "admin/command.h"
#include "base/bytes.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto command = admin::parse_command(as_text({data, size}));
  if (!command) {
    if (command.error().what.size() > 100) std::abort();
    return 0;
  }
  const auto again = admin::parse_command(admin::encode_command(*command));
  if (!again || again->verb != command->verb || again->target != command->target) std::abort();
  return 0;
}
