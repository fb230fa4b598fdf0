// A SCRAM client's two messages; stored verifiers; base64; SASLprep of any bytes.
#include "base/limits.h"
#include "crypto/saslprep.h"
#include "crypto/scram_server.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::crypto;

namespace {

void fuzz_exchange(FuzzedDataProvider& input) {
  static const auto verifier =
      make_scram_verifier_from_password(Secret::copy_of("token"), as_bytes("salt"), 1);
  ScramServerOptions options{verifier, input.ConsumeBool(), {}};
  if (input.ConsumeBool()) options.end_point.assign(32, 1);
  ScramServer server{options, "nonce"};
  const bool plus = input.ConsumeBool();
  if (!server.on_client_first(input.ConsumeRandomLengthString(5'000), plus)) return;
  if (server.on_client_final(input.ConsumeRemainingBytesAsString())) std::abort();
}

void fuzz_verifier(std::string_view text) {
  const auto parsed = parse_scram_verifier(text);
  if (!parsed) return;
  const auto again = parse_scram_verifier(print_scram_verifier(*parsed));
  if (!again || again->salt != parsed->salt || again->stored_key != parsed->stored_key ||
      again->server_key != parsed->server_key || again->iterations != parsed->iterations) {
    std::abort();
  }
}

void fuzz_base64(std::string_view text) {
  const auto decoded = base64_decode(text);
  if (decoded && base64_encode(*decoded) != text) std::abort();  // one spelling for each value
}

void fuzz_saslprep(std::string_view text) {
  const auto once = saslprep_or_raw(Secret::copy_of(text));
  if (once.empty() != text.empty()) std::abort();
  if (once.size() > text.size() * 18 * 4) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  const auto part = input.ConsumeIntegralInRange<int>(0, 3);
  if (part == 0) {
    fuzz_exchange(input);
    return 0;
  }
  const auto text = input.ConsumeRemainingBytesAsString();
  if (part == 1) fuzz_verifier(text);
  if (part == 2) fuzz_base64(text);
  if (part == 3) fuzz_saslprep(text);
  return 0;
}
