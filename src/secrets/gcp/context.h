// What every request to Google has in common: where its errors are, which roots count, and which addresses are allowed.
//
// Addresses come out of credential files and variables, which somebody else may have written: https only, but for a
// literal loopback address when the reference gives a reason (threat 12).
#pragma once

#include "secrets/attributes.h"
#include "secrets/inquiry.h"
#include "secrets/web.h"

#include <string>
#include <string_view>

namespace sallyport::secrets::gcp {

/// Attributes of all references that need a Google identity.
inline constexpr auto identity_attributes =
    std::to_array<Attribute>({{"endpoint", Effect::names_receiver},
                              {"insecure_reason", Effect::weakens},
                              {"allow_world_readable", Effect::weakens}});

struct Context {
  std::string where;            ///< for errors: "gcp-sm:projects/p/secrets/s"
  std::string insecure_reason;  ///< of the reference; plain http to loopback needs one
  bool allow_world_readable = false;
};

/// An error of this source.
Error fault(const Context& context, ErrorCode code, std::string what, std::string hint = {});

/// Somebody else's error (a file, a program, the transport) as one of this source; `doing` says what was tried.
Error moved(const Context& context, Error error, std::string_view doing);

/// A request to `url`, checked. `named_by` says where the address stands: "token_uri of /key.json".
/// Asks for CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE.
/// Errors  bad_config: no address, one with a user or a query of its own, or plain http that is not allowed.
Result<HttpRequest> request_to(Inquiry& ask, const Context& context, std::string_view method,
                               std::string_view url, const std::string& named_by);

/// A copy with everything in it: ask_web() makes a request for each try.
HttpRequest copy_of(const HttpRequest& request);

HttpHeader bearer(const Secret& token);

/// 408, 429, 500, 502, 503 and 504, three tries, as google-auth.
RetryRule retry_rule();

/// A label of a domain name and dots: "googleapis.com".
bool is_domain(std::string_view text);

/// A project's name or number, "example.com:project" too: it stands in URLs, so no `..`, and each part begins with a letter or
/// a digit.
bool is_project(std::string_view text);

/// "the status 403 (PERMISSION_DENIED, SERVICE_DISABLED)": what may be shown of an error reply.
std::string status_text(const WebReply& reply);

/// error.status ("NOT_FOUND") and error.details[].reason ("SERVICE_DISABLED") of Google's APIs; for OAuth, `error`.
std::string status_code_of(const WebReply& reply);
std::string reason_of(const WebReply& reply);

/// What to do by the status alone: 401 and 403 denied, 404 not_found, 408, 429 and 5xx retry_later, else peer_misbehaved.
ErrorCode code_of_status(int status);

/// "; the server's clock is 10 min ahead of ours", when it is more than a minute.
std::string clock_note(const WebReply& reply);

}  // namespace sallyport::secrets::gcp
