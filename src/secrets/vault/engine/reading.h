// Asks Vault what there is, and compares: `sallyport vault plan`. Nothing is changed.
//
// First what is mounted: a key-value engine under the database engine's name would take the connection's password for
// a secret to keep, and show it to whoever may read there.
#pragma once

#include "secrets/vault/conversation.h"
#include "secrets/vault/engine/plan.h"

namespace sallyport::secrets::vault::engine {

class ReadPlan final : public Conversation, private Exchange {
 public:
  /// `objects` outlive it.
  ReadPlan(State& state, const std::string& mount, const std::vector<Object>& objects)
      : Exchange(state), mount_(mount), objects_(objects) {}

  /// Errors  bad_config: another engine is mounted there.  denied: `hint` has the policy's lines.  Others: as Vault's
  ///         refusals are told (meaning.h).
  Result<Action> resume(Input input) override { return step(std::move(input)); }

  Plan take() { return std::move(plan_); }

 private:
  enum class Stage { mount, object, list, done };

  Result<Action> begin(Moment now) override;
  Result<Action> on_reply(Reply reply, Moment now) override;
  Result<void> on_mount(const Reply& reply);
  Result<void> on_object(const Reply& reply);
  void on_list(const Reply& reply);
  [[nodiscard]] std::string path() const;
  [[nodiscard]] Error refused(const Reply& reply, const std::string& path) const;

  std::string mount_;
  const std::vector<Object>& objects_;
  Stage stage_ = Stage::mount;
  std::size_t at_ = 0;
  bool mount_known_ = false;
  Plan plan_;
};

/// Of a path behind which nothing is mounted.
bool is_unmounted(const Reply& reply);

}  // namespace sallyport::secrets::vault::engine
