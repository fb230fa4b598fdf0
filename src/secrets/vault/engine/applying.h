// Makes the changes of a plan, in an order in which each can be made and a cut in the middle leaves Vault working:
// the engine, connections (roles that are still in use stay allowed), roles, static roles (Vault logs in for them, so
// they must be allowed already), then what is no longer allowed, and the rotation of root passwords last.
//
// Each write sets what the file says, so that writing it again changes nothing. A connection's password is sent only
// where Vault has none for this user: after a rotation of the root password what we could send is no longer true.
#pragma once

#include "secrets/vault/conversation.h"
#include "secrets/vault/engine/plan.h"

#include <map>

namespace sallyport::secrets::vault::engine {

struct Order {
  std::string mount;
  std::vector<Object> objects;
  Plan plan;                                ///< of these objects
  std::map<std::string, Secret> passwords;  ///< by connection: exactly those of needs_password
  std::vector<std::string> rotate_root;     ///< connections
};

/// The connections whose password has to be sent: new ones, and those that log in as somebody else now.
std::vector<std::string> needs_password(const Plan& plan);

class ApplyPlan final : public Conversation, private Exchange {
 public:
  ApplyPlan(State& state, Order order);

  /// Errors  denied: before anything was written where the policies tell it; `hint` has the lines to add.  Others: as
  ///         Vault's refusals are told (meaning.h). `where` names the path; made() tells what is done already.
  Result<Action> resume(Input input) override { return step(std::move(input)); }

  /// "role app-rw": also of a conversation that ended with an error.
  [[nodiscard]] const std::vector<std::string>& made() const { return made_; }

 private:
  struct Write {
    std::string label;
    std::string path;
    std::vector<Field> fields;
    const Secret* password = nullptr;
    std::optional<bool> verify;
    bool fresh = false;  ///< makes it: Vault asks for `create`, else for `update`
    Request::Repeat repeat = Request::Repeat::always;
  };

  Result<Action> begin(Moment now) override;
  Result<Action> on_reply(Reply reply, Moment now) override;
  Result<Action> on_error(Error error) override;
  Result<Action> ask_capabilities(Moment now);
  Result<void> on_capabilities(const Reply& reply) const;
  void add_object(const Object& object, const Change& change);
  void add_disallowing(const Object& object, const Change& change);
  [[nodiscard]] Error refused(const Reply& reply) const;

  Order order_;
  std::vector<Write> writes_;
  std::vector<std::string> made_;
  std::size_t at_ = 0;
  bool capabilities_asked_ = false;
  bool asking_ = false;
};

}  // namespace sallyport::secrets::vault::engine
