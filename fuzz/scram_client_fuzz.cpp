// A SCRAM server's two messages, as a hostile server would write them.
#include "base/limits.h"
#include "crypto/scram_client.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::crypto;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  ScramClientOptions options;
  options.binding = static_cast<ScramBinding>(input.ConsumeIntegralInRange<int>(0, 2));
  options.end_point.assign(32, 1);
  ScramClient client{options, "nonce"};
  (void)client.first_message();
  const auto challenge = client.on_server_first(input.ConsumeRandomLengthString(5'000));
  if (!challenge) return 0;
  if (challenge->iterations == 0 || challenge->iterations > limits::scram_iterations_max ||
      challenge->salt.empty())
    std::abort();
  const auto final = client.final_message(Secret::copy_of("0123456789abcdef0123456789abcdef"));
  if (!final) std::abort();
  // The signature depends on a key that the input cannot know.
  if (client.on_server_final(input.ConsumeRemainingBytesAsString())) std::abort();
  return 0;
}
