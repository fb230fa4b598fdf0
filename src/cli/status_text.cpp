#include "cli/status_text.h"

#include "base/clock.h"
#include "cli/text_table.h"
#include "trail/text.h"

#include <chrono>
#include <string_view>

namespace sallyport::cli {

namespace {

using Json = nlohmann::ordered_json;

/// The value at "a.b.c"; null: it is not there.
const Json* find(const Json& json, std::string_view path) {
  const Json* at = &json;
  while (!path.empty()) {
    const auto dot = path.find('.');
    const auto found = at->is_object() ? at->find(std::string{path.substr(0, dot)}) : at->end();
    if (!at->is_object() || found == at->end()) return nullptr;
    at = &*found;
    path = dot == std::string_view::npos ? std::string_view{} : path.substr(dot + 1);
  }
  return at;
}

std::string cell(const Json& json, std::string_view path) {
  const auto* value = find(json, path);
  if (value == nullptr || value->is_null()) return "-";
  return trail::printable(value->is_string() ? value->get<std::string>() : value->dump());
}

bool is_true(const Json& json, std::string_view path) {
  const auto* value = find(json, path);
  return value != nullptr && value->is_boolean() && value->get<bool>();
}

double number(const Json& json, std::string_view path) {
  const auto* value = find(json, path);
  return value != nullptr && value->is_number() ? value->get<double>() : 0;
}

std::string duration(const Json& json, std::string_view path) {
  const auto* value = find(json, path);
  if (value == nullptr || !value->is_number()) return "-";
  return format_duration(
      std::chrono::duration_cast<Duration>(std::chrono::duration<double>(value->get<double>())));
}

const Json& list(const Json& json, std::string_view path) {
  static const Json none = Json::array();
  const auto* found = find(json, path);
  return found != nullptr && found->is_array() ? *found : none;
}

std::string sandbox(const Json& status) {
  if (find(status, "process.sandbox") == nullptr) return {};
  if (cell(status, "process.sandbox.mode") == "off") return "sandbox: off, as the configuration says\n";
  std::string in_force;
  for (const auto& word : list(status, "process.sandbox.in_force")) {
    if (!word.is_string()) continue;
    auto text = trail::printable(word.get<std::string>());
    std::replace(text.begin(), text.end(), '_', ' ');
    in_force += (in_force.empty() ? "" : ", ") + text;
  }
  if (in_force.empty()) return "sandbox: NONE, the kernel has nothing for it\n";
  const auto version = number(status, "process.sandbox.landlock");
  return "sandbox: " + in_force +
         (version > 0 ? " (Landlock " + cell(status, "process.sandbox.landlock") + ")" : "") + "\n";
}

std::string head(const Json& status) {
  std::string state = is_true(status, "process.draining")    ? "draining: no new sessions"
                      : is_true(status, "process.listening") ? "serving"
                                                             : "starting";
  std::string out = "Sallyport " + cell(status, "process.version") + ", pid " + cell(status, "process.pid") +
                    ", up " + duration(status, "process.uptime_s") + ": " + state + "\n";
  out += "audit trail: ";
  if (!is_true(status, "trail.present")) {
    out += "none\n";
  } else {
    out += (is_true(status, "trail.healthy") ? "well, " : "CANNOT BE WRITTEN, ") +
           cell(status, "trail.written") + " records written, " + cell(status, "trail.queued") + " wait\n";
  }
  out += sandbox(status);
  for (const auto& missing : list(status, "process.missing")) {
    if (missing.is_string()) out += "missing: " + trail::printable(missing.get<std::string>()) + "\n";
  }
  return out;
}

std::string routes(const Json& status) {
  TextTable table{{{"ROUTE"}, {"TARGET"}, {"CONNECTIONS", true}}};
  for (const auto& route : list(status, "routes")) {
    table.add({cell(route, "route"), cell(route, "target"), cell(route, "connections")});
  }
  return table.text();
}

std::string targets(const Json& status) {
  TextTable table{{{"TARGET"},
                   {"STATE"},
                   {"SESSIONS", true},
                   {"STARTED", true},
                   {"TRANSACTIONS", true},
                   {"TO SERVER", true},
                   {"TO CLIENT", true}}};
  for (const auto& target : list(status, "targets")) {
    table.add({cell(target, "target"), is_true(target, "paused") ? "paused" : "open",
               cell(target, "sessions"), cell(target, "sessions_started"), cell(target, "transactions"),
               cell(target, "bytes_to_server"), cell(target, "bytes_to_client")});
  }
  return table.text();
}

std::string pooling(const Json& target) {
  auto text = cell(target, "pooling.mode");
  if (find(target, "pooling.on_session_state") != nullptr)
    text += ", " + cell(target, "pooling.on_session_state");
  if (cell(target, "pooling.share") == "role")
    text += ", shared by role: " + cell(target, "pooling.share_reason");
  return text;
}

std::string hosts(const Json& status) {
  TextTable table{{{"TARGET"}, {"HOST"}, {"STATE"}, {"BACKED OFF UNTIL"}, {"POOLING"}}};
  for (const auto& target : list(status, "targets")) {
    auto name = cell(target, "target"), how = pooling(target);
    if (list(target, "hosts").empty()) table.add({name, "-", "-", "-", how});
    for (const auto& host : list(target, "hosts")) {
      table.add({name, cell(host, "host"), cell(host, "state"), cell(host, "backed_off_until"), how});
      name = how = "";
    }
  }
  return table.text();
}

std::string pools(const Json& status) {
  TextTable table{{{"POOL"},
                   {"IN USE", true},
                   {"READY", true},
                   {"RESETTING", true},
                   {"CONNECTING", true},
                   {"MAX", true},
                   {"WAITING", true},
                   {"MEAN WAIT", true},
                   {"LOGINS", true},
                   {"FAILED", true}}};
  for (const auto& target : list(status, "targets")) {
    for (const auto& role : list(target, "roles")) {
      const auto failed = number(role, "logins.credential_refused") + number(role, "logins.server_full") +
                          number(role, "logins.refused") + number(role, "logins.unreachable") +
                          number(role, "logins.tls") + number(role, "logins.timed_out") +
                          number(role, "logins.failed");
      char wait[32];
      std::snprintf(wait, sizeof wait, "%.1f ms", number(role, "pool.wait.mean_s") * 1e3);
      table.add({cell(target, "target") + "/" + cell(role, "role"), cell(role, "pool.in_use"),
                 cell(role, "pool.ready"), cell(role, "pool.resetting"), cell(role, "pool.connecting"),
                 cell(role, "pool.max"), cell(role, "pool.waiting"), wait, cell(role, "logins.ok"),
                 std::to_string(static_cast<std::uint64_t>(failed))});
    }
  }
  return table.text();
}

std::string credentials(const Json& status) {
  TextTable table{{{"CREDENTIAL"},
                   {"GENERATION", true},
                   {"USER"},
                   {"AGE", true},
                   {"LEASE LEFT", true},
                   {"CONNECTIONS", true}}};
  std::string missing;
  for (const auto& target : list(status, "targets")) {
    for (const auto& role : list(target, "roles")) {
      const auto name = cell(target, "target") + "/" + cell(role, "role");
      for (const auto& one : list(role, "credential.generations")) {
        const auto* const state = is_true(one, "current")   ? ""
                                  : is_true(one, "refused") ? " (refused)"
                                                            : " (replaced)";
        table.add({name, cell(one, "number") + state, cell(one, "user"), duration(one, "age_s"),
                   duration(one, "lease_left_s"), cell(one, "connections")});
      }
      const auto* error = find(role, "credential.error");
      if (is_true(role, "credential.present") && error == nullptr) continue;
      missing += "credential " + name +
                 (is_true(role, "credential.present") || error != nullptr ? "" : " is missing") + ": " +
                 (error == nullptr ? std::string{"not fetched yet"} : cell(role, "credential.error")) + "\n";
    }
  }
  return table.text() + missing;
}

std::string counts(const Json& status, std::string_view path, std::string_view title) {
  const auto* found = find(status, path);
  if (found == nullptr || !found->is_object() || found->empty()) return {};
  TextTable table{{{std::string{title}}, {"COUNT", true}}};
  for (const auto& [word, count] : found->items()) table.add({trail::printable(word), count.dump()});
  return "\n" + table.text();
}

}  // namespace

std::string status_text(const Json& status) {
  return head(status) + "\n" + routes(status) + "\n" + targets(status) + "\n" + hosts(status) + "\n" +
         pools(status) + "\n" + credentials(status) + counts(status, "sessions.refused", "REFUSED") +
         counts(status, "sessions.rotation_forced", "ENDED BY ROTATION") +
         counts(status, "sessions.pins", "PINNED");
}

}  // namespace sallyport::cli
