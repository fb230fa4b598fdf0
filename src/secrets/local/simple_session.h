// What the local sources share: a session that only knows how to fetch.
#pragma once

#include "secrets/shape.h"
#include "secrets/source.h"

#include <functional>

namespace sallyport::secrets {

/// Makes a fresh FetchConversation for every fetch; no leases, nothing to keep alive, nothing to end.
class SimpleSession final : public SourceSession {
 public:
  using Maker = std::function<std::unique_ptr<FetchConversation>()>;
  explicit SimpleSession(Maker maker) : maker_(std::move(maker)) {}

  std::unique_ptr<FetchConversation> fetch() override { return maker_(); }
  std::unique_ptr<RenewConversation> renew(const Lease&) override { return nullptr; }
  std::unique_ptr<Conversation> revoke(const Lease&) override { return nullptr; }
  std::unique_ptr<Conversation> keep_alive() override { return nullptr; }
  [[nodiscard]] std::optional<WallTime> keep_alive_at() const override { return std::nullopt; }
  std::unique_ptr<Conversation> close() override { return nullptr; }

 private:
  Maker maker_;
};

/// Turns the text into the result, or says why not.
class SimpleFetch : public FetchConversation {
 public:
  SimpleFetch(ShapeOptions shape, std::string where) : shape_(std::move(shape)), where_(std::move(where)) {}

  Fetched take() override { return std::move(fetched_); }

 protected:
  Result<Action> done_with(const Secret& text) {
    auto fetched = shape_secret(text, shape_, where_);
    if (!fetched) return std::move(fetched).error();
    fetched_ = std::move(*fetched);
    fetched_.origin = where_;
    return Action{Done{}};
  }

  [[nodiscard]] const std::string& where() const { return where_; }

  [[nodiscard]] Error unexpected() const {
    return {
        ErrorCode::internal, Hop::secret_source, where_, "the driver answered what was not asked", {}, {}};
  }

  /// The driver's own error with our place in it; its code and words say what happened.
  [[nodiscard]] Error failed(Error error, std::string_view hint) const {
    error.hop = Hop::secret_source;
    error.where = where_;
    if (error.hint.empty()) error.hint = hint;
    return error;
  }

 private:
  ShapeOptions shape_;
  std::string where_;
  Fetched fetched_;
};

}  // namespace sallyport::secrets
