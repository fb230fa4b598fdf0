// Reading SCRAM's comma-separated attributes ("r=…,s=…,i=…"): internal to the SCRAM files.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>
#include <string_view>

namespace sallyport::crypto {

/// Reads attributes in order. Errors are sticky, as ByteReader's.
class ScramReader {
 public:
  explicit ScramReader(std::string_view message) : rest_(message) {}

  /// The value of the next attribute, which must be `letter`'s.
  std::string_view value(char letter);
  /// What stands before the next comma, without a name ("n", "y").
  std::string_view bare();
  /// All that is left, a leading comma excluded (optional extensions).
  [[nodiscard]] bool at_end() const { return rest_.empty(); }
  [[nodiscard]] std::string_view rest() const { return rest_; }
  [[nodiscard]] bool ok() const { return !failed_; }
  /// True when the next attribute's name is `letter`.
  [[nodiscard]] bool next_is(char letter) const {
    return rest_.size() >= 2 && rest_[0] == letter && rest_[1] == '=';
  }

 private:
  std::string_view rest_;
  bool failed_ = false;
};

/// A nonce's alphabet: printable ASCII without the comma.
bool is_scram_printable(std::string_view text);

/// The gs2 header's channel binding input in base64: "c=" of client-final.
std::string scram_channel_binding(std::string_view gs2_header, Bytes end_point);

Error scram_error(ErrorCode code, std::string_view where, std::string_view what, std::string_view hint = {});

}  // namespace sallyport::crypto
