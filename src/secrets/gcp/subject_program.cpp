// `credential_source.executable`: a program prints the subject token. Google's rule: only where the environment says
// GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1, because a credentials file from elsewhere would run code.
#include "base/limits.h"
#include "secrets/gcp/subject.h"
#include "secrets/words.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::string_view allow = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES";

std::int64_t seconds_of(WallTime time) {
  return std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
}

/// A reply of version 1. not_found: one of a cache that is no longer valid.
Result<Subject> read_reply(const Origin& origin, std::string_view text, Moment now, const std::string& source,
                           bool cached) {
  auto json = Json::parse(text, source);
  if (!json) return fault(origin.context, ErrorCode::invalid_message, source + ": what it says is no JSON");
  const auto root = json->root();
  if (root["version"].integer() != 1 || !root["success"].boolean()) {
    return fault(origin.context, ErrorCode::invalid_message,
                 source + ": the reply is none of version 1 (members version and success)");
  }
  if (!*root["success"].boolean()) {
    const auto code = shown_code(root["code"].text());
    return fault(origin.context, ErrorCode::denied,
                 source + " did not succeed" + (code.empty() ? "" : " (code " + code + ")"),
                 "Run the program by hand to read its message");
  }
  const auto expires = root["expiration_time"].integer();
  if (cached && !expires) return fault(origin.context, ErrorCode::not_found, source + " says no time");
  if (expires && *expires <= seconds_of(now.wall)) {
    return fault(origin.context, cached ? ErrorCode::not_found : ErrorCode::denied,
                 source + ": the token in the reply has expired");
  }
  const auto type = root["token_type"].text();
  const bool oidc =
      type == "urn:ietf:params:oauth:token-type:jwt" || type == "urn:ietf:params:oauth:token-type:id_token";
  const bool saml = type == "urn:ietf:params:oauth:token-type:saml2";
  if (!oidc && !saml) {
    return fault(origin.context, ErrorCode::peer_unsupported,
                 source + ": the token_type in the reply is none of jwt, id_token and saml2");
  }
  return checked_subject(origin, root[oidc ? "id_token" : "saml_response"].text(), source);
}

RunProgram program_of(const Origin& origin, std::vector<std::string> argv) {
  const auto source = origin.file["credential_source"]["executable"];
  RunProgram out;
  out.argv = std::move(argv);
  out.deadline = limits::program_deadline;
  if (const auto wanted = source["timeout_millis"].integer(); wanted && *wanted > 0)
    out.deadline =
        std::min<Duration>(std::chrono::milliseconds{std::min<std::int64_t>(*wanted, 120'000)}, out.deadline);
  const auto add = [&](const char* name, std::string_view value) {
    if (value.find('\0') == std::string_view::npos)
      out.environment.push_back(std::string{name} + "=" + std::string{value});
  };
  add("GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE", origin.file["audience"].text());
  add("GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE", origin.file["subject_token_type"].text());
  add("GOOGLE_EXTERNAL_ACCOUNT_INTERACTIVE", "0");
  add("GOOGLE_EXTERNAL_ACCOUNT_REVOKE", "0");
  const auto email = email_of_impersonation(origin.file["service_account_impersonation_url"].text());
  if (!email.empty()) {
    add("GOOGLE_EXTERNAL_ACCOUNT_IMPERSONATED_EMAIL", email);
    add("GOOGLE_EXTERNAL_ACCOUNT_ID", email);
  }
  if (const auto file = source["output_file"].text(); !file.empty())
    add("GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE", file);
  return out;
}

Result<std::vector<std::string>> argv_of(const Origin& origin) {
  const auto command = origin.file["credential_source"]["executable"]["command"].text();
  WordsError wrong;
  auto argv = split_words(command, wrong);
  if (!wrong.what.empty() || argv.empty() || argv.front().empty() || argv.front().front() != '/') {
    return fault(
        origin.context, ErrorCode::bad_config,
        "credential_source.executable.command of " + origin.path + " is no absolute path with arguments",
        "Write /PATH/PROGRAM ARGUMENTS; there is no shell");
  }
  return argv;
}

}  // namespace

Result<Subject> subject_from_program(Inquiry& ask, const Origin& origin) {
  auto allowed = ask.text(allow);
  if (!allowed) return std::move(allowed).error();
  if (*allowed != "1") {
    return fault(origin.context, ErrorCode::bad_config,
                 origin.path + " names a program to run, which " + std::string{allow} + " does not allow",
                 "Set " + std::string{allow} + "=1 if that file is yours");
  }
  auto argv = argv_of(origin);
  if (!argv) return std::move(argv).error();
  const std::string source = "program " + argv->front();
  const std::string cache{origin.file["credential_source"]["executable"]["output_file"].text()};
  if (!cache.empty()) {
    // Where a stranger could have put it, the program is asked instead.
    const auto named = "output_file of " + origin.path;
    auto content = read_credentials_file(ask, origin.context, cache, FileTrust::only_we_write, named);
    if (content) content = read_credentials_file(ask, origin.context, cache, FileTrust::is_private, named);
    if (content) {
      auto kept = read_reply(origin, (*content)->reveal(), ask.now(), "output_file " + cache, true);
      if (kept) return kept;
    }
  }
  auto ended = ask.program(program_of(origin, std::move(*argv)));
  if (!ended) return moved(origin.context, std::move(ended).error(), source);
  if ((*ended)->exit_status != 0) {
    return fault(origin.context, ErrorCode::denied,
                 source + " ended with status " + std::to_string((*ended)->exit_status),
                 "Run it by hand to read its message");
  }
  if ((*ended)->output.size() > limits::secret_bytes_max)
    return fault(origin.context, ErrorCode::limit_exceeded, source + " printed more than 65536 bytes");
  return read_reply(origin, (*ended)->output.reveal(), ask.now(), source, false);
}

}  // namespace sallyport::secrets::gcp
