// sallyport passwd: makes the verifier of a local password. The password itself is nowhere kept: a route's `verifier`
// file, and PostgreSQL's pg_authid, hold what this prints.
#include "base/limits.h"
#include "cli/command.h"
#include "cli/exec_run.h"
#include "cli/options.h"
#include "cli/password_file_edit.h"
#include "cli/read_password.h"
#include "crypto/hash.h"
#include "crypto/scram.h"
#include "net/fd.h"
#include "policy/password_file.h"

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <vector>

namespace sallyport::cli {

namespace {

constexpr const char* examples = R"(
Examples:
  sallyport passwd alice                                  asks twice, prints alice:SCRAM-SHA-256$…
  sallyport passwd alice --file /etc/sallyport/passwords  puts it there; then reload: kill -HUP PID
  sallyport passwd alice --stdin < password
  sallyport passwd app --generate --password-file /run/app/password --file /etc/sallyport/passwords

The password is read from the terminal or from standard input, never from the command line.
docs/policy.md says how a route asks for it.
)";

/// 24 random bytes: more than anybody can try.
constexpr std::size_t generated_bytes = 24;

struct Wish {
  std::string name, file, password_file;
  unsigned iterations = policy::password_iterations_min;
  bool from_stdin = false, generate = false;
};

Error bad(std::string where, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, std::move(where), std::move(what), std::move(hint), {}};
}

Result<void> check(const Wish& wish, const Context& context) {
  if (!wish.name.empty() && !policy::is_login_name(wish.name)) {
    return bad("NAME", "is no name for a line of a password file",
               "At most 63 bytes, no colon and no control characters, no space at either end, no # in front");
  }
  if (!wish.file.empty() && wish.name.empty())
    return bad("--file", "needs a NAME", "sallyport passwd NAME --file FILE");
  if (wish.iterations < policy::password_iterations_min || wish.iterations > limits::scram_iterations_max) {
    return bad("--iterations", "is not between 4096 and 2000000",
               "4096 is PostgreSQL's own count; each login costs the client so many hashes");
  }
  if (!wish.generate && !wish.password_file.empty())
    return bad("--password-file", "is where a generated password goes", "Add --generate");
  if (wish.generate && wish.password_file.empty() && isatty(STDERR_FILENO) == 0) {
    return bad("--generate", "would show the password to whatever reads this output",
               "Name a file for it: --password-file FILE");
  }
  if (!context.output_file.empty())
    return bad("-o", "what this command prints goes to standard output",
               "Redirect it: > FILE; or --file FILE");
  return {};
}

/// To the terminal or into a new file that only we may read.
Result<void> hand_over(const Wish& wish, const Secret& password) {
  if (wish.password_file.empty()) {
    const auto text = password.reveal();
    std::fprintf(stderr, "password: %.*s\n", static_cast<int>(text.size()), text.data());
    return {};
  }
  const net::UniqueFd file{
      open(wish.password_file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file.valid()) {
    return Error{ErrorCode::internal,
                 Hop::none,
                 wish.password_file,
                 std::string{"cannot be made: "} + std::strerror(errno),
                 "Name a file that is not there yet",
                 {}};
  }
  const auto text = password.reveal();
  if (write(file.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size()) &&
      fsync(file.get()) == 0)
    return {};
  return Error{ErrorCode::internal,
               Hop::none,
               wish.password_file,
               std::string{"cannot be written: "} + std::strerror(errno),
               {},
               {}};
}

Result<Secret> obtain(const Wish& wish, Randomness& randomness) {
  if (wish.from_stdin) return read_password_from_stdin();
  if (wish.generate) {
    std::array<std::uint8_t, generated_bytes> random{};
    randomness.fill(random);
    auto text = crypto::base64_encode(random);  // 32 characters, no padding
    for (auto& c : text) c = c == '+' ? '-' : c == '/' ? '_' : c;
    auto password = Secret::copy_of(std::string_view{text});
    wipe_memory(random.data(), random.size());
    wipe_memory(text.data(), text.size());
    return password;
  }
  auto first = ask_password("New password: ");
  if (!first) return first;
  const auto second = ask_password("Again: ");
  if (!second) return second.error();
  if (!first->equals(*second)) return bad("password", "the two are not the same", "Try again");
  return first;
}

std::string verifier_of(const Wish& wish, const Secret& password, Randomness& randomness) {
  std::array<std::uint8_t, crypto::scram_salt_bytes> salt{};
  randomness.fill(salt);
  return crypto::print_scram_verifier(
      crypto::make_scram_verifier_from_password(password, salt, wish.iterations));
}

Result<void> run(const Wish& wish, const Context& context) {
  if (auto checked = check(wish, context); !checked) return checked.error();
  const auto password = obtain(wish, context.randomness);
  if (!password) return password.error();
  const auto verifier = verifier_of(wish, *password, context.randomness);
  const auto line = (wish.name.empty() ? "" : wish.name + ":") + verifier;
  if (wish.generate) {
    if (auto handed = hand_over(wish, *password); !handed) return handed.error();
  }
  if (!wish.file.empty()) {
    const auto put = put_into_password_file(wish.file, wish.name, line);
    if (!put) return put.error();
    if (!context.quiet) {
      std::fprintf(stderr, "sallyport: %s was %s %s; `serve` reads it at its next reload\n",
                   wish.name.c_str(), *put == Edit::added ? "added to" : "replaced in", wish.file.c_str());
    }
  } else if (context.format == "json") {
    nlohmann::ordered_json out;
    if (!wish.name.empty()) out["name"] = wish.name;
    out["verifier"] = verifier;
    std::puts(out.dump(2, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  } else {
    std::puts(line.c_str());
  }
  return {};
}

}  // namespace

int run_passwd(Context& context, const std::vector<std::string>& arguments) {
  Wish wish;
  CLI::App app{"Makes the verifier of a local password.", "sallyport passwd"};
  app.add_option("NAME", wish.name,
                 "The user name that clients connect with; without it only the verifier is printed");
  auto* from_stdin =
      app.add_flag("--stdin", wish.from_stdin, "The password is the first line of standard input");
  app.add_flag("--generate", wish.generate, "Make a password of 32 characters; shown on the terminal")
      ->excludes(from_stdin);
  app.add_option("--password-file", wish.password_file,
                 "Write a generated password into this new file instead");
  app.add_option("--file", wish.file, "Put NAME's line into this file, for a route's `verifier`");
  app.add_option("--iterations", wish.iterations,
                 "Hashes that a login costs the client, and a guess the thief")
      ->capture_default_str();
  add_global_options(app, context, Writes::printed);
  app.footer(examples);
  if (const auto code = parse_arguments(app, arguments, exit_error)) return *code;
  const auto done = run(wish, context);
  if (done) return exit_ok;
  print_error(done.error());
  return exit_error;
}

}  // namespace sallyport::cli
