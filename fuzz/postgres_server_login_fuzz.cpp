// A client that says anything while it logs in to us. Nobody gets in without the token, whatever he says.
#include "../test/wire/conversation_driver.h"
#include "wire/postgres/messages.h"
#include "wire/postgres/server_login.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::postgres;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  static const auto verifier =
      crypto::make_scram_verifier_from_password(Secret::copy_of("token"), as_bytes("0123456789abcdef"), 1);
  ServerScram scram{verifier, input.ConsumeBool(), {}};
  if (input.ConsumeBool()) scram.end_point.assign(32, 0xee);
  StartupMessage startup;
  startup.protocol = input.ConsumeBool() ? protocol_grease : protocol_3_0;
  ServerLogin conversation{{std::move(scram), negotiate(startup)}};
  test::DriverOptions options;
  options.chunk_bytes = input.ConsumeIntegralInRange<std::size_t>(1, 100);
  std::size_t step = 0;
  test::Driver driver{
      conversation,
      [&](Bytes) {
        const auto text = input.ConsumeRandomLengthString(6'000);
        WipedBytes out;
        switch (input.ConsumeIntegralInRange<int>(0, 2)) {
          case 0: out = test::bytes_of(text); break;
          case 1:
            encode(out,
                   SaslInitialResponse{input.ConsumeBool() ? "SCRAM-SHA-256" : "SCRAM-SHA-256-PLUS", text});
            break;
          default: encode(out, SaslResponse{text}); break;
        }
        return ++step > 4 ? WipedBytes{} : out;
      },
      options};
  if (driver.run()) std::abort();
  return 0;
}
