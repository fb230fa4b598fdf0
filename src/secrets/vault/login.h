// How we log in to Vault where we have no token: what each method sends, gathered from files, variables and metadata
// services, and what its refusal means.
//
// AppRole's secret id may come wrapped (response wrapping): the wrapping token is good for one look inside, so whoever
// looked before us is found out (threat 10: that it cannot be opened is a security event, not only an error).
#pragma once

#include "secrets/inquiry.h"
#include "secrets/vault/call.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::vault {

/// A login ready to be sent, and what it leaves in the session.
struct Login {
  std::string path;  ///< "auth/approle/login"
  Secret body;
  std::string client_certificate;  ///< presented from now on
  Secret client_key;
  std::optional<Unwrapped> unwrapped;  ///< a secret id that is out of its wrapping now
};

/// Asks for all that the method needs; nothing is sent to Vault but what unwraps a secret id.
///
/// Errors  bad_config: something is not set, or no word.  denied: the secret id's wrapping was opened before, or comes from
///         elsewhere; then State::events has it.  Others: as files, variables and requests fail.
Result<Login> gather_login(Inquiry& ask, State& state);

/// A login that was answered with anything but success.
Error login_refused(const State& state, const Reply& reply);

/// "auth/approle/login".
std::string login_path(const Options& options);

// ---- Private to the files of login ---------------------------------------------------------------

/// A file's content as one word.
Result<Secret> word_of_file(Inquiry& ask, const State& state, const std::string& path, bool is_private,
                            std::string_view what);

Result<Login> gather_approle(Inquiry& ask, State& state);
Result<Login> gather_gcp(Inquiry& ask, const State& state);
Result<Login> gather_azure(Inquiry& ask, const State& state);
Result<Login> gather_aws(Inquiry& ask, const State& state);

/// The secret id inside a wrapping token. Its lookup first: only what AppRole made is opened.
Result<Secret> unwrap_secret_id(Inquiry& ask, State& state, const Secret& wrapping_token);

/// One request with Call's rules, as a question of an Inquiry.
Result<Reply> ask_vault(Inquiry& ask, const State& state, Request request);

}  // namespace sallyport::secrets::vault
