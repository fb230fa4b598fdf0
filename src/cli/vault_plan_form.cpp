#include "cli/vault_plan_form.h"

#include "cli/counted.h"
#include "trail/text.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace sallyport::cli {

namespace {

namespace engine = secrets::vault::engine;
using Json = nlohmann::ordered_json;
using List = std::vector<std::string>;

constexpr std::size_t field_columns = 24;
constexpr std::size_t unmanaged_shown_max = 20;

/// "90min", "24h", "45s": exact.
std::string seconds_text(std::int64_t seconds) {
  if (seconds != 0 && seconds % 3'600 == 0) return std::to_string(seconds / 3'600) + "h";
  if (seconds != 0 && seconds % 60 == 0) return std::to_string(seconds / 60) + "min";
  return std::to_string(seconds) + "s";
}

std::string joined(const List& list) {
  std::string out;
  for (const auto& one : list) out += (out.empty() ? "" : ", ") + one;
  return out.empty() ? "none" : out;
}

std::string one_line(const engine::Field::Value& value, bool seconds) {
  if (const auto* text = std::get_if<std::string>(&value)) {
    // A certificate: two of them side by side tell nobody anything.
    if (text->find('\n') != std::string::npos) return std::to_string(text->size()) + " bytes of PEM";
    return trail::printable(*text);
  }
  if (const auto* number = std::get_if<std::int64_t>(&value))
    return seconds ? seconds_text(*number) : std::to_string(*number);
  return trail::printable(joined(std::get<List>(value)));
}

bool is_statements(const engine::Difference& difference) { return difference.field.ends_with("_statements"); }

/// A statement behind its mark; its further lines stand below its first.
std::string statement_lines(char mark, const std::string& statement) {
  std::string out = std::string{"      "} + mark + " ";
  for (std::size_t at = 0; at <= statement.size();) {
    const auto end = std::min(statement.find('\n', at), statement.size());
    out += (at == 0 ? "" : "        ") + trail::printable(statement.substr(at, end - at)) + "\n";
    at = end + 1;
  }
  return out;
}

bool contains(const List& list, const std::string& one) {
  return std::find(list.begin(), list.end(), one) != list.end();
}

std::string statements_text(const engine::Difference& difference, bool fresh) {
  std::string out = "    " + difference.field + "\n";
  const auto& after = std::get<List>(difference.after);
  const auto before = difference.before ? std::get<List>(*difference.before) : List{};
  if (fresh) {
    for (const auto& one : after) out += statement_lines(' ', one);
    return after.empty() ? std::string{} : out;
  }
  if (difference.hidden) out += "      - (not shown: it may hold a password)\n";
  std::string changed;
  for (const auto& one : before) {
    if (!contains(after, one)) changed += statement_lines('-', one);
  }
  for (const auto& one : after) {
    if (!contains(before, one)) changed += statement_lines('+', one);
  }
  if (changed.empty() && !difference.hidden) changed = "      (the same, in another order)\n";
  return out + changed;
}

std::string field_line(const std::string& name, const std::string& text) {
  const auto pad = name.size() < field_columns ? field_columns - name.size() : 1;
  return "    " + name + std::string(pad, ' ') + text + "\n";
}

std::string difference_text(const engine::Difference& difference, bool fresh) {
  if (is_statements(difference)) return statements_text(difference, fresh);
  const auto after = one_line(difference.after, difference.seconds);
  if (fresh) return field_line(difference.field, after);
  const auto before = difference.hidden   ? "(not shown: it may hold a password)"
                      : difference.before ? one_line(*difference.before, difference.seconds)
                                          : std::string{"none"};
  return field_line(difference.field, before + " -> " + after);
}

struct Mark {
  char sign;
  const char* color;
  const char* word;
};

Mark mark_of(engine::Effect effect) {
  switch (effect) {
    case engine::Effect::add: return {'+', "\033[32m", "add"};
    case engine::Effect::change: return {'~', "\033[33m", "change"};
    case engine::Effect::keep: return {'=', "", "keep"};
  }
  return {'=', "", "keep"};
}

std::string title(const Mark& mark, const std::string& text, bool color) {
  const std::string sign(1, mark.sign);
  const bool painted = color && *mark.color != '\0';
  return (painted ? mark.color + sign + "\033[0m" : sign) + " " + text + "\n";
}

/// A connection that is as wanted and is sent its password again is changed.
engine::Effect effect_of(const ShownPlan& shown, const engine::Change& change) {
  const bool sent = change.kind == engine::Kind::connection && contains(shown.passwords, change.name);
  return sent && change.effect == engine::Effect::keep ? engine::Effect::change : change.effect;
}

std::string label_of(const engine::Change& change) {
  return std::string{engine::name_of(change.kind)} + " " + change.name;
}

bool repeats_revocation(const engine::Change& change, const engine::Difference& rollback) {
  return std::any_of(change.differences.begin(), change.differences.end(), [&](const auto& difference) {
    return difference.field == "revocation_statements" && difference.after == rollback.after;
  });
}

std::string change_text(const ShownPlan& shown, std::size_t at, bool color) {
  const auto& change = shown.plan.changes[at];
  auto out = title(mark_of(effect_of(shown, change)), label_of(change), color);
  const bool fresh = change.effect == engine::Effect::add;
  for (const auto& difference : change.differences) {
    const bool repeats =
        fresh && difference.field == "rollback_statements" && repeats_revocation(change, difference);
    out += repeats ? field_line(difference.field, "as revocation_statements")
                   : difference_text(difference, fresh);
  }
  if (change.kind == engine::Kind::connection && contains(shown.passwords, change.name))
    out += field_line("password", "that of " + trail::printable(shown.objects[at].password_from));
  if (!change.impossible.empty()) out += "    ! " + trail::printable(change.impossible) + "\n";
  for (const auto& warning : change.warnings) out += "    ! " + trail::printable(warning) + "\n";
  return out;
}

std::string rotation_warning(const ShownPlan& shown, const std::string& name) {
  for (const auto& object : shown.objects) {
    if (object.kind != engine::Kind::connection || object.name != name) continue;
    const auto* user = engine::find_field(object, "username");
    return "this cannot be undone: afterwards nobody but Vault knows the password of " +
           std::get<std::string>(user->wanted) + ", and what " + object.password_from +
           " holds is of no use any more";
  }
  return {};
}

std::size_t count(const ShownPlan& shown, engine::Effect effect) {
  const auto& changes = shown.plan.changes;
  return static_cast<std::size_t>(std::count_if(changes.begin(), changes.end(), [&](const auto& change) {
    return effect_of(shown, change) == effect;
  }));
}

std::string notes_text(const ShownPlan& shown) {
  std::string out;
  const auto& unmanaged = shown.plan.unmanaged;
  for (std::size_t i = 0; i < std::min(unmanaged.size(), unmanaged_shown_max); ++i)
    out += "? " + trail::printable(unmanaged[i]) + ": is there, and this file says nothing of it\n";
  if (unmanaged.size() > unmanaged_shown_max)
    out += "? and " + std::to_string(unmanaged.size() - unmanaged_shown_max) + " more\n";
  for (const auto& folder : shown.plan.unlisted)
    out += "? the token may not list " + folder + ", so what else is there is not known\n";
  const auto known =
      std::any_of(shown.plan.changes.begin(), shown.plan.changes.end(), [](const engine::Change& change) {
        return change.kind == engine::Kind::connection && change.effect != engine::Effect::add;
      });
  if (known)
    out +=
        "? Vault never shows a connection's password, so it was not compared (--set-password NAME sends "
        "it)\n";
  for (const auto& advice : shown.advice)
    out += "warning: " + trail::printable(advice.where) + ": " + trail::printable(advice.what) + "\n";
  return out;
}

std::string summary(const ShownPlan& shown) {
  if (!has_changes(shown)) return "Nothing to do.\n";
  const auto added = count(shown, engine::Effect::add) + (shown.plan.mount_missing ? 1 : 0);
  auto out = std::to_string(added) + " to add, " + std::to_string(count(shown, engine::Effect::change)) +
             " to change, " + std::to_string(count(shown, engine::Effect::keep)) + " as wanted";
  if (!shown.rotate_root.empty())
    out += ", " + counted(shown.rotate_root.size(), "root password") + " to rotate";
  return out + ".\n";
}

Json value_json(const engine::Field::Value& value) {
  return std::visit([](const auto& one) { return Json(one); }, value);
}

Json change_json(const ShownPlan& shown, std::size_t at) {
  const auto& change = shown.plan.changes[at];
  Json out{{"kind", std::string{engine::name_of(change.kind)}},
           {"name", change.name},
           {"action", mark_of(effect_of(shown, change)).word}};
  out["fields"] = Json::array();
  for (const auto& difference : change.differences) {
    Json field{{"field", difference.field}, {"before", nullptr}, {"after", value_json(difference.after)}};
    if (difference.before) field["before"] = value_json(*difference.before);
    if (difference.hidden) field["hidden"] = true;
    out["fields"].push_back(std::move(field));
  }
  if (change.kind == engine::Kind::connection) {
    const bool sent = contains(shown.passwords, change.name);
    out["password"] = sent ? "sent" : change.effect == engine::Effect::add ? "missing" : "not compared";
    if (sent) out["password_from"] = shown.objects[at].password_from;
  }
  if (!change.impossible.empty()) out["impossible"] = change.impossible;
  if (!change.warnings.empty()) out["warnings"] = change.warnings;
  return out;
}

}  // namespace

std::string changes_in_words(const ShownPlan& shown) {
  constexpr std::size_t bytes_max = 1'000;
  std::string out;
  const auto add = [&](const std::string& one) {
    if (out.size() < bytes_max) out += (out.empty() ? "" : ", ") + one;
  };
  for (const auto& change : shown.plan.changes) {
    if (change.effect != engine::Effect::keep)
      add(std::string{engine::name_of(change.kind)} + " " + change.name);
  }
  for (const auto& name : shown.passwords) add("password of " + name);
  for (const auto& name : shown.rotate_root) add("rotate-root " + name);
  return out.size() < bytes_max ? out : out + ", and more";
}

bool has_changes(const ShownPlan& shown) {
  return !shown.plan.nothing_to_do() || !shown.rotate_root.empty() || !shown.passwords.empty();
}

std::string plan_as_text(const ShownPlan& shown, bool color, bool quiet) {
  auto out = shown.mount + "/ of " + shown.address + "\n";
  if (shown.plan.mount_missing)
    out += title(mark_of(engine::Effect::add), "database engine at " + shown.mount + "/", color);
  for (std::size_t i = 0; i < shown.plan.changes.size(); ++i) {
    const bool kept = effect_of(shown, shown.plan.changes[i]) == engine::Effect::keep;
    if (!kept || !quiet) out += change_text(shown, i, color);
  }
  for (const auto& name : shown.rotate_root) {
    out += title({'!', "\033[31m", ""}, "root password of connection " + name, color);
    out += "    ! " + trail::printable(rotation_warning(shown, name)) + "\n";
  }
  if (!quiet) out += notes_text(shown);
  return out + summary(shown);
}

std::string plan_as_json(const ShownPlan& shown) {
  Json out{{"vault", shown.address},
           {"mount", shown.mount},
           {"mount_missing", shown.plan.mount_missing},
           {"to_do", has_changes(shown)}};
  out["changes"] = Json::array();
  for (std::size_t i = 0; i < shown.plan.changes.size(); ++i) out["changes"].push_back(change_json(shown, i));
  out["rotate_root"] = shown.rotate_root;
  out["not_managed"] = shown.plan.unmanaged;
  out["not_listed"] = shown.plan.unlisted;
  out["warnings"] = Json::array();
  for (const auto& advice : shown.advice)
    out["warnings"].push_back({{"where", advice.where}, {"what", advice.what}});
  if (shown.made) out["made"] = *shown.made;
  return out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sallyport::cli
