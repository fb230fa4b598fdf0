// A session that only knows how to fetch: no leases, nothing to keep alive, nothing to end. What most sources need.
#pragma once

#include "secrets/source.h"

#include <functional>

namespace sallyport::secrets {

class FetchingSession : public SourceSession {
 public:
  /// Makes a fresh conversation for every fetch.
  using Maker = std::function<std::unique_ptr<FetchConversation>()>;
  explicit FetchingSession(Maker make) : make_(std::move(make)) {}

  std::unique_ptr<FetchConversation> fetch() override { return make_(); }
  std::unique_ptr<RenewConversation> renew(const Lease&) override { return nullptr; }
  std::unique_ptr<Conversation> revoke(const Lease&) override { return nullptr; }
  std::unique_ptr<Conversation> keep_alive() override { return nullptr; }
  [[nodiscard]] std::optional<WallTime> keep_alive_at() const override { return std::nullopt; }
  std::unique_ptr<Conversation> close() override { return nullptr; }

 private:
  Maker make_;
};

}  // namespace sallyport::secrets
