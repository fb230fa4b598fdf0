// A conversation is a state machine without IO: a login, a secret fetch, a lease renewal, a cancel.
//
// It is told what happened (Input) and answers what it wants next (Action). One driver in net/ runs
// them all; tests run them from transcripts, failing at every step and splitting input at every byte.
// Every input carries the time; random bytes come with Started. A conversation that answers Done is
// never resumed again; its result is read from the concrete type. An error ends it as well.
#pragma once

#include "base/bytes.h"
#include "base/clock.h"
#include "base/secret.h"

#include <array>
#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

namespace sallyport {

/// Bytes that have arrived and are not yet consumed. A conversation takes whole messages from its
/// front and leaves the rest.
class InputBuffer {
 public:
  [[nodiscard]] Bytes unread() const { return Bytes{bytes_}.subspan(start_); }
  [[nodiscard]] bool empty() const { return start_ == bytes_.size(); }
  [[nodiscard]] std::size_t size() const { return bytes_.size() - start_; }
  void append(Bytes more) { bytes_.insert(bytes_.end(), more.begin(), more.end()); }
  void consume(std::size_t count) {
    start_ += count;
    if (start_ >= bytes_.size()) {
      bytes_.clear();
      start_ = 0;
    }
  }

 private:
  WipedBytes bytes_;
  std::size_t start_ = 0;
};

/// What is known about a TLS connection once its handshake is done.
struct TlsFacts {
  std::string protocol;  ///< "TLSv1.3"
  std::string cipher;
  std::string alpn;                            ///< empty when none was agreed
  std::string peer_certificate_sha256;         ///< lower-case hex of the DER; empty without one
  std::vector<std::uint8_t> server_end_point;  ///< RFC 5929 tls-server-end-point of the server's certificate
  bool peer_verified = false;                  ///< chain and name were both checked
};

// ---- What the driver tells a conversation -----------------------------------------------------

struct Started {
  std::array<std::uint8_t, 64> random;
};
struct Received {
  InputBuffer& input;
};
struct PeerClosed {  ///< end of the peer's bytes
  bool cut = false;  ///< not of its own will, as far as can be told: a reset, or TLS without close_notify
};
struct TlsEstablished {
  TlsFacts facts;
};
struct HttpReply {
  int status = 0;
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  Secret body;
};
struct FileRead {
  Secret content;
};
struct VariableRead {
  std::optional<Secret> value;
};
struct ProgramEnded {
  int exit_status = 0;
  Secret output;
};
/// The TXT records of a name, each with its strings joined; a stranger's bytes. At most LookupTxt::records_max; none: the
/// name has no such record. One that is longer than LookupTxt::record_bytes_max is empty.
struct TxtFound {
  std::vector<std::string> records;
};
struct Woken {};  ///< WaitUntil's moment has come
struct Computed {
  Secret value;
};
struct ActionFailed {
  Error error;
};  ///< the last action could not be done

using Event = std::variant<Started, Received, PeerClosed, TlsEstablished, HttpReply, FileRead, VariableRead,
                           ProgramEnded, TxtFound, Woken, Computed, ActionFailed>;

struct Input {
  Moment now;
  Event event;
};

// ---- What a conversation asks of the driver ----------------------------------------------------

/// Send these bytes; then, as NeedMore, wait for the peer's.
struct Send {
  WipedBytes bytes;
};
struct NeedMore {};

/// Start TLS as client on this connection; the connection's own TLS policy says how to verify.
struct StartTls {
  std::string alpn;
};

struct HttpHeader {
  std::string name;
  Secret value;
};
/// PEM certificates, and where they are from, for errors. Without a certificate nobody is believed.
struct Authorities {
  std::string pem;
  std::string from;
};
struct HttpRequest {
  std::string method = "GET";
  std::string url;
  std::vector<HttpHeader> headers;
  Secret body;
  std::string ca_file;                     ///< empty: the system's roots
  std::optional<Authorities> authorities;  ///< instead of either
  std::string client_certificate;          ///< PEM chain that we present; empty: none
  Secret client_key;                       ///< its private key, PEM
  bool plain_http_allowed = false;         ///< the conversation has checked the one exception (threat 12)
  Duration deadline = std::chrono::seconds{20};
};

/// What owners and modes have to say of a file.
enum class FileTrust {
  any,            ///< nothing: what is in it proves itself, or is public
  only_we_write,  ///< it is obeyed (who gets a secret, what is run): as configuration is, base/trusted_file.h
  is_private,     ///< it is a secret: no stranger may read it, or change it
};

constexpr FileTrust private_if(bool secret) { return secret ? FileTrust::is_private : FileTrust::any; }

/// Read a file whole.
struct ReadFile {
  std::string path;
  std::size_t bytes_max = 65'536;
  FileTrust trust = FileTrust::is_private;
};
struct ReadVariable {
  std::string name;
};
struct RunProgram {
  std::vector<std::string> argv;  ///< argv[0] is an absolute path; no shell
  Duration deadline = std::chrono::seconds{10};
  std::size_t output_bytes_max = 65'536;
  std::vector<std::string> environment = {};  ///< "NAME=value", beside what every program gets; no secret
};

/// Ask the system's name servers for a name's TXT records; the name is whole, no search domain is added.
/// Fails with hop dns: not_found, retry_later, timed_out, invalid_message; limit_exceeded: more than records_max.
struct LookupTxt {
  std::string name;
  Duration deadline = std::chrono::seconds{10};
  static constexpr std::size_t records_max = 16;
  static constexpr std::size_t record_bytes_max = 1'024;
};
struct WaitUntil {
  MonotonicTime moment;
};

/// PBKDF2-HMAC-SHA-256, 32 bytes: slow enough to be the driver's to place (and to remember).
struct ComputePbkdf2 {
  Secret password;
  std::vector<std::uint8_t> salt;
  unsigned iterations = 0;
};

/// An RSA key of 2048 bits: its private half as PKCS #8 PEM.
struct ComputeRsaKey {};

struct Done {};

using Action = std::variant<Send, NeedMore, StartTls, HttpRequest, ReadFile, ReadVariable, RunProgram,
                            LookupTxt, WaitUntil, ComputePbkdf2, ComputeRsaKey, Done>;

class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual Result<Action> resume(Input input) = 0;
};

}  // namespace sallyport
