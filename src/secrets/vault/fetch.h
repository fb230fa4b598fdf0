// Fetching a secret: which engine is mounted there, the secret itself, and at first whether its lease can be ended.
#pragma once

#include "secrets/vault/conversation.h"

namespace sallyport::secrets::vault {

/// `database/creds/app` and `database/static-creds/app` by their looks alone: for when the policies do not allow
/// us to ask what is mounted.
std::optional<Mount> mount_by_name(std::string_view path);

/// From the answer of sys/internal/ui/mounts.
/// Errors  bad_config: an engine that the vault source does not read.
Result<Mount> mount_from(const State& state, JsonView data);

class Fetch final : public FetchConversation, private Exchange {
 public:
  explicit Fetch(State& state) : Exchange(state) {}

  Result<Action> resume(Input input) override { return step(std::move(input)); }
  Fetched take() override { return std::move(fetched_); }

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
