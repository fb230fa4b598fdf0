// A client's certificate, as DER, and the rules that may mean it: hostile names never become an identity of a form
// that a rule could not have been written for.
#include "net/client_certificate.h"
#include "policy/certificate_rule.h"

#include <openssl/err.h>

#include <cstdint>
#include <cstdlib>
#include <string>

using namespace sallyport;

namespace {

void check(const policy::ClientCertificate& one) {
  if (!one.spiffe_id.empty() && !policy::check_spiffe_id(one.spiffe_id)) std::abort();
  if (!one.spiffe_id.empty() && !one.why_no_spiffe_id.empty()) std::abort();
  for (const auto& name : one.dns_names) {
    const auto rule = policy::parse_certificate_rule("dns:" + name);
    if (!rule || !policy::matches(*rule, one)) std::abort();
  }
  if (!one.spiffe_id.empty()) {
    const auto rule = policy::parse_certificate_rule(one.spiffe_id);
    if (!rule || !policy::matches(*rule, one)) std::abort();
  }
  for (const char c : one.subject) {
    if (c == '\0' || c == '\n') std::abort();  // escaped
  }
  (void)policy::describe(one);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text{reinterpret_cast<const char*>(data), size};
  if (const auto rule = policy::parse_certificate_rule(text)) {
    const auto again = policy::parse_certificate_rule(policy::to_string(*rule));
    if (!again || !(*again == *rule)) std::abort();
    if (!policy::covers(*rule, *rule)) std::abort();
  }
  const auto* at = data;
  X509* certificate = d2i_X509(nullptr, &at, static_cast<long>(size));
  if (certificate != nullptr) check(net::decode_client_certificate(certificate));
  X509_free(certificate);
  ERR_clear_error();
  return 0;
}
