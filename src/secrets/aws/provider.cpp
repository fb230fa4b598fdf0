#include "secrets/aws/provider.h"

#include "secrets/time_text.h"
#include "secrets/web.h"

#include <algorithm>

namespace sallyport::secrets::aws {

namespace {

constexpr std::size_t access_key_id_bytes_max = 128;
constexpr std::size_t secret_key_bytes_max = 1024;
constexpr std::size_t session_token_bytes_max = 32'768;

/// What an HTTP header may hold without anybody reading it otherwise.
bool is_visible(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return c > 0x20 && c < 0x7F; });
}

}  // namespace

Offer nothing(Search& search, std::string provider, std::string reason) {
  search.tried.push_back({std::move(provider), std::move(reason)});
  return std::optional<Keys>{};
}

Error failed(const Settings& settings, const std::string& provider, Error error) {
  if (!error.what.starts_with(provider)) error.what = provider + ": " + error.what;
  error.where = settings.where;
  error.hop = Hop::secret_source;
  return error;
}

Error failed(const Settings& settings, const std::string& provider, ErrorCode code, std::string what,
             std::string hint) {
  return {code, Hop::secret_source, settings.where, provider + ": " + std::move(what), std::move(hint), {}};
}

Duration told_skew(const WebReply& reply, Duration known) {
  constexpr Duration skew_min = std::chrono::seconds{30};
  const auto skew = skew_of(reply);
  if (!skew) return known;
  return *skew > skew_min || *skew < -skew_min ? *skew : Duration::zero();
}

Result<Keys> checked_keys(Keys keys, Moment now, const Settings& settings, const std::string& provider) {
  const auto wrong = [&](const char* what) {
    return failed(settings, provider, ErrorCode::invalid_message, what,
                  "Check what it is configured with; values are not shown");
  };
  if (keys.access_key_id.empty() || keys.access_key_id.size() > access_key_id_bytes_max ||
      !is_visible(keys.access_key_id))
    return wrong("an access key id that is none");
  if (keys.secret_access_key.empty() || keys.secret_access_key.size() > secret_key_bytes_max)
    return wrong("a secret access key that is empty or too long");
  if (keys.session_token.size() > session_token_bytes_max || !is_visible(keys.session_token.reveal()))
    return wrong("a session token that is too long or holds spaces or control characters");
  keys.provider = provider;
  if (keys.expires && *keys.expires <= now.wall) {
    return failed(settings, provider, ErrorCode::denied, "the keys expired at " + format_utc(*keys.expires),
                  "Have new ones made; if they are new, correct this machine's clock");
  }
  return keys;
}

Result<Keys> keys_of(JsonView object, const KeyNames& names, Moment now, const Settings& settings,
                     const std::string& provider) {
  std::string missing;
  const auto need = [&](std::string_view name, bool needed) {
    const auto text = object[name].text();
    if (text.empty() && needed) missing += (missing.empty() ? "" : ", ") + std::string{name};
    return text;
  };
  Keys keys;
  keys.access_key_id = need(names.access_key_id, true);
  keys.secret_access_key = Secret::copy_of(need(names.secret_access_key, true));
  keys.session_token = Secret::copy_of(need(names.session_token, names.all_needed));
  const auto expiration = need(names.expiration, names.all_needed);
  if (!missing.empty()) {
    std::string has;
    for (const auto key : object.keys()) {
      if (has.size() < 200) has += (has.empty() ? "" : ", ") + shown_code(key);
    }
    return failed(settings, provider, ErrorCode::invalid_message,
                  "the answer lacks " + missing + "; it has " + (has.empty() ? "no fields" : has));
  }
  if (!expiration.empty()) {
    keys.expires = parse_iso_time(expiration);
    if (!keys.expires) {
      return failed(settings, provider, ErrorCode::invalid_message,
                    std::string{names.expiration} + " is no time such as 2026-01-02T03:04:05Z");
    }
  }
  return checked_keys(std::move(keys), now, settings, provider);
}

}  // namespace sallyport::secrets::aws
