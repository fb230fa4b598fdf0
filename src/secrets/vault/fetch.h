// Fetching a secret: which engine is mounted there, the secret itself, and at first whether its lease can be ended.
#pragma once

#include "secrets/vault/conversation.h"

namespace sallyport::secrets::vault {

class Fetch final : public FetchConversation, private Exchange {
 public:
  explicit Fetch(State& state) : Exchange(state) {}

  Result<Action> resume(Input input) override { return step(std::move(input)); }
  Fetched take() override {
    fetched_.origin = to_string(state_.address);
    return std::move(fetched_);
  }

 private:
  enum class Stage { mount, secret, capabilities };

  Result<Action> begin(Moment now) override;
  Result<Action> on_reply(Reply reply, Moment now) override;
  Result<Action> on_error(Error error) override;
  [[nodiscard]] bool may_log_in_again() const override;

  Result<Action> ask_mount(Moment now);
  Result<Action> on_mount(const Reply& reply, Moment now);
  Result<Action> ask_secret(Moment now);
  Result<Action> on_secret(const Reply& reply, Moment now);
  Result<Action> on_missing(const Reply& reply) const;
  Result<void> take_kv(const Reply& reply);
  Result<void> take_dynamic(const Reply& reply);
  Result<void> take_static(const Reply& reply);
  Result<void> take_shape(JsonView data);
  Result<Action> ask_capabilities(Moment now);
  void on_capabilities(const Reply& reply);
  [[nodiscard]] std::string secret_path() const;

  Stage stage_ = Stage::mount;
  Fetched fetched_;
};

}  // namespace sallyport::secrets::vault
