#include "secrets/kubernetes/account.h"

#include "crypto/hash.h"
#include "secrets/json.h"
#include "secrets/kubernetes/options.h"

#include <algorithm>

namespace sallyport::secrets::kubernetes {

namespace {

constexpr std::string_view account_prefix = "system:serviceaccount:";
constexpr std::size_t subject_bytes_max = 512;

std::string_view trimmed(std::string_view text) {
  const auto is_space = [](char c) { return c == ' ' || (c >= '\t' && c <= '\r'); };
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

/// base64url without padding, as base64.
std::string as_base64(std::string_view text) {
  std::string out{text};
  for (auto& c : out) c = c == '-' ? '+' : c == '_' ? '/' : c;
  while (out.size() % 4 != 0) out.push_back('=');
  return out;
}

}  // namespace

bool is_mounted_by_kubelet(std::string_view path) {
  return path.starts_with("/var/run/secrets/") || path.starts_with("/run/secrets/");
}

Result<Secret> read_web_token(Inquiry& ask, const std::string& path, const std::string& where) {
  auto content = ask.file({path, token_bytes_max, private_if(!is_mounted_by_kubelet(path))});
  if (!content) {
    auto error = std::move(content).error();
    error.hop = Hop::secret_source;
    error.where = where + " (" + path + ")";
    return error;
  }
  const auto word = trimmed((*content)->reveal());
  const bool plain = std::all_of(word.begin(), word.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (word.empty() || word.size() > token_bytes_max || !plain) {
    return Error{ErrorCode::bad_config,
                 Hop::secret_source,
                 where,
                 "no token in " + path,
                 "A token is one word of printable characters",
                 {}};
  }
  return Secret::copy_of(word);
}

Claims claims_of(const Secret& token) {
  Claims out;
  const auto text = token.reveal();
  const auto first = text.find('.');
  const auto second = first == std::string_view::npos ? first : text.find('.', first + 1);
  if (second == std::string_view::npos) return out;
  // The claims alone prove nothing: the signature behind them makes the token.
  auto bytes = crypto::base64_decode(as_base64(text.substr(first + 1, second - first - 1)));
  if (!bytes) return out;
  const auto json = Json::parse(as_text(*bytes), "claims");
  if (!json) return out;
  const auto subject = json->root()["sub"].text();
  const bool plain = std::all_of(subject.begin(), subject.end(), [](char c) { return c > 0x20 && c < 0x7F; });
  if (plain && subject.size() <= subject_bytes_max) out.subject = subject;
  if (const auto seconds = json->root()["exp"].integer(); seconds && *seconds > 0 && *seconds < 1LL << 33) {
    out.expires = WallTime{std::chrono::seconds{*seconds}};
  }
  if (!subject.starts_with(account_prefix)) return out;
  const auto rest = subject.substr(account_prefix.size());
  const auto colon = rest.find(':');
  if (colon == std::string_view::npos) return out;
  if (!is_label(rest.substr(0, colon)) || !is_subdomain(rest.substr(colon + 1))) return out;
  out.name_space = rest.substr(0, colon);
  out.account = rest.substr(colon + 1);
  return out;
}

}  // namespace sallyport::secrets::kubernetes
