// The contract of a source: what turns a reference into a credential, keeps it alive and ends it.
//
// A SourceSession is opened once per (target, role) and holds what outlives a single fetch: the token
// that Vault gave us, the pinned endpoint. Its conversations borrow it; at most one runs at a time
// (credentials/ serialises them).
#pragma once

#include "base/conversation.h"
#include "base/credential.h"
#include "secrets/attributes.h"
#include "secrets/reference.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets {

/// Endpoint fields that a secret supplied (managers' JSON, a whole URI). Only used where the target has
/// none, pinned at first fetch (threat 3).
struct SuppliedHost {
  std::string host;
  std::uint16_t port = 0;
  bool operator==(const SuppliedHost&) const = default;
};

struct SuppliedEndpoint {
  std::string engine;
  std::string host;
  std::uint16_t port = 0;
  std::vector<SuppliedHost> more_hosts;  ///< of a URI with several, in its order
  std::string database;
  bool operator==(const SuppliedEndpoint&) const = default;
};

/// How a server is reached that a name alone does not lead to (the connectors of Cloud SQL and AlloyDB): TLS comes first,
/// on a port of its own, and whom to believe is what the cloud's control plane said. The client certificate is the
/// credential's.
struct Access {
  std::vector<SuppliedHost> addresses;  ///< literal addresses and the port, in the order of preference
  std::string authorities_pem;          ///< the only ones that the server's certificate may come from
  std::vector<std::string> names;       ///< the certificate has one of them as a DNS name (SAN)
  std::string common_name;              ///< or this as its subject's CN, where no name fits; empty: never

  /// Sent as the first bytes inside TLS; may hold a token.
  Secret preamble;
  enum class Answer {
    none,
    cloud_sql,  ///< "CSQLMDEX", a length of 4 bytes (big endian), and that many bytes of a message; or none at all
    alloydb,  ///< a length of 4 bytes (big endian) and that many bytes: field 1 of the message is 1 when all is well
  };
  Answer answer = Answer::none;
};

struct Fetched {
  Credential credential;
  SuppliedEndpoint endpoint;
  std::vector<std::string> ignored_fields;  ///< TLS settings, options, … that a secret may not supply
  std::optional<Duration> refetch_after;    ///< static roles: when the source will have changed it
  std::shared_ptr<const Access> access;     ///< null: the target's host, or `endpoint`
  std::string origin;  ///< where it came from, for people: a server's address, a file; no secret
};

/// A conversation whose Done yields a credential.
class FetchConversation : public Conversation {
 public:
  virtual Fetched take() = 0;
};

/// Renewal: Done yields the lease as it now stands.
class RenewConversation : public Conversation {
 public:
  virtual Lease take() = 0;
};

/// Something that an attacker may have done, as a source saw it.
struct SourceEvent {
  enum class Kind {
    unwrap_failed,  ///< a wrapped secret was opened before, or was made elsewhere
  };
  Kind kind = Kind::unwrap_failed;
  std::string text;  ///< what was seen, what was expected, how to fix it; no secret
};

class SourceSession {
 public:
  virtual ~SourceSession() = default;

  virtual std::unique_ptr<FetchConversation> fetch() = 0;

  /// Null when this source has no leases.
  virtual std::unique_ptr<RenewConversation> renew(const Lease& lease) = 0;

  /// Ends one lease. Null when there is nothing to end.
  virtual std::unique_ptr<Conversation> revoke(const Lease& lease) = 0;

  /// Renews our own token when it hangs below leases; null when there is none of our own.
  virtual std::unique_ptr<Conversation> keep_alive() = 0;
  /// When keep_alive() wants to run next; none: never.
  [[nodiscard]] virtual std::optional<WallTime> keep_alive_at() const = 0;

  /// Ends everything that hangs on a token of our own (revoke-self). Null when the token is the user's.
  virtual std::unique_ptr<Conversation> close() = 0;

  /// The database has refused what was fetched last; another fetch follows. For what the session keeps: keys that
  /// sign, a pending version that it had chosen.
  virtual void on_refused() {}

  /// The database has refused the source's newest word as well. Null: the source has no other. Else what it is about to
  /// say: the version of a secret that a rotation has set in the database and not yet made the current one. Failing,
  /// it has none. Once it has been given out, fetch() answers with it until the source itself has gone on.
  virtual std::unique_ptr<FetchConversation> fetch_pending() { return nullptr; }

  /// What start-up must say aloud: e.g. that the policy does not allow revocation, with the lines to add.
  /// Valid after the first fetch.
  [[nodiscard]] virtual std::vector<std::string> warnings() const { return {}; }

  /// Those since the last call. Asked after each conversation that logs in, also when it failed.
  virtual std::vector<SourceEvent> take_events() { return {}; }
};

/// What a source consumed of the environment, so that it is not handed on (threat 11).
struct Authority {
  std::vector<std::string> variables;          ///< "VAULT_TOKEN"
  std::vector<std::string> files;              ///< "/run/pw", "~/.vault-token", "$CREDENTIALS_DIRECTORY/db"
  std::vector<std::string> public_files = {};  ///< read as well, and no secret: "$VAULT_CACERT"
};

/// What a credential is for, where a source has to know: a token that is signed for one host and user.
struct Purpose {
  std::string engine;  ///< "postgresql"; empty: nothing is known, and only the reference is checked
  std::vector<SuppliedHost> hosts;  ///< the target's, in its order; empty: the secret names them, or nobody
  std::string user;                 ///< the role's own; empty: the source says it
};

class Source {
 public:
  virtual ~Source() = default;
  [[nodiscard]] virtual std::string_view scheme() const = 0;

  /// Its own attributes, beside the target's. The same table that open() checks against.
  [[nodiscard]] virtual Attributes attributes() const = 0;

  /// What any reference of this source may consume.
  [[nodiscard]] virtual Authority authority() const = 0;

  /// What this reference consumes: `env:NAME` its variable, `file:/path` its file, and authority() besides.
  [[nodiscard]] virtual Authority authority_for(const Reference&) const { return authority(); }

  /// Checks what can be checked without IO.
  /// Errors  bad_config: the locator or an attribute is wrong for this source, or the purpose lacks what it needs.
  virtual Result<std::unique_ptr<SourceSession>> open(const Reference& reference,
                                                      const Purpose& purpose) const = 0;
};

/// The explicit list of sources: one line each in register_all (registry.cpp).
class Registry {
 public:
  void add(std::unique_ptr<Source> source);
  [[nodiscard]] const Source* find(std::string_view scheme) const;
  [[nodiscard]] std::vector<const Source*> all() const;

 private:
  std::vector<std::unique_ptr<Source>> sources_;
};

/// What the command line says of sources, for every reference.
struct SourceSettings {
  bool allow_root_token = false;  ///< `--allow-root-token` (threat 20)
};

Registry register_all(const SourceSettings& settings = {});

}  // namespace sallyport::secrets
