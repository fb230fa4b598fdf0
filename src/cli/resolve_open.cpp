#include "cli/resolve_open.h"

#include "cli/options.h"
#include "config/values.h"

#include <algorithm>
#include <string_view>
#include <utility>

namespace sallyport::cli {

namespace {

/// The target's attributes are checked as `exec` would; a missing host matters only to whoever connects.
Result<ExecTarget> target_of(const secrets::Reference& reference, WallTime now) {
  if (reference.attributes.contains("host")) return target_from_reference("REF", reference, now);
  auto with_host = reference;
  with_host.attributes.erase("port");
  with_host.attributes.emplace("host", "localhost");
  auto target = target_from_reference("REF", with_host, now);
  if (target) target->target.endpoints.clear();
  return target;
}

Result<ExecTarget> target_of_config(const std::string& text, const Settings& settings, WallTime now) {
  const auto slash = std::min(text.find('/'), text.size());
  const auto role = slash < text.size() ? text.substr(slash + 1) : std::string{};
  auto target = target_from_text("REF", text.substr(0, slash), settings.config, role, now);
  if (target) return target;
  auto error = std::move(target).error();
  constexpr std::string_view of_exec = "Choose one with --role: ";
  if (error.hint.starts_with(of_exec))
    error.hint = "Write " + text.substr(0, slash) + "/ROLE: " + error.hint.substr(of_exec.size());
  return error;
}

Result<void> open_source(const Context& context, Opened& out) {
  const auto& role = out.target.target.roles.begin()->second;
  out.purpose = {"postgresql", {}, role.user};
  for (const auto& one : out.target.target.endpoints) out.purpose.hosts.push_back({one.host, one.port});
  const auto own = out.target.reference();
  if (!own) return own.error();
  const auto sources = secrets::register_all({context.allow_root_token});
  const auto* source = sources.find(own->scheme);
  if (source == nullptr) {
    return Error{ErrorCode::bad_config, Hop::reference, own->scheme + ":", "is not in this version", {}, {}};
  }
  auto session = source->open(*own, out.purpose);
  if (!session) return std::move(session).error();
  out.session = std::move(*session);
  return {};
}

}  // namespace

Result<Opened> open_for_resolve(Context& context, const std::string& text) {
  const auto now = context.clock.now().wall;
  const bool is_target = config::is_name(text.substr(0, text.find('/')));
  Settings settings;
  if (is_target || !context.config_file.empty()) {
    auto loaded = load_settings(context, *context.environment);
    if (!loaded) return std::move(loaded).error();
    settings = std::move(*loaded);
  }
  Opened out;
  Result<ExecTarget> target = Error{};
  if (is_target) {
    target = target_of_config(text, settings, now);
  } else {
    auto reference = secrets::parse_reference(text);
    if (!reference) return std::move(reference).error();
    out.reference = std::move(*reference);
    target = target_of(out.reference, now);
  }
  if (!target) return about_argument(std::move(target).error(), "REF", "resolve");
  out.target = std::move(*target);
  if (is_target) {
    auto reference = out.target.reference();
    if (!reference) return std::move(reference).error();
    out.reference = std::move(*reference);
  }
  if (auto opened = open_source(context, out); !opened) return std::move(opened).error();
  return out;
}

}  // namespace sallyport::cli
