#include "secrets/vault/setup.h"

#include "secrets/literal_host.h"
#include "secrets/vault/meaning.h"
#include "secrets/vault/token.h"

#include <algorithm>

namespace sallyport::secrets::vault {

namespace {

/// A user's token that ends is looked at again after this long: somebody may have renewed it.
constexpr auto look_up_again_after = std::chrono::minutes{1};

std::string_view text_of(const std::optional<Secret>& value) {
  return value ? value->reveal() : std::string_view{};
}

}  // namespace

Setup::Progress Setup::ask_variable(Stage stage, std::string name) {
  stage_ = stage;
  return std::optional<Action>{ReadVariable{std::move(name)}};
}

Setup::Progress Setup::ask_file(Stage stage, std::string path) {
  stage_ = stage;
  path_ = std::move(path);
  ReadFile read{path_};
  read.bytes_max = token_bytes_max;
  return std::optional<Action>{std::move(read)};
}

Setup::Progress Setup::start(State& state, Moment now) {
  optional_file_ = false;
  if (!state.environment_known) return ask_variable(Stage::address, "VAULT_ADDR");
  if (!state.token) return find_token(state, now);
  auto& token = *state.token;
  if (token.ours() && wants_new_login(token, now.wall)) {
    retire(state, now.wall);
    return start_login(state, now);
  }
  if (!token.ours() && token.expires && now.wall - token.looked_up > look_up_again_after)
    return look_up(state, now);
  return std::optional<Action>{};
}

Setup::Progress Setup::resume(State& state, Input input) {
  if (stage_ == Stage::login || stage_ == Stage::look_up) {
    auto step = call_.resume(state, std::move(input));
    if (!step) return std::move(step).error();
    if (auto* action = std::get_if<Action>(&*step)) return std::optional<Action>{std::move(*action)};
    const auto& reply = std::get<Reply>(*step);
    return stage_ == Stage::login ? on_login(state, reply) : on_look_up(state, reply);
  }
  if (stage_ == Stage::gather) return gather(state, std::move(input));
  if (auto* read = std::get_if<VariableRead>(&input.event)) {
    if (read->value && read->value->empty()) read->value.reset();
    return on_environment(state, std::move(read->value), input.now);
  }
  if (auto* read = std::get_if<FileRead>(&input.event))
    return on_file(state, std::move(read->content), input.now);
  if (auto* failure = std::get_if<ActionFailed>(&input.event)) {
    return on_file_failed(state, std::move(failure->error), input.now);
  }
  return wrong_at(ErrorCode::internal, state, "the driver answered what was not asked", {});
}

Setup::Progress Setup::on_environment(State& state, std::optional<Secret> value, Moment now) {
  switch (stage_) {
    case Stage::address: return on_address(state, value);
    case Stage::name_space: {
      std::string_view name = text_of(value);
      while (name.ends_with('/')) name.remove_suffix(1);
      if (!name.empty() && !is_plain_path(name)) {
        return wrong_at(ErrorCode::bad_config, state, "VAULT_NAMESPACE is no name of a namespace",
                        "Write for example team1");
      }
      state.name_space = name;
      return ask_variable(Stage::ca_file, "VAULT_CACERT");
    }
    case Stage::ca_file: {
      const auto path = text_of(value);
      if (!path.empty() && !path.starts_with('/')) {
        return wrong_at(ErrorCode::bad_config, state, "VAULT_CACERT is no absolute path",
                        "Write an absolute path");
      }
      state.ca_file = path;
      return after_address(state, now);
    }
    case Stage::token_variable: return on_token_variable(state, std::move(value), now);
    case Stage::token_file_variable:
      if (value) return ask_file(Stage::token_file, std::string{text_of(value)});
      return ask_variable(Stage::home, "HOME");
    case Stage::home:
      if (!text_of(value).starts_with('/')) return start_login(state, now);
      optional_file_ = true;
      return ask_file(Stage::token_file, std::string{text_of(value)} + "/.vault-token");
    case Stage::token_file:
    case Stage::gather:
    case Stage::login:
    case Stage::look_up: break;
  }
  return wrong_at(ErrorCode::internal, state, "the driver answered what was not asked", {});
}

/// addr= in a reference chooses who gets the token: whoever takes references from the environment refuses it there
/// (cli/environment_reference.h).
Setup::Progress Setup::on_address(State& state, const std::optional<Secret>& value) {
  std::optional<Address> named = state.options.address;
  if (!named && value) {
    auto address = parse_address(text_of(value), "VAULT_ADDR");
    if (!address) return std::move(address).error();
    named = std::move(*address);
  }
  if (!named) {
    return wrong_at(ErrorCode::bad_config, state, "VAULT_ADDR is not set",
                    "Set it, for example https://vault.example.com:8200");
  }
  state.address = std::move(*named);
  if (!state.options.name_space) return ask_variable(Stage::name_space, "VAULT_NAMESPACE");
  state.name_space = *state.options.name_space;
  return ask_variable(Stage::ca_file, "VAULT_CACERT");
}

Setup::Progress Setup::after_address(State& state, Moment now) {
  if (!state.address.https) return check_plain_http(state, now);
  state.environment_known = true;
  return start(state, now);
}

/// The second of the two exceptions to invariant 2.
Setup::Progress Setup::check_plain_http(State& state, Moment now) {
  if (!is_loopback_literal(state.address.host)) {
    return wrong_at(
        ErrorCode::bad_config, state,
        "plain http to " + to_string(state.address) + ": a token would cross the network unprotected",
        "Use https://; plain http is for a literal loopback address (127.0.0.1) with a reason only");
  }
  if (state.options.insecure_reason.empty()) {
    return wrong_at(ErrorCode::bad_config, state,
                    "plain http to " + to_string(state.address) + " without a reason",
                    "Use https://, or say why not: insecure_reason=… in the reference");
  }
  state.warn("Vault is asked over plain http at " + to_string(state.address) + ", for a stated reason");
  state.environment_known = true;
  return start(state, now);
}

}  // namespace sallyport::secrets::vault
