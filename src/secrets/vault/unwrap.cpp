// Response wrapping, from the receiving end (Vault's documentation, "Response wrapping token validation"): first the
// lookup, which does not use the token up and says where it was made; then the one unwrapping.
#include "secrets/json_writer.h"
#include "secrets/vault/login.h"
#include "secrets/vault/meaning.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

namespace {

constexpr std::string_view lookup_path = "sys/wrapping/lookup";
constexpr std::string_view unwrap_path = "sys/wrapping/unwrap";

constexpr std::string_view alarm_hint =
    "Somebody may have the secret id: destroy it (vault write "
    "auth/MOUNT/role/ROLE/secret-id-accessor/destroy), find out "
    "who had the wrapping token, and wrap a new one: vault write -wrap-ttl=5m -f "
    "auth/MOUNT/role/ROLE/secret-id";

/// A failed unwrapping is told twice: to whoever waits for the login, and to the trail.
Error alarm(State& state, std::string what) {
  auto error = wrong_at(ErrorCode::denied, state, std::move(what), std::string{alarm_hint});
  state.events.push_back({SourceEvent::Kind::unwrap_failed, describe(error)});
  return error;
}

Result<Reply> look_at(Inquiry& ask, const State& state, const Secret& token) {
  JsonWriter body;
  body.text("token", token.reveal());
  Request request;
  request.method = "POST";
  request.path = lookup_path;
  request.body = body.finish();
  return ask_vault(ask, state, std::move(request));
}

/// The wrapping token is the client token here, and in no body: both would count as two uses.
Result<Reply> open(Inquiry& ask, const State& state, const Secret& token) {
  Request request;
  request.method = "POST";
  request.path = unwrap_path;
  request.token = &token;
  request.repeat = Request::Repeat::never;
  return ask_vault(ask, state, std::move(request));
}

/// "auth/approle/role/ROLE/secret-id", of any role where the reference names none.
bool is_place_of_secret_ids(const Options& options, std::string_view path) {
  const auto prefix = "auth/" + options.mount_name() + "/role/";
  constexpr std::string_view suffix = "/secret-id";
  if (!path.starts_with(prefix) || !path.ends_with(suffix) || path.size() <= prefix.size() + suffix.size()) {
    return false;
  }
  const auto role = path.substr(prefix.size(), path.size() - prefix.size() - suffix.size());
  return options.role.empty() ? role.find('/') == std::string_view::npos : role == options.role;
}

/// Of a path that somebody else chose, what may be shown.
std::string shown_path(std::string_view path) {
  return is_plain_path(path) && path.size() <= 200 ? "\"" + std::string{path} + "\"" : "an unusual path";
}

bool is_refusal(const Reply& reply) {
  return reply.status == 400 || reply.status == 403 || reply.status == 404;
}

}  // namespace

Result<Secret> unwrap_secret_id(Inquiry& ask, State& state, const Secret& wrapping_token) {
  const bool doubtful = !state.doubtful_wrapping.empty() && state.doubtful_wrapping.equals(wrapping_token);
  auto looked = look_at(ask, state, wrapping_token);
  if (!looked) return std::move(looked).error();
  if (is_refusal(*looked)) {
    return alarm(
        state,
        std::string{"the wrapping token of the secret id is not valid (any more): it was opened before, or "
                    "has expired"} +
            (doubtful ? " (perhaps by ourselves: an answer was lost before)" : ""));
  }
  if (!looked->success()) return meaning_of(state, *looked, lookup_path, "update");
  const auto made_at = looked->root()["data"]["creation_path"].text();
  if (!is_place_of_secret_ids(state.options, made_at)) {
    const auto role = state.options.role.empty() ? std::string{"ROLE"} : state.options.role;
    return alarm(state, "the wrapping token was made at " + shown_path(made_at) + ", expected \"auth/" +
                            state.options.mount_name() + "/role/" + role + "/secret-id\": it is not opened");
  }
  auto opened = open(ask, state, wrapping_token);
  if (!opened) {
    auto error = std::move(opened).error();
    state.doubtful_wrapping = wrapping_token.clone();
    error.what += "; whether the secret id's wrapping was opened is not known: if so, wrap a new one";
    return error;
  }
  if (is_refusal(*opened)) {
    return alarm(state, "the wrapping token of the secret id was opened by somebody else in this moment");
  }
  if (!opened->success()) return meaning_of(state, *opened, unwrap_path, "update");
  auto secret_id = trimmed_token(Secret::copy_of(opened->root()["data"]["secret_id"].text()));
  if (!secret_id) return alarm(state, "there is no secret id in the wrapping");
  return std::move(*secret_id);
}

}  // namespace sallyport::secrets::vault
