#include "secrets/vault/engine/reading.h"

#include "dsn/percent.h"
#include "secrets/vault/engine/policy.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets::vault::engine {

namespace {

constexpr auto kinds = std::to_array<Kind>({Kind::connection, Kind::role, Kind::static_role});

/// Names that a list may have; the rest is not told.
constexpr std::size_t listed_max = 1'000;

std::string encoded(const std::string& path) { return dsn::percent_encode(path, "/"); }

}  // namespace

bool is_unmounted(const Reply& reply) {
  for (const auto& error : reply.root()["errors"].elements()) {
    if (error.text().find("no handler for route") != std::string_view::npos) return true;
  }
  return false;
}

std::string ReadPlan::path() const {
  switch (stage_) {
    case Stage::mount: return "sys/internal/ui/mounts/" + mount_;
    case Stage::object: return objects_[at_].path;
    case Stage::list: return folder_of(mount_, kinds[at_]);
    case Stage::done: break;
  }
  return {};
}

Result<Action> ReadPlan::begin(Moment now) {
  if (stage_ == Stage::object && at_ == objects_.size()) {
    stage_ = Stage::list;
    at_ = 0;
  }
  if (stage_ == Stage::list && (plan_.mount_missing || at_ == kinds.size())) stage_ = Stage::done;
  if (stage_ == Stage::done) return Action{Done{}};
  Request request;
  request.path = encoded(path()) + (stage_ == Stage::list ? "?list=true" : "");
  request.token = &state_.token->value;
  return call(std::move(request), now);
}

Result<Action> ReadPlan::on_reply(Reply reply, Moment now) {
  Result<void> read;
  if (stage_ == Stage::mount)
    read = on_mount(reply);
  else if (stage_ == Stage::object)
    read = on_object(reply);
  else
    on_list(reply);
  if (!read) return std::move(read).error();
  if (stage_ == Stage::mount)
    stage_ = Stage::object;
  else
    ++at_;
  return begin(now);
}

Error ReadPlan::refused(const Reply& reply, const std::string& path) const {
  auto error = meaning_of(state_, reply, path, "read");
  error.where = "vault:" + path;
  if (error.code == ErrorCode::denied) {
    error.hint = "If the token is valid, add to its policy:\n" + policy_for(mount_, objects_);
  }
  return error;
}

/// 403 says nothing yet: it is also what everybody gets where nothing is mounted.
Result<void> ReadPlan::on_mount(const Reply& reply) {
  if (reply.status == 403) return {};
  if (!reply.success()) return refused(reply, mount_);
  const auto data = reply.root()["data"];
  if (data["type"].text() != "database" || data["path"].text() != mount_ + "/") {
    auto error = wrong_at(ErrorCode::bad_config, state_, "another engine than database is mounted there",
                          "Write vault: {mount: …}; vault secrets list shows what is mounted where");
    error.where = "vault:" + mount_;
    return error;
  }
  mount_known_ = true;
  return {};
}

Result<void> ReadPlan::on_object(const Reply& reply) {
  const auto& object = objects_[at_];
  if (!mount_known_ && !plan_.mount_missing) {
    if (reply.status == 403) return refused(reply, object.path);
    if (!is_unmounted(reply)) {
      auto error = wrong_at(ErrorCode::denied, state_, "Vault does not tell which engine is mounted there",
                            "Add to the token's policy:\n" + policy_for(mount_, objects_));
      error.where = "vault:" + mount_;
      return error;
    }
    plan_.mount_missing = true;
  }
  if (reply.status != 404 && !reply.success()) return refused(reply, object.path);
  const auto data = reply.status == 404 ? JsonView{} : reply.root()["data"];
  if (reply.success() && !data.is_object()) {
    auto error = wrong_at(ErrorCode::peer_misbehaved, state_, "Vault's answer has no data", {});
    error.where = "vault:" + object.path;
    return error;
  }
  plan_.changes.push_back(compare(object, data));
  return {};
}

void ReadPlan::on_list(const Reply& reply) {
  const auto kind = kinds[at_];
  if (reply.status == 404) return;  // none
  if (!reply.success()) {
    const auto folder = folder_of(mount_, kind);
    plan_.unlisted.push_back(folder);
    return;
  }
  for (const auto& key : reply.root()["data"]["keys"].elements()) {
    if (plan_.unmanaged.size() >= listed_max) return;
    const auto name = std::string{key.text().substr(0, 256)};
    const bool ours = std::ranges::any_of(
        objects_, [&](const Object& object) { return object.kind == kind && object.name == name; });
    if (!ours) plan_.unmanaged.push_back(std::string{name_of(kind)} + " " + name);
  }
}

}  // namespace sallyport::secrets::vault::engine
