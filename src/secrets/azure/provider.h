// A provider of the chain: a function that gives a token, or nothing and says why, or fails because it is configured and
// cannot.
#pragma once

#include "secrets/azure/chain.h"
#include "secrets/form_writer.h"

#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::azure {

using Offer = Result<std::optional<Token>>;

/// Nothing here: the chain goes on.
Offer nothing(Search& search, std::string_view provider, std::string reason);

/// An error of this provider: it ends the search. `where` is the reference's, the text begins with the provider's name.
Error failed(const Settings& settings, Search& search, std::string_view provider, Error error);
Error failed(const Settings& settings, Search& search, std::string_view provider, ErrorCode code,
             std::string what, std::string hint = {});

/// With its giver, and when a managed identity's long life is at half.
Token named(Token token, Provider provider, std::string name, std::string origin);

/// What proves who we are: fields of the token request. `theirs`: the time on Entra's clock; `tried`: 0 the first time.
using Proof = std::function<Result<void>(FormWriter& form, WallTime theirs, int tried)>;

/// POST to the authority's token endpoint, retried as §4 says; once more with Entra's own clock where ours is wrong.
Offer entra_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                  Provider provider, const std::string& name, const Proof& proof);

/// The token endpoint: also an assertion's audience.
std::string token_url(const Settings& settings);

/// What Entra means by a refusal, by its AADSTS number.
Error meaning_of(const WebReply& reply, const Settings& settings);

/// A signed statement that we are the client (RFC 7523): PEM with the private key and the certificate.
/// Errors  invalid_message: either is not in it, or the key is encrypted or too small.
Result<Secret> client_assertion(const Secret& pem, const Settings& settings, WallTime theirs, Bytes random);

Offer environment_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search);
Offer workload_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search);
Offer cli_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search);

/// Asks the one that is there: App Service, Arc, Cloud Shell, else the virtual machine's.
Offer managed_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search);
Offer app_service_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                        const std::string& address, const Secret& header);
Offer arc_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                const std::string& address);
Offer cloud_shell_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search,
                        const std::string& address, const Secret* secret);
Offer imds_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search);

/// "&client_id=…" for the identity that was chosen; nothing for the machine's own.
std::string selector(const Settings& settings, std::string_view resource_id_name);

/// The token out of the reply of a managed identity's service.
Offer managed_reply(Inquiry& ask, const WebReply& reply, const Settings& settings, Search& search,
                    const std::string& name, const std::string& origin);

/// May a token be asked of this address? It is in the environment, and what answers is believed (threat 12).
/// Errors  bad_config.
Result<void> check_agent(const std::string& address, const std::string& variable);

/// Percent-encoded for a query.
std::string in_query(std::string_view text);

}  // namespace sallyport::secrets::azure
