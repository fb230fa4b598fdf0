// Texts of secrets: first a field's name, a newline, then the text. Whatever is read keeps the rules of shape.h.
#include "secrets/shape.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  const auto all = as_text({data, size});
  const auto newline = all.find('\n');
  if (newline == std::string_view::npos || newline > 64) return 0;
  secrets::ShapeOptions options;
  options.field = all.substr(0, newline);
  const auto text = Secret::copy_of(all.substr(newline + 1));
  auto fetched = secrets::shape_secret(text, options, "fuzz");
  if (!fetched) {
    if (fetched.error().where != "fuzz" || fetched.error().what.empty()) std::abort();
    return 0;
  }
  const auto& credential = fetched->credential;
  if (credential.secret.empty() || credential.secret.reveal().find('\0') != std::string_view::npos)
    std::abort();
  if (credential.user.size() > secrets::user_bytes_max) std::abort();
  if (fetched->endpoint.host.find_first_of("/@ \n") != std::string::npos) std::abort();
  if (fetched->ignored_fields.size() > secrets::ignored_fields_max) std::abort();
  for (const auto& name : fetched->ignored_fields) {
    if (name.empty() || name.size() > 64) std::abort();
  }
  return 0;
}
