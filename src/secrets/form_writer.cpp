#include "secrets/form_writer.h"

#include "dsn/percent.h"

namespace sallyport::secrets {

void FormWriter::field(std::string_view name, std::string_view value) {
  if (!out_.empty()) out_.push_back('&');
  dsn::percent_encode_secret(out_, name);
  out_.push_back('=');
  dsn::percent_encode_secret(out_, value);
}

Secret FormWriter::finish() {
  auto body = Secret::copy_of(Bytes{out_});
  out_.clear();
  return body;
}

}  // namespace sallyport::secrets
