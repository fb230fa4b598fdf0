// What the local sources share: a fetch that turns one text into the result.
#pragma once

#include "secrets/fallback_fix.h"
#include "secrets/shape.h"
#include "secrets/source.h"

namespace sallyport::secrets {

/// Turns the text into the result, or says why not.
class SimpleFetch : public FetchConversation {
 public:
  SimpleFetch(ShapeOptions shape, std::string where) : shape_(std::move(shape)), where_(std::move(where)) {}

  Fetched take() override { return std::move(fetched_); }

 protected:
  Result<Action> done_with(const Secret& text) {
    auto fetched = shape_secret(text, shape_, where_);
    if (!fetched) return with_fix(std::move(fetched).error());
    fetched_ = std::move(*fetched);
    fetched_.origin = where_;
    return Action{Done{}};
  }

  [[nodiscard]] const std::string& where() const { return where_; }

  [[nodiscard]] Error unexpected() const {
    return with_fix(
        {ErrorCode::internal, Hop::secret_source, where_, "the driver answered what was not asked", {}, {}});
  }

  /// The driver's own error with our place in it; its code and words say what happened.
  [[nodiscard]] Error failed(Error error, std::string_view hint) const {
    error.hop = Hop::secret_source;
    error.where = where_;
    if (error.hint.empty()) error.hint = hint;
    return with_fix(std::move(error));
  }

 private:
  ShapeOptions shape_;
  std::string where_;
  Fetched fetched_;
};

}  // namespace sallyport::secrets
