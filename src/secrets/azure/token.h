// An access token of Entra ID, and what the replies that bring one look like.
//
// Services and `az` write the end of its life in many ways: a number, a string of digits, a date; counted from now or from
// 1970. What is counted from now is believed first, because it needs no clock but ours; a point in time is corrected by
// the difference to the service's clock.
#pragma once

#include "base/clock.h"
#include "base/secret.h"
#include "secrets/azure/settings.h"
#include "secrets/json.h"
#include "secrets/web.h"

#include <optional>
#include <string>
#include <string_view>

namespace sallyport::secrets::azure {

struct Token {
  Secret value;
  WallTime received;
  WallTime expires;  ///< on our clock
  std::optional<WallTime>
      refresh_at;  ///< when its giver wants to be asked again: refresh_in, or half of a long life
  Provider provider = Provider::environment;
  std::string provider_name;  ///< "environment (client secret)", "managed identity (IMDS)"
  std::string origin;         ///< who gave it, for people: "https://login.microsoftonline.com"
};

/// What is inside a token, as far as it is there; all of it can be shown. The signature is not looked at: whoever gets
/// the token does that.
struct Claims {
  std::string user;  ///< upn, else unique_name, else preferred_username: a person's name in databases
  std::string application_id;    ///< appid or azp
  std::string application_name;  ///< app_displayname; rarely there
  std::string resource_id;       ///< xms_mirid: of a managed identity
  std::string tenant;            ///< tid
  bool is_application = true;    ///< idtyp=app, or no person in it
  std::optional<WallTime> expires;
};

Claims claims_of(const Secret& token);

/// A token's size; Entra's have some 2 kB, and up to 7 kB where groups are listed.
inline constexpr std::size_t token_bytes_max = 32'768;

/// A managed identity's token with a longer life than this is replaced at half of it.
inline constexpr auto long_life = std::chrono::hours{2};

enum class ExpiryFrom { relative, absolute };

/// A token out of a reply's JSON object: `access_token` (or `name`), its type and its life.
///
/// `first` says which of expires_in and expires_on is believed where both are there. `skew`: their clock minus ours.
/// Errors  invalid_message: no token, no life, or a strange type; names the fields that are there. denied: expired.
///         `where` and the provider's name are the caller's to add.
Result<Token> token_of(JsonView object, std::string_view name, ExpiryFrom first, Moment now, Duration skew);

/// "2026-01-02T03:04:05Z", "01/02/2026 03:04:05 +00:00", "1/2/2026 3:04:05 PM +00:00", 1767323045, "1767323045".
std::optional<WallTime> parse_expiry(JsonView field);

/// Their clock minus ours, where that is more than the network's delay; a strange one is none.
Duration counted_skew(const WebReply& reply);

}  // namespace sallyport::secrets::azure
