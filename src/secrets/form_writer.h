// Writes an HTML form body (application/x-www-form-urlencoded) that may hold secrets: token endpoints want it.
#pragma once

#include "base/secret.h"

#include <string_view>

namespace sallyport::secrets {

class FormWriter {
 public:
  /// Percent-encoded, spaces too: every server reads that.
  void field(std::string_view name, std::string_view value);

  /// The whole body; the writer is empty afterwards.
  Secret finish();

 private:
  WipedBytes out_;
};

}  // namespace sallyport::secrets
