#include "secrets/vault/lease.h"

#include "secrets/json_writer.h"
#include "secrets/revocable.h"
#include "secrets/vault/token.h"

namespace sallyport::secrets::vault {

namespace {

constexpr std::string_view renew_path = "sys/leases/renew";
constexpr std::string_view revoke_path = "sys/leases/revoke";

Error refused(const State& state, std::string what, std::string hint) {
  return {ErrorCode::denied, Hop::secret_source, state.where(), std::move(what), std::move(hint), {}};
}

/// Nobody hands us another's lease by way of a journal.
bool is_of_this_role(const State& state, const Lease& lease) {
  return revocable(lease) && lease.mount_and_role == state.options.path;
}

bool is_of_this_place(const State& state, const Lease& lease) {
  return lease.address == to_string(state.address) && lease.name_space == state.name_space;
}

Error foreign(const State& state) {
  return refused(state, "this lease is not one of this role, address and namespace",
                 "Revoke it by hand if it is yours");
}

}  // namespace

std::optional<Result<Action>> Renew::refuse_early() {
  if (is_of_this_role(state_, lease_)) return std::nullopt;
  return Result<Action>{foreign(state_)};
}

Result<Action> Renew::begin(Moment now) {
  if (!is_of_this_place(state_, lease_)) return foreign(state_);
  JsonWriter body;
  body.text("lease_id", lease_.id);
  // Without an increment Vault takes the role's default; asking for what is left would shrink it each time.
  const auto granted = state_.granted.find(lease_.id);
  if (granted != state_.granted.end()) {
    body.number("increment", std::chrono::duration_cast<std::chrono::seconds>(granted->second).count());
  }
  return post(renew_path, body.finish(), now);
}

Result<Action> Renew::on_reply(Reply reply, Moment) {
  if (!reply.success()) {
    auto error = meaning_of(state_, reply, renew_path, "update");
    if (error.code == ErrorCode::not_found) state_.granted.erase(lease_.id);
    // A request that is malformed to this server will not be understood later either.
    if (reply.status == 400 && error.code == ErrorCode::bad_config) error.code = ErrorCode::denied;
    return error;
  }
  const auto root = reply.root();
  const auto duration = granted_duration(root["lease_duration"]);
  if (root["lease_id"].text() != lease_.id || duration == Duration::zero()) {
    return Error{ErrorCode::peer_misbehaved,
                 Hop::secret_source,
                 state_.where(),
                 "Vault's answer to the renewal is about another lease, or gives no time",
                 {},
                 {}};
  }
  lease_.duration = duration;
  lease_.renewable = root["renewable"].boolean().value_or(false);
  return Action{Done{}};
}

std::optional<Result<Action>> Revoke::refuse_early() {
  if (!is_of_this_role(state_, lease_)) return Result<Action>{foreign(state_)};
  const bool ours = state_.token && state_.token->ours() && lease_.accessor == state_.token->accessor;
  if (ours && state_.may_revoke == false) {
    return Result<Action>{
        refused(state_, "the policies do not allow us to revoke single leases; this one ends with our token",
                "To end it sooner, add: " + policy_lines(revoke_path, "update"))};
  }
  return std::nullopt;
}

Result<Action> Revoke::begin(Moment now) {
  if (!is_of_this_place(state_, lease_)) return foreign(state_);
  JsonWriter body;
  body.text("lease_id", lease_.id);
  body.flag("sync", true);  // queued only, a failure would be silent (threat 10)
  return post(revoke_path, body.finish(), now);
}

Result<Action> Revoke::on_reply(Reply reply, Moment) {
  if (!reply.success()) {
    auto error = meaning_of(state_, reply, revoke_path, "update");
    if (error.code != ErrorCode::not_found || reply.status == 404) {
      if (reply.status == 403) state_.may_revoke = false;
      return error;
    }
  }
  state_.granted.erase(lease_.id);
  return Action{Done{}};
}

}  // namespace sallyport::secrets::vault
