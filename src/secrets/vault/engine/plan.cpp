#include "secrets/vault/engine/plan.h"

#include "secrets/vault/engine/statements.h"

#include <algorithm>

namespace sallyport::secrets::vault::engine {

namespace {

/// Connection details stand one level deeper than the rest.
JsonView find(JsonView data, const std::string& name) {
  if (const auto value = data[name]; value.present()) return value;
  return data["connection_details"][name];
}

/// A URL is shown when its password is the template's, and no parameter names one.
bool url_may_hold_password(std::string_view text) {
  const auto at = text.find("{{username}}:{{password}}@");
  const auto before = text.substr(0, at);
  const bool plain =
      at != text.npos && (before.empty() || before == "postgresql://" || before == "postgres://");
  const auto rest = plain ? text.substr(at + std::string_view{"{{username}}:{{password}}@"}.size()) : text;
  return !plain || rest.find("password") != text.npos || rest.find("passfile") != text.npos ||
         rest.find("passwd") != text.npos || rest.find('@') != text.npos;
}

bool may_hold_password(const std::string& field, std::string_view text) {
  return field == "connection_url" ? url_may_hold_password(text) : sets_literal_password(text);
}

struct Existing {
  std::optional<Field::Value> value;
  bool hidden = false;
};

Existing text_of(const std::string& field, std::string_view text) {
  if (text.empty()) return {};
  if (may_hold_password(field, text)) return {{}, true};
  return {Field::Value{std::string{text}}};
}

Existing list_of(const std::string& field, JsonView value) {
  std::vector<std::string> out;
  for (const auto& element : value.elements()) {
    if (may_hold_password(field, element.text())) return {{}, true};
    out.emplace_back(element.text());
  }
  return {Field::Value{std::move(out)}};
}

Existing existing(const Field& field, JsonView value) {
  if (std::holds_alternative<std::int64_t>(field.wanted)) {
    const auto number = value.integer();
    return number ? Existing{Field::Value{*number}} : Existing{};
  }
  if (std::holds_alternative<std::string>(field.wanted)) return text_of(field.name, value.text());
  // Written through other tools a list of one is a text.
  if (!value.text().empty()) {
    auto one = text_of(field.name, value.text());
    if (one.value) one.value = std::vector<std::string>{std::get<std::string>(*one.value)};
    return one;
  }
  return list_of(field.name, value);
}

Field::Value sorted(Field::Value value) {
  if (auto* list = std::get_if<std::vector<std::string>>(&value)) std::ranges::sort(*list);
  return value;
}

bool equal(const Field& field, const Existing& seen) {
  if (seen.hidden) return false;
  if (!seen.value) {
    const auto* list = std::get_if<std::vector<std::string>>(&field.wanted);
    return list != nullptr && list->empty();
  }
  return field.any_order ? sorted(*seen.value) == sorted(field.wanted) : *seen.value == field.wanted;
}

bool differs_in(const Change& change, std::string_view field) {
  return std::ranges::find(change.differences, field, &Difference::field) != change.differences.end();
}

void note_consequences(const Object& object, Change& change) {
  if (object.kind != Kind::static_role) return;
  const auto* username = find_field(object, "username");
  const auto user = std::get<std::string>(username->wanted);
  if (change.effect == Effect::add) {
    change.warnings.push_back("Vault changes the password of " + user +
                              " at once: whoever uses the present one is locked out");
  } else if (differs_in(change, "username") || differs_in(change, "db_name")) {
    change.impossible =
        "Vault does not change whose password a static role is. Delete it first: vault delete " + object.path;
  }
}

}  // namespace

bool Plan::nothing_to_do() const {
  return !mount_missing &&
         std::ranges::all_of(changes, [](const Change& change) { return change.effect == Effect::keep; });
}

Change compare(const Object& object, JsonView data) {
  Change out{object.kind, object.name, data.is_object() ? Effect::keep : Effect::add, {}, {}, {}};
  for (const auto& field : object.fields) {
    const auto seen = out.effect == Effect::add ? Existing{} : existing(field, find(data, field.name));
    if (out.effect != Effect::add && equal(field, seen)) continue;
    out.differences.push_back({field.name, seen.value, seen.hidden, field.wanted, field.seconds});
  }
  if (out.effect == Effect::keep && !out.differences.empty()) out.effect = Effect::change;
  note_consequences(object, out);
  return out;
}

std::vector<std::string> allowed_meanwhile(const Change& change, const std::vector<std::string>& wanted) {
  auto out = wanted;
  for (const auto& difference : change.differences) {
    if (difference.field != "allowed_roles" || !difference.before) continue;
    for (const auto& name : std::get<std::vector<std::string>>(*difference.before)) {
      if (std::ranges::find(out, name) == out.end()) out.push_back(name);
    }
  }
  return out;
}

}  // namespace sallyport::secrets::vault::engine
