#include "cli/admin_call.h"

#include "admin/server.h"
#include "cli/environment.h"
#include "cli/options.h"
#include "net/unix_call.h"
#include "trail/text.h"

#include <unistd.h>

#include <sstream>

namespace sallyport::cli {

namespace {

/// A status of a thousand targets has some MB.
constexpr std::size_t answer_bytes_max = 64U << 20;

/// A file that was named has to be there; the default one may be missing, or not for us to read.
Result<std::string> socket_of(const Context& context) {
  const auto file = configuration_file(context, *context.environment);
  if (!file || (*file == config::default_file && access(file->c_str(), R_OK) != 0))
    return config::Admin{}.socket;
  auto places = config::find_places(*file);
  if (!places) {
    auto error = places.error();
    if (!error.hint.empty()) error.hint += error.hint.ends_with('.') ? " " : "; ";
    error.hint += "or name the broker's socket: --socket PATH";
    return error;
  }
  if (!places->admin_socket.empty()) return places->admin_socket;
  return Error{
      ErrorCode::bad_config,  Hop::config, *file, "says admin.socket: off, so there is nobody to command",
      "Give it a path there", {}};
}

std::string text_of(const nlohmann::ordered_json& json, const char* key) {
  const auto found = json.find(key);
  if (found == json.end() || !found->is_string()) return {};
  std::istringstream lines{found->get<std::string>()};
  std::string out, line;
  while (std::getline(lines, line)) out += (out.empty() ? "" : "\n") + trail::printable(line);
  return out;
}

}  // namespace

Result<BrokerAnswer> call_broker(Context& context, const std::string& socket, const admin::Command& command) {
  auto path = socket.empty() ? socket_of(context) : Result<std::string>{socket};
  if (!path) return path.error();
  auto line = net::call_unix(*path, admin::encode_command(command),
                             admin::command_deadline + std::chrono::seconds{5}, answer_bytes_max);
  if (!line) return line.error();
  auto json = nlohmann::ordered_json::parse(*line, nullptr, false);
  if (!json.is_object() || !json.contains("ok") || !json["ok"].is_boolean()) {
    return Error{ErrorCode::peer_misbehaved,
                 Hop::listener,
                 *path,
                 "does not answer as a Sallyport does",
                 "Name the right socket",
                 {}};
  }
  if (json["ok"].get<bool>()) {
    if (json.contains("text")) json["text"] = text_of(json, "text");
    return BrokerAnswer{std::move(json)};
  }
  return Error{ErrorCode::denied, Hop::none, {}, text_of(json, "text"), text_of(json, "fix"), {}};
}

}  // namespace sallyport::cli
