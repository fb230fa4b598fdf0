#include "secrets/vault/engine/engine.h"

#include "secrets/vault/own_token.h"

namespace sallyport::secrets::vault::engine {

Result<std::unique_ptr<Session>> Session::open(const Reference& reference, const SourceSettings& settings) {
  auto options = parse_options(reference);
  if (!options) return std::move(options).error();
  options->allow_root_token = options->allow_root_token || settings.allow_root_token;
  return std::unique_ptr<Session>{new Session{std::move(*options)}};
}

std::unique_ptr<ReadPlan> Session::read(const std::vector<Object>& objects) {
  return std::make_unique<ReadPlan>(state_, state_.options.path, objects);
}

std::unique_ptr<ApplyPlan> Session::apply(Order order) {
  order.mount = state_.options.path;
  return std::make_unique<ApplyPlan>(state_, std::move(order));
}

std::unique_ptr<Conversation> Session::close() {
  const bool ours = (state_.token && state_.token->ours()) || !state_.old_tokens.empty();
  return ours ? std::make_unique<Close>(state_) : nullptr;
}

}  // namespace sallyport::secrets::vault::engine
