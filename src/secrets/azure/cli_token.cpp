// The Azure CLI, for developers: `az` is asked for a token of whoever ran `az login`.
//
// PATH is not looked at: whoever can write into one of its directories would be asked for our authority. The places are
// those of the packages and of the installation script; another one is az_path=. The last of the chain: a failure is a
// reason and no error.
#include "base/limits.h"
#include "secrets/azure/provider.h"

#include <array>

namespace sallyport::secrets::azure {

namespace {

constexpr std::string_view provider = "Azure CLI";
constexpr std::array<std::string_view, 3> places{"/usr/bin/az", "/usr/local/bin/az", "/opt/az/bin/az"};

RunProgram command(std::string_view program, const Settings& settings, const std::string& scope) {
  RunProgram out;
  out.argv = {std::string{program}, "account", "get-access-token", "--output", "json", "--scope", scope};
  if (!settings.tenant.empty()) {
    out.argv.emplace_back("--tenant");
    out.argv.push_back(settings.tenant);
  }
  out.deadline = limits::program_deadline;
  out.output_bytes_max = limits::secret_bytes_max;
  return out;
}

Offer printed(const ProgramEnded& ended, const std::string& program, Inquiry& ask, const Settings& settings,
              Search& search) {
  if (ended.exit_status != 0) {
    return nothing(search, provider,
                   program + " ended with status " + std::to_string(ended.exit_status) + ": run `az login`" +
                       (settings.tenant.empty() ? "" : " --tenant " + settings.tenant));
  }
  if (ended.output.size() > limits::secret_bytes_max) {
    return failed(settings, search, provider, ErrorCode::limit_exceeded,
                  program + " printed more than 65536 bytes");
  }
  auto json = Json::parse(ended.output.reveal(), "what az printed");
  if (!json) {
    return failed(settings, search, provider, ErrorCode::invalid_message, program + " printed no JSON",
                  "Run az account get-access-token --output json by hand");
  }
  // Its expiresOn is in a time zone that it does not name; before version 2.54 there is no other, and the token says it.
  auto token = token_of(json->root(), "accessToken", ExpiryFrom::absolute, ask.now(), Duration::zero());
  if (!token) {
    auto error = std::move(token).error();
    error.what = program + ": " + error.what;
    if (error.hint.empty()) error.hint = "Update it: az upgrade";
    return failed(settings, search, provider, std::move(error));
  }
  return std::optional{named(std::move(*token), Provider::cli, std::string{provider}, program)};
}

}  // namespace

Offer cli_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search) {
  std::vector<std::string> programs{places.begin(), places.end()};
  if (!settings.az_path.empty()) programs = {settings.az_path};
  std::string reason;
  for (const auto& program : programs) {
    auto ended = ask.program(command(program, settings, scope));
    if (ended) return printed(**ended, program, ask, settings, search);
    const auto& error = ended.error();
    reason += (reason.empty() ? "" : ", ") + program + ": " + error.what;
    search.timed_out = search.timed_out || error.code == ErrorCode::timed_out;
    if (error.code == ErrorCode::timed_out || error.code == ErrorCode::limit_exceeded) break;
  }
  return nothing(search, provider, reason);
}

}  // namespace sallyport::secrets::azure
