// What a session with Vault knows between conversations: where it is, who we are there, what the policies allow.
#pragma once

#include "secrets/source.h"
#include "secrets/vault/options.h"

#include <map>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets::vault {

/// The token we act with. Ours when we logged in for it: then we renew and end it, and its leases with it. A
/// user's token is neither renewed nor ended.
struct Token {
  enum class Origin { variable, file, login };

  Secret value;
  Origin origin = Origin::variable;
  std::string file;           ///< Origin::file
  std::string accessor;       ///< empty when the policies do not allow lookup-self
  bool refused_look = false;  ///< lookup-self was refused: perhaps it is not valid at all
  bool renewable = false;
  bool worn = false;                 ///< a renewal gave less than was asked: its maximum is near
  Duration granted{};                ///< at login
  std::optional<WallTime> expires;   ///< none: never, or not known
  std::optional<WallTime> renew_at;  ///< ours and renewable only
  WallTime looked_up{};

  [[nodiscard]] bool ours() const { return origin == Origin::login; }
};

struct Mount {
  enum class Kind { kv1, kv2, dynamic, static_role };
  Kind kind = Kind::dynamic;
  std::string path;  ///< "secret/", with its slash; for credentials not needed
};

/// A secret id whose wrapping is gone.
struct Unwrapped {
  Secret wrapping_token;
  Secret secret_id;
};

struct State {
  explicit State(Options parsed) : options(std::move(parsed)) {}

  const Options options;

  bool environment_known = false;
  Address address;
  std::string name_space;
  std::string ca_file;

  std::optional<Token> token;
  std::vector<Token> old_tokens;  ///< ours, replaced by a younger one while leases hang on them

  std::string
      client_certificate;  ///< auth=cert: presented in every request, because the token is bound to it
  Secret client_key;
  std::optional<Unwrapped> unwrapped;
  Secret doubtful_wrapping;  ///< we asked for it to be opened, and the answer was lost

  std::optional<Mount> mount;
  std::optional<bool> may_end_self;         ///< auth/token/revoke-self
  std::optional<bool> may_revoke;           ///< sys/leases/revoke; none: not asked yet
  std::map<std::string, Duration> granted;  ///< by lease id: what a renewal asks for again

  std::vector<std::string> warnings;
  std::vector<SourceEvent> events;  ///< until they are taken

  /// "vault:database/creds/app-role": where errors point.
  [[nodiscard]] std::string where() const { return "vault:" + options.path; }

  void warn(std::string text) {
    for (const auto& known : warnings) {
      if (known == text) return;
    }
    warnings.push_back(std::move(text));
  }
};

/// Leases remembered in State::granted; a forgotten one is renewed for the role's default.
inline constexpr std::size_t granted_leases_max = 256;

/// Old tokens kept; older ones end by themselves.
inline constexpr std::size_t old_tokens_max = 8;

}  // namespace sallyport::secrets::vault
