#include "admin/command.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>

namespace sallyport::admin {

namespace {

constexpr std::array verbs{Verb::status, Verb::pause,  Verb::resume,
                           Verb::drain,  Verb::reload, Verb::reconnect};
constexpr std::size_t name_bytes_max = 63;

Error invalid(std::string what) {
  return {ErrorCode::invalid_message,
          Hop::none,
          "command",
          std::move(what),
          R"(Send one line such as {"command": "pause", "target": "NAME"})",
          {}};
}

/// As the configuration's names are: so it may stand in every answer.
bool is_name(std::string_view text) {
  return !text.empty() && text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-' || c == '.';
  });
}

bool takes_target(Verb verb) { return verb != Verb::status && verb != Verb::reload; }

}  // namespace

std::string_view name_of(Verb verb) {
  switch (verb) {
    case Verb::status: return "status";
    case Verb::pause: return "pause";
    case Verb::resume: return "resume";
    case Verb::drain: return "drain";
    case Verb::reload: return "reload";
    case Verb::reconnect: return "reconnect";
  }
  return "";
}

std::optional<Verb> verb_named(std::string_view name) {
  const auto found =
      std::find_if(verbs.begin(), verbs.end(), [&](Verb verb) { return name_of(verb) == name; });
  return found == verbs.end() ? std::nullopt : std::optional{*found};
}

Result<Command> parse_command(std::string_view line) {
  if (line.size() > command_bytes_max) return invalid("it is longer than 4096 bytes");
  const auto json = nlohmann::json::parse(line, nullptr, false);
  if (!json.is_object()) return invalid("it is no JSON object");
  for (const auto& [key, value] : json.items()) {
    if (key != "command" && key != "target") return invalid("it has a key other than command and target");
    if (!value.is_string()) return invalid("a value is no string");
  }
  if (!json.contains("command")) return invalid("it names no command");
  const auto verb = verb_named(json["command"].get_ref<const std::string&>());
  if (!verb) return invalid("there is no such command");
  Command command{*verb, {}};
  if (!json.contains("target")) return command;
  if (!takes_target(*verb)) return invalid("this command takes no target");
  command.target = json["target"].get<std::string>();
  if (!is_name(command.target)) return invalid("the target is no name");
  return command;
}

std::string encode_command(const Command& command) {
  nlohmann::ordered_json json{{"command", name_of(command.verb)}};
  if (!command.target.empty()) json["target"] = command.target;
  return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

}  // namespace sallyport::admin
