// The address of a secret manager (VAULT_ADDR and its like): any text is refused or becomes an address, whose own text is read back as the same address. What
// decides about plain http (a literal loopback address) is only ever true for what no resolver is asked about.
#include "secrets/address.h"

#include "base/bytes.h"
#include "secrets/literal_host.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto text = as_text({data, size});
  const auto address = secrets::parse_address(text, "VAULT_ADDR");
  if (!address) {
    if (address.error().where != "VAULT_ADDR" || describe(address.error()).size() > 400) std::abort();
    return 0;
  }
  if (address->host.empty() || address->port == 0) std::abort();
  if (address->host.find_first_of("@/?# ") != std::string::npos) std::abort();
  const auto again = secrets::parse_address(secrets::to_string(*address), "VAULT_ADDR");
  if (!again || *again != *address) std::abort();
  if (secrets::is_loopback_literal(address->host) && address->host != "[::1]" &&
      !address->host.starts_with("127.")) {
    std::abort();
  }
  return 0;
}
