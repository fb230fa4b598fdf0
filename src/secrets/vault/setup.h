// From nothing to a token: where Vault is, who we are there. Runs first in every conversation, and does nothing
// when all is known.
//
// The order in which a token is looked for, the first found counts:
//   1. what the reference says: token_file=, or auth= with what the method takes (options.h)
//   2. VAULT_TOKEN
//   3. the file that VAULT_TOKEN_FILE names; else ~/.vault-token
//   4. VAULT_ROLE_ID and VAULT_SECRET_ID: we log in by AppRole, and the token is ours
// What a login needs is gathered by an Inquiry (login.h).
#pragma once

#include "secrets/vault/call.h"
#include "secrets/vault/login.h"

namespace sallyport::secrets::vault {

class Setup {
 public:
  void seed(const std::array<std::uint8_t, 64>& random) {
    call_.seed(random);
    random_ = random;
  }

  /// An action, or nothing when all is known.
  ///
  /// Errors  bad_config: an address that may not get a token, no token, a root token.  denied: the login was
  ///         refused.  Others: as the actions fail.
  Result<std::optional<Action>> start(State& state, Moment now);
  Result<std::optional<Action>> resume(State& state, Input input);

 private:
  using Progress = Result<std::optional<Action>>;

  enum class Stage {
    address,
    name_space,
    ca_file,
    token_variable,
    token_file_variable,
    home,
    token_file,
    gather,
    login,
    look_up,
  };

  Progress ask_variable(Stage stage, std::string name);
  Progress ask_file(Stage stage, std::string path);

  Progress on_environment(State& state, std::optional<Secret> value, Moment now);
  Progress on_address(State& state, const std::optional<Secret>& value);
  Progress after_address(State& state, Moment now);
  Progress check_plain_http(State& state, Moment now);

  Progress find_token(State& state, Moment now);
  Progress on_token_variable(State& state, std::optional<Secret> value, Moment now);
  Progress on_file(State& state, Secret content, Moment now);
  Progress on_file_failed(State& state, Error error, Moment now);
  Progress take_token(State& state, Secret text, Token::Origin origin, Moment now);
  Progress start_login(State& state, Moment now);
  Progress gather(State& state, Input input);
  Progress log_in(State& state, Moment now);
  Progress on_login(State& state, const Reply& reply);
  Progress look_up(State& state, Moment now);
  Progress on_look_up(State& state, const Reply& reply);
  Progress check_policies(State& state, JsonView holder);

  Stage stage_ = Stage::address;
  Call call_;
  std::string path_;  ///< of the file being read
  bool optional_file_ = false;
  std::array<std::uint8_t, 64> random_{};
  std::optional<InquiryRun> gathering_;
  Login login_;
};

}  // namespace sallyport::secrets::vault
