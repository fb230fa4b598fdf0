// The middle part of a JSON web token: read for people (whoami, errors) and for the one name that is certain.
#include "crypto/hash.h"
#include "secrets/azure/token.h"

#include <algorithm>

namespace sallyport::secrets::azure {

namespace {

constexpr std::size_t claim_bytes_max = 512;

/// base64url without padding, as base64.
std::string as_base64(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

/// A claim that may be shown; else empty.
std::string shown(JsonView claim) {
  const auto text = claim.text();
  const bool plain = std::all_of(text.begin(), text.end(),
                                 [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  return plain && text.size() <= claim_bytes_max ? std::string{text} : std::string{};
}

}  // namespace

Claims claims_of(const Secret& token) {
  Claims out;
  const auto text = token.reveal();
  const auto first = text.find('.');
  const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos || text.size() > token_bytes_max) return out;
  const auto bytes = crypto::base64_decode(as_base64(text.substr(first + 1, second - first - 1)));
  if (!bytes) return out;
  const auto json = Json::parse(as_text(*bytes), "claims");
  if (!json) return out;
  const auto root = json->root();
  for (const auto* name : {"upn", "unique_name", "preferred_username"}) {
    if (out.user.empty()) out.user = shown(root[name]);
  }
  out.application_id = shown(root["appid"]);
  if (out.application_id.empty()) out.application_id = shown(root["azp"]);
  out.application_name = shown(root["app_displayname"]);
  out.resource_id = shown(root["xms_mirid"]);
  out.tenant = shown(root["tid"]);
  out.is_application = root["idtyp"].text() == "app" || out.user.empty();
  if (const auto seconds = root["exp"].integer(); seconds && *seconds > 0 && *seconds < 1LL << 33)
    out.expires = WallTime{std::chrono::seconds{*seconds}};
  return out;
}

}  // namespace sallyport::secrets::azure
