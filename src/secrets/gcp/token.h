// Access tokens: out of each type of credentials file, and what a session keeps of them.
//
// A token lives for an hour. It is asked for anew 3 min 45 s before its end (Google's own margin: the metadata server keeps
// a token until 4 min before), and the one at hand is used as long as it is valid while nobody gives another.
#pragma once

#include "secrets/gcp/account.h"
#include "secrets/refresh_window.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::gcp {

struct AccessToken {
  Secret value;
  WallTime expires;

  [[nodiscard]] AccessToken clone() const { return {value.clone(), expires}; }
};

/// Of an OAuth reply: access_token, expires_in; else an error with what may be shown of the reply.
/// `who` says whose reply it is: "service account key /key.json".
Result<AccessToken> token_of(const Context& context, const WebReply& reply, const std::string& who);

/// Checked: something that a header may hold, and a time that is to come.
Result<AccessToken> checked_token(const Context& context, std::string_view value, WallTime expires,
                                  Moment received, const std::string& who);

/// One way to a token, for each type of file. `file` is the JSON of a whole file or of a source_credentials in it;
/// `path` is for texts.
struct Origin {
  const Context& context;
  JsonView file;
  const std::string& path;
  int depth = 0;  ///< of source_credentials
};

Result<AccessToken> token_from_file(Inquiry& ask, const Origin& origin, std::string_view scope);

Result<AccessToken> service_account_token(Inquiry& ask, const Origin& origin, std::string_view scope);
Result<AccessToken> authorized_user_token(Inquiry& ask, const Origin& origin, std::string_view scope);
Result<AccessToken> external_user_token(Inquiry& ask, const Origin& origin);
Result<AccessToken> external_account_token(Inquiry& ask, const Origin& origin, std::string_view scope);
Result<AccessToken> impersonated_token(Inquiry& ask, const Origin& origin, std::string_view scope);

/// POST …:generateAccessToken at `url` with the source's token.
Result<AccessToken> impersonate(Inquiry& ask, const Origin& origin, std::string_view url,
                                const Secret& source_token, std::string_view scope);

/// The e-mail in …/serviceAccounts/E-MAIL:generateAccessToken; empty: none.
std::string email_of_impersonation(std::string_view url);

/// The domain of Google's services that the file is of.
/// Errors  bad_config: it is no domain.
Result<std::string> universe_of(const Context& context, JsonView file, const std::string& path);

/// A POST of a form to `url`, tried as google-auth does. `basic`: client authentication, or nothing.
struct FormPost {
  std::string_view url;
  std::string named_by;
  std::function<Result<Secret>(Moment)> body;
  std::string_view client_id = {};
  std::string_view client_secret = {};
  std::string client_certificate = {};
  Secret client_key = {};
};
Result<WebReply> post_form(Inquiry& ask, const Context& context, const FormPost& post);

/// Who the credentials are, as far as it is known without asking for a token.
struct Identity {
  std::string email;       ///< empty: not known (a person's, a federated workload's)
  bool is_person = false;  ///< authorized_user and workforce pools
  std::string universe = std::string{default_universe};
  std::string quota_project;  ///< for x-goog-user-project; empty: none
  std::string provider;       ///< "GOOGLE_APPLICATION_CREDENTIALS (service_account)", "metadata server"
};

Result<Identity> identity_of(Inquiry& ask, const Context& context, const Account& account);

/// State of a session: the credentials' token for one scope, and whose it is.
///
///   step 1   return tokens.refresh(ask, context);       (a whole step: writes only at its end)
///   step 2   ask with tokens.token(); on status 401 and ask.attempt() == 0: tokens.drop(); return Then::all_again;
class TokenCache {
 public:
  explicit TokenCache(std::string_view scope);

  Result<Then> refresh(Inquiry& ask, const Context& context);

  /// After refresh() said next_step.
  [[nodiscard]] const AccessToken& token() const { return *token_; }
  [[nodiscard]] const Identity& identity() const { return identity_; }

  /// The next refresh() asks anew.
  void drop() { window_.end(); }

 private:
  std::string scope_;
  std::optional<AccessToken> token_;
  Identity identity_;
  RefreshWindow window_;
};

}  // namespace sallyport::secrets::gcp
