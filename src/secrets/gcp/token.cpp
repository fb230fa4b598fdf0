#include "secrets/gcp/token.h"

#include "base/limits.h"
#include "crypto/hash.h"
#include "secrets/gcp/metadata.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::size_t token_bytes_max = 32'768;
constexpr int sources_depth_max = 2;

/// Google's own margin (google/auth/_helpers.py: REFRESH_THRESHOLD).
constexpr Duration refresh_early = std::chrono::seconds{225};

/// Who gives no time at all gets asked again soon.
constexpr std::int64_t life_unknown_s = 300;
constexpr std::int64_t life_max_s = 43'200;

/// A token is not used in its last seconds; after a failure nobody is asked for so long.
constexpr Duration use_margin = std::chrono::seconds{5};
constexpr Duration failure_pause = std::chrono::seconds{20};

Result<AccessToken> token_of_account(Inquiry& ask, const Context& context, const Account& account,
                                     std::string_view scope) {
  if (!account.file) return metadata_token(ask, context, account.metadata_root, scope);
  return token_from_file(ask, {context, account.file->root(), account.path}, scope);
}

}  // namespace

Result<AccessToken> checked_token(const Context& context, std::string_view value, WallTime expires,
                                  Moment received, const std::string& who) {
  const bool plain = std::ranges::all_of(value, [](char c) { return c > ' ' && c < 0x7f; });
  if (value.empty() || value.size() > token_bytes_max || !plain) {
    return fault(context, ErrorCode::invalid_message, who + ": the reply has no access token that is one");
  }
  if (expires <= received.wall) {
    return fault(context, ErrorCode::denied, who + ": the token that it gave has expired already",
                 "Set this machine's clock");
  }
  return AccessToken{Secret::copy_of(value), expires};
}

Result<AccessToken> token_of(const Context& context, const WebReply& reply, const std::string& who) {
  if (!reply.success()) {
    const auto code = reply.status == 400 ? ErrorCode::denied : code_of_status(reply.status);
    return fault(context, code, who + ": " + status_text(reply) + clock_note(reply));
  }
  if (!reply.root().is_object())
    return fault(context, ErrorCode::invalid_message, who + ": the reply is no JSON object");
  const auto life = reply.root()["expires_in"];
  const auto seconds = life.present() ? life.integer() : std::optional{life_unknown_s};
  if (!seconds)
    return fault(context, ErrorCode::invalid_message, who + ": expires_in in the reply is no number");
  const auto expires =
      reply.received.wall + std::chrono::seconds{std::clamp<std::int64_t>(*seconds, 0, life_max_s)};
  return checked_token(context, reply.root()["access_token"].text(), expires, reply.received, who);
}

Result<WebReply> post_form(Inquiry& ask, const Context& context, const FormPost& post) {
  auto request = request_to(ask, context, "POST", post.url, post.named_by);
  if (!request) return std::move(request).error();
  request->headers.push_back(web_header("Content-Type", "application/x-www-form-urlencoded"));
  request->headers.push_back(web_header("Accept", "application/json"));
  request->client_certificate = post.client_certificate;
  request->client_key = post.client_key.clone();
  if (!post.client_id.empty()) {
    const auto pair = joined({post.client_id, ":", post.client_secret});
    auto encoded = crypto::base64_encode(as_bytes(pair.reveal()));
    request->headers.push_back({"Authorization", joined({"Basic ", encoded})});
    wipe_memory(encoded.data(), encoded.size());
  }
  if (auto tried = post.body(ask.now()); !tried) return std::move(tried).error();
  const auto make = [&](Moment now) {
    auto one = copy_of(*request);
    if (auto body = post.body(now)) one.body = std::move(*body);
    return one;
  };
  auto rule = retry_rule();
  rule.also = [](const WebReply& reply) {
    const auto code = status_code_of(reply);
    return code == "internal_failure" || code == "server_error" || code == "temporarily_unavailable";
  };
  return ask_web(ask, make, rule, context.where);
}

Result<AccessToken> token_from_file(Inquiry& ask, const Origin& origin, std::string_view scope) {
  const auto kind = kind_of(origin.file);
  if (!kind || origin.depth > sources_depth_max) {
    return fault(origin.context, ErrorCode::bad_config,
                 "source_credentials of " + origin.path + " have no type that is supported",
                 "It is one of service_account, authorized_user, external_account and "
                 "external_account_authorized_user");
  }
  switch (*kind) {
    case AccountKind::service_account: return service_account_token(ask, origin, scope);
    case AccountKind::authorized_user: return authorized_user_token(ask, origin, scope);
    case AccountKind::external_account: return external_account_token(ask, origin, scope);
    case AccountKind::external_account_authorized_user: return external_user_token(ask, origin);
    case AccountKind::impersonated_service_account: return impersonated_token(ask, origin, scope);
  }
  return fault(origin.context, ErrorCode::internal, "a type without a way");
}

TokenCache::TokenCache(std::string_view scope)
    : scope_(scope), window_({refresh_early, 6, {}, 6, use_margin, failure_pause}) {}

Result<Then> TokenCache::refresh(Inquiry& ask, const Context& context) {
  const auto now = ask.now().wall;
  if (!window_.due(now)) return Then::next_step;
  std::vector<Tried> tried;
  auto account = find_account(ask, context, tried);
  auto identity = account ? identity_of(ask, context, *account) : Result<Identity>{account.error()};
  auto made =
      identity ? token_of_account(ask, context, *account, scope_) : Result<AccessToken>{identity.error()};
  if (!made) {
    if (!window_.valid(ask.now().wall)) return std::move(made).error();
    window_.failed(ask);
    return Then::next_step;
  }
  window_.begin(ask, made->expires);
  token_ = std::move(*made);
  identity_ = std::move(*identity);
  return Then::next_step;
}

}  // namespace sallyport::secrets::gcp
