#include "secrets/vault/engine/applying.h"

#include "dsn/percent.h"
#include "secrets/json_writer.h"
#include "secrets/vault/engine/policy.h"

#include <algorithm>

namespace sallyport::secrets::vault::engine {

namespace {

std::string label_of(const Object& object) { return std::string{name_of(object.kind)} + " " + object.name; }

void write_field(JsonWriter& body, const Field& field) {
  if (const auto* text = std::get_if<std::string>(&field.wanted)) body.text(field.name, *text);
  if (const auto* number = std::get_if<std::int64_t>(&field.wanted)) body.number(field.name, *number);
  if (const auto* list = std::get_if<std::vector<std::string>>(&field.wanted)) body.list(field.name, *list);
}

bool allows(JsonView capabilities, std::string_view wanted) {
  for (const auto& capability : capabilities.elements()) {
    if (capability.text() == wanted || capability.text() == "root") return true;
  }
  return false;
}

const Difference* find_difference(const Change& change, std::string_view field) {
  const auto found = std::ranges::find(change.differences, field, &Difference::field);
  return found == change.differences.end() ? nullptr : &*found;
}

}  // namespace

std::vector<std::string> needs_password(const Plan& plan) {
  std::vector<std::string> out;
  for (const auto& change : plan.changes) {
    if (change.kind != Kind::connection || change.effect == Effect::keep) continue;
    if (change.effect == Effect::add || find_difference(change, "username") != nullptr)
      out.push_back(change.name);
  }
  return out;
}

ApplyPlan::ApplyPlan(State& state, Order order) : Exchange(state), order_(std::move(order)) {
  const auto& changes = order_.plan.changes;
  if (order_.plan.mount_missing) {
    Write mount{"engine " + order_.mount + "/", "sys/mounts/" + order_.mount, {}, {}, {}, false};
    mount.fields.push_back({"type", std::string{"database"}});
    writes_.push_back(std::move(mount));
  }
  for (std::size_t i = 0; i < changes.size(); ++i) {
    if (changes[i].effect != Effect::keep || order_.passwords.contains(changes[i].name))
      add_object(order_.objects[i], changes[i]);
  }
  for (std::size_t i = 0; i < changes.size(); ++i) add_disallowing(order_.objects[i], changes[i]);
  for (const auto& name : order_.rotate_root) {
    Write rotate{"root password of " + name, order_.mount + "/rotate-root/" + name, {}, {}, {}, false};
    rotate.repeat = Request::Repeat::never;
    writes_.push_back(std::move(rotate));
  }
}

void ApplyPlan::add_object(const Object& object, const Change& change) {
  if (change.effect == Effect::keep && object.kind != Kind::connection) return;
  Write write{label_of(object), object.path, object.fields, {}, {}, change.effect == Effect::add};
  if (object.kind == Kind::connection) {
    write.verify = object.verify;
    const auto password = order_.passwords.find(object.name);
    if (password != order_.passwords.end()) write.password = &password->second;
    for (auto& field : write.fields) {
      if (field.name != "allowed_roles") continue;
      field.wanted = allowed_meanwhile(change, std::get<std::vector<std::string>>(field.wanted));
    }
  }
  writes_.push_back(std::move(write));
}

void ApplyPlan::add_disallowing(const Object& object, const Change& change) {
  const auto* difference = find_difference(change, "allowed_roles");
  if (difference == nullptr || !difference->before) return;
  const auto& wanted = std::get<std::vector<std::string>>(difference->after);
  if (allowed_meanwhile(change, wanted).size() == wanted.size()) return;
  Write write{"allowed_roles of " + object.name,
              object.path,
              {*find_field(object, "allowed_roles")},
              {},
              object.verify,
              false};
  writes_.push_back(std::move(write));
}

Result<Action> ApplyPlan::begin(Moment now) {
  if (!capabilities_asked_ && !writes_.empty()) return ask_capabilities(now);
  if (at_ == writes_.size()) return Action{Done{}};
  const auto& write = writes_[at_];
  JsonWriter body;
  for (const auto& field : write.fields) write_field(body, field);
  if (write.password != nullptr) body.text("password", write.password->reveal());
  if (write.verify) body.flag("verify_connection", *write.verify);
  return post(dsn::percent_encode(write.path, "/"), body.finish(), now, write.repeat);
}

Result<Action> ApplyPlan::ask_capabilities(Moment now) {
  asking_ = true;
  std::vector<std::string> paths;
  paths.reserve(writes_.size());
  for (const auto& write : writes_) paths.push_back(write.path);
  JsonWriter body;
  body.list("paths", paths);
  return post("sys/capabilities-self", body.finish(), now, Request::Repeat::never);
}

/// A token that may not even ask shows at the first write what it may.
Result<void> ApplyPlan::on_capabilities(const Reply& reply) const {
  const auto data = reply.root()["data"];
  if (!reply.success() || !data.is_object()) return {};
  std::string lines;
  for (const auto& write : writes_) {
    const auto wanted = write.fresh ? "create" : "update";
    if (allows(data[write.path], wanted)) continue;
    lines += "\n  " + policy_line(write.path, {wanted});
  }
  if (lines.empty()) return {};
  auto error = wrong_at(ErrorCode::denied, state_,
                        "the token's policies do not allow all of these changes, so none was made",
                        "Add to its policy:" + lines);
  error.where = "vault:" + order_.mount;
  return error;
}

Result<Action> ApplyPlan::on_reply(Reply reply, Moment now) {
  if (std::exchange(asking_, false)) {
    capabilities_asked_ = true;
    if (auto allowed = on_capabilities(reply); !allowed) return std::move(allowed).error();
    return begin(now);
  }
  if (!reply.success()) return refused(reply);
  made_.push_back(writes_[at_].label);
  ++at_;
  return begin(now);
}

Result<Action> ApplyPlan::on_error(Error error) {
  if (std::exchange(asking_, false)) return error;
  if (at_ < writes_.size()) error.where = "vault:" + writes_[at_].path;
  return error;
}

Error ApplyPlan::refused(const Reply& reply) const {
  const auto& write = writes_[at_];
  auto error = meaning_of(state_, reply, write.path, write.fresh ? "create" : "update");
  error.where = "vault:" + write.path;
  if (write.verify && error.code == ErrorCode::retry_later && reply.status == 400)
    error.hint = "Check connection_url, username and auth of this connection: Vault tried to log in there";
  return error;
}

}  // namespace sallyport::secrets::vault::engine
