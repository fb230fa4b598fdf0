#include "secrets/vault/call.h"

#include "base/limits.h"

#include <charconv>
#include <utility>

namespace sallyport::secrets::vault {

namespace {

constexpr std::string_view api = "/v1/";

std::string_view header(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return {};
}

/// Seconds only: Vault sends no dates.
std::optional<Duration> retry_after(const HttpReply& reply) {
  const auto text = header(reply, "retry-after");
  unsigned seconds = 0;
  const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
  if (text.empty() || error != std::errc{} || stop != text.data() + text.size()) return std::nullopt;
  return std::chrono::seconds{seconds};
}

bool is_sealed(const Json& json) {
  for (const auto& error : json.root()["errors"].elements()) {
    if (error.text().find("sealed") != std::string_view::npos) return true;
  }
  return false;
}

HttpHeader plain_header(std::string_view name, std::string_view value) {
  return {std::string{name}, Secret::copy_of(value)};
}

/// The HTTP client's own mark (net/http.h) on an error behind which nothing was sent.
bool was_not_sent(const Error& error) { return error.where.ends_with(", not sent") || error.hop == Hop::dns; }

}  // namespace

Result<Action> Call::start(const State& state, Request request, Moment now) {
  request_ = std::move(request);
  address_ = state.address;
  retries_ = 0;
  redirected_ = false;
  return send(state, now);
}

Result<Action> Call::send(const State& state, Moment now) {
  sent_ = now.wall;
  HttpRequest http;
  http.method = request_.method;
  http.url = to_string(address_) + std::string{api} + request_.path;
  http.headers.push_back(plain_header("X-Vault-Request", "true"));
  if (!state.name_space.empty()) http.headers.push_back(plain_header("X-Vault-Namespace", state.name_space));
  if (request_.token != nullptr) http.headers.push_back({"X-Vault-Token", request_.token->clone()});
  if (!request_.body.empty()) {
    http.headers.push_back(plain_header("Content-Type", "application/json"));
    http.body = request_.body.clone();
  }
  http.ca_file = state.ca_file;
  http.client_certificate = state.client_certificate;
  if (!state.client_key.empty()) http.client_key = state.client_key.clone();
  http.plain_http_allowed = !address_.https;  // setup.cpp let no other http address through
  http.deadline = limits::http_deadline;
  return Action{std::move(http)};
}

Result<Step<Reply>> Call::resume(const State& state, Input input) {
  if (std::holds_alternative<Woken>(input.event) && std::exchange(waits_, false)) {
    auto action = send(state, input.now);
    if (!action) return std::move(action).error();
    return Step<Reply>{std::move(*action)};
  }
  if (auto* reply = std::get_if<HttpReply>(&input.event))
    return on_reply(state, std::move(*reply), input.now);
  if (auto* failure = std::get_if<ActionFailed>(&input.event)) {
    return on_failure(state, std::move(failure->error), input.now);
  }
  return Error{ErrorCode::internal,
               Hop::secret_source,
               state.where(),
               "the driver answered what was not asked",
               {},
               {}};
}

Duration Call::jittered_second() const {
  const auto at = static_cast<std::size_t>(retries_) * 2 % (random_.size() - 1);
  const unsigned random = random_[at] * 256U + random_[at + 1];
  return std::chrono::milliseconds{1000 + random % 500};
}

/// A wait, unless there have been enough or the server wants more patience than a fetch has.
std::optional<Action> Call::retry(std::optional<Duration> wanted, Moment now) {
  if (request_.repeat == Request::Repeat::never || retries_ >= retries_max) return std::nullopt;
  if (wanted && *wanted > retry_after_max) return std::nullopt;
  const Duration wait = std::max(wanted.value_or(Duration::zero()), jittered_second() * (retries_ + 1));
  ++retries_;
  waits_ = true;
  return Action{WaitUntil{now.mono + std::chrono::duration_cast<MonotonicTime::duration>(wait)}};
}

Result<Step<Reply>> Call::on_failure(const State& state, Error error, Moment now) {
  const bool passing = error.code == ErrorCode::retry_later || error.code == ErrorCode::timed_out ||
                       error.code == ErrorCode::peer_misbehaved;
  const bool not_sent = was_not_sent(error);
  const bool lost =
      passing || error.code == ErrorCode::invalid_message || error.code == ErrorCode::limit_exceeded;
  if (passing && (request_.repeat == Request::Repeat::always || not_sent)) {
    if (auto wait = retry(std::nullopt, now)) return Step<Reply>{std::move(*wait)};
  }
  error.what = to_string(address_) + ": " + error.what;
  error.hop = Hop::secret_source;
  error.where = state.where();
  if (request_.repeat == Request::Repeat::only_if_not_executed && lost && !not_sent) {
    // The caller may ask again, later and knowing this.
    error.code = ErrorCode::retry_later;
    error.what +=
        "; the reply was lost, so the database may have a user that nobody uses: it ends with its lease, "
        "after the role's default_ttl";
  }
  return error;
}

Result<Step<Reply>> Call::on_redirect(const State& state, const HttpReply& reply, Moment now) {
  const auto location = header(reply, "location");
  const auto path_at = location.find(api);
  const auto wrong = [&](std::string what) {
    return Error{ErrorCode::peer_misbehaved,
                 Hop::secret_source,
                 state.where(),
                 to_string(address_) + " redirects " + std::move(what),
                 "Set VAULT_ADDR to the active node, or name the other nodes: redirect_to=https://node2:8200",
                 {}};
  };
  if (redirected_) return wrong("a second time");
  if (reply.status != 307 && reply.status != 308) return wrong("with status " + std::to_string(reply.status));
  if (path_at == std::string_view::npos) return wrong("to no address of a Vault");
  auto target = parse_address(location.substr(0, path_at), "Location");
  if (!target) return wrong("to no address of a Vault");
  if (!target->https || !address_.https) return wrong("over plain http, to " + to_string(*target));
  if (location.substr(path_at + api.size()) != request_.path)
    return wrong("to another path, at " + to_string(*target));
  const auto& allowed = state.options.redirect_to;
  // Another port of the same machine may be another one's process.
  if (*target != address_ && std::find(allowed.begin(), allowed.end(), *target) == allowed.end()) {
    return wrong("to " + to_string(*target) + ", which is not among the addresses that may get the token");
  }
  redirected_ = true;
  address_ = std::move(*target);
  auto action = send(state, now);
  if (!action) return std::move(action).error();
  return Step<Reply>{std::move(*action)};
}

Result<Step<Reply>> Call::on_reply(const State& state, HttpReply http, Moment now) {
  if (http.body.size() > limits::secret_reply_bytes_max) {
    return Error{
        ErrorCode::limit_exceeded, Hop::secret_source, state.where(), "a reply longer than 1 MiB", {}, {}};
  }
  if (http.status >= 300 && http.status < 400) return on_redirect(state, http, now);
  Reply reply;
  reply.status = http.status;
  reply.sent = sent_;
  if (!http.body.empty()) {
    auto json = Json::parse(http.body.reveal(), state.where());
    if (json) {
      reply.json.emplace(std::move(*json));
    } else if (reply.success() || json.error().code == ErrorCode::limit_exceeded) {
      auto error = std::move(json).error();
      error.what = to_string(address_) + " answered " + error.what;
      error.hint = "Check that VAULT_ADDR is the address of a Vault or OpenBao";
      return error;
    } else if (http.body.reveal().find("HTTP request to an HTTPS server") != std::string_view::npos) {
      reply.plain_text_hint = "http to https";
    }
  }
  const bool refused = http.status == 412 || http.status == 429 || http.status == 503;
  const bool retried = refused || (http.status >= 500 && request_.repeat == Request::Repeat::always);
  if (retried && !(reply.json && is_sealed(*reply.json))) {
    if (auto wait = retry(retry_after(http), now)) return Step<Reply>{std::move(*wait)};
  }
  return Step<Reply>{std::move(reply)};
}

}  // namespace sallyport::secrets::vault
