// What a session may reach: targets and their roles, as typed and checked values.
#pragma once

#include "base/clock.h"
#include "policy/address_range.h"
#include "policy/certificate_rule.h"
#include "policy/client_tls.h"
#include "policy/hosts.h"
#include "policy/hours.h"
#include "policy/password_file.h"
#include "policy/process_identity.h"
#include "policy/tls_policy.h"

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace sallyport {

enum class Engine { postgresql };  // mysql, mongodb, sqlserver: later work

/// A named account of a target.
struct Role {
  std::string name;
  std::string auth;    ///< a reference (secrets/reference.h), as text
  std::string user;    ///< where the secret has none
  std::string run_as;  ///< start-up parameter `role`; empty: none
  std::vector<std::string>
      login_methods;  ///< extra methods allowed: "password", "md5"; each needs login_reason
  std::string login_reason;
  bool operator==(const Role&) const = default;
};

/// When a server connection may change owner.
enum class PoolMode { session, transaction };

/// Transaction pooling: what becomes of a session that would leave state on its connection.
enum class OnSessionState {
  pin,     ///< it keeps the connection to its end
  refuse,  ///< the statement fails
  ignore,  ///< nothing: the next session finds the state
};

/// Transaction pooling: whether the server is asked for state before a connection changes owner.
enum class VerifySessionState { off, sample, always };

struct PoolSettings {
  PoolMode mode = PoolMode::session;

  std::size_t min_ready = 1;                      ///< upstream connections kept logged in, per profile
  std::size_t max = 20;                           ///< per (target, role)
  Duration idle_max = std::chrono::minutes{10};   ///< a ready connection above min_ready is closed after it
  Duration lifetime_max = std::chrono::hours{1};  ///< jittered
  Duration wait_max = std::chrono::seconds{30};   ///< a client in the queue
  bool shared_by_role = false;                    ///< else each identity has connections of its own
  std::string share_reason;
  OnSessionState on_session_state = OnSessionState::pin;
  VerifySessionState verify_session_state = VerifySessionState::off;
  std::size_t statements_max = 200;  ///< prepared on one server connection (transaction pooling)
  bool operator==(const PoolSettings&) const = default;
};

struct Target {
  std::string name;
  Engine engine = Engine::postgresql;
  std::vector<Endpoint> endpoints;  ///< in the order of preference; empty: the secret names them
  SessionAttributes session_attributes = SessionAttributes::any;
  LoadBalance load_balance = LoadBalance::off;
  std::vector<std::string> databases;  ///< empty: any ("*"); the first is the default
  std::map<std::string, Role> roles;
  TlsPolicy tls;
  PoolSettings pool;
  bool operator==(const Target&) const = default;
};

/// Who may use a route and which role they get. All given conditions must hold.
struct AllowRule {
  std::optional<std::uint32_t> uid;  ///< `user:` resolved to a number at load
  std::optional<std::uint32_t> gid;
  std::optional<policy::CertificateRule> certificate;
  std::string user_name;   ///< as written, for messages and the trail
  std::string group_name;  ///< likewise for `group:`
  std::string role;        ///< empty: the target's only role

  std::string verifier;                              ///< file of local passwords; empty: none is asked for
  std::vector<std::string> logins = {};              ///< the names of it that the rule is for, sorted
  std::vector<policy::AddressRange> addresses = {};  ///< of TCP clients; empty: any
  std::vector<policy::Hours> hours = {};             ///< one of them has to be open; empty: always
  std::vector<std::string> databases = {};           ///< of the target's, the first by default; empty: all
  std::size_t connections_max = 0;                   ///< sessions at once of one identity; 0: no limit
  bool replication = false;                          ///< may start replication sessions

  std::string executable;                            ///< path of the program, which narrows `uid`; empty: any
  std::optional<policy::ExecutableId> program = {};  ///< that file as it was at load; none: nothing will do
  std::string cgroup;                                ///< or below it; empty: any
  std::string unit;                                  ///< of the system's manager; empty: any
  bool allow_namespaced = false;                     ///< also processes of other user namespaces
  bool operator==(const AllowRule&) const = default;
};

struct UnixListen {
  std::string directory;
  std::uint16_t port = 5432;
  bool operator==(const UnixListen&) const = default;
};  ///< DIR/.s.PGSQL.PORT
struct TcpListen {
  std::string address;
  std::uint16_t port = 0;
  bool operator==(const TcpListen&) const = default;
};

struct Route {
  std::string name;  ///< the `listen` text, its port always written out
  std::variant<UnixListen, TcpListen> listen;
  std::vector<AllowRule> allow;
  std::string target;
  std::optional<ClientTlsPolicy> tls;  ///< none: clients are told that there is no TLS

  policy::Verifiers passwords = {};                  ///< of all rules with a `verifier`
  std::vector<policy::AddressRange> addresses = {};  ///< as AllowRule's, for all rules
  std::vector<policy::Hours> hours = {};             ///< likewise
  std::size_t connections_max = 0;                   ///< sessions at once; 0: no limit
  std::size_t connections_per_second_max = 0;        ///< new sessions; 0: no limit
  Duration session_age_max = Duration::zero();       ///< zero: no limit
  bool operator==(const Route&) const = default;
};

}  // namespace sallyport
