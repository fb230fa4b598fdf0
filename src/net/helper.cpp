#include "net/helper.h"

#include "base/trusted_file.h"
#include "net/helper_protocol.h"
#include "net/passed_descriptor.h"
#include "net/process_tree.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <iterator>
#include <limits>

extern char** environ;  // NOLINT(readability-redundant-declaration): unistd.h has it under _GNU_SOURCE only

namespace sallyport::net {

namespace {

constexpr std::array always_kept{"PATH", "HOME", "USER", "LANG", "LC_ALL", "TZ"};
constexpr auto answer_grace = std::chrono::seconds{2};  // for the helper to kill and report after a deadline

Error fault(ErrorCode code, const std::string& program, std::string what, std::string hint = {}) {
  return {code, Hop::secret_source, program, std::move(what), std::move(hint), {}};
}

Error helper_gone(const std::string& program) {
  return fault(ErrorCode::internal, program, "the process that runs programs has ended",
               "Restart Sallyport.");
}

std::vector<std::string> kept_environment(const std::vector<std::string>& variables) {
  std::vector<std::string> kept;
  for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    const auto name = text.substr(0, text.find('='));
    if (std::ranges::find(always_kept, name) != always_kept.end() ||
        std::ranges::find(variables, name) != variables.end()) {
      kept.emplace_back(text);
    }
  }
  return kept;
}

Error not_started(const std::string& program, int reason) {
  switch (reason) {
    case ENOENT:
      return fault(ErrorCode::bad_config, program, "there is no such program, or its interpreter is missing",
                   "Check the path.");
    case EACCES:
    case EPERM:
      return fault(ErrorCode::bad_config, program, "is not executable for uid " + std::to_string(geteuid()),
                   "Run: chmod a+x " + program);
    case ENOEXEC:
      return fault(ErrorCode::bad_config, program, "is no program that the kernel can start",
                   "A script needs a first line such as #!/bin/sh; no shell is used here.");
    case E2BIG: return fault(ErrorCode::bad_config, program, "has too many arguments", "Use a script.");
    default:
      return fault(ErrorCode::retry_later, program,
                   std::string{"cannot be started: "} + std::strerror(reason));
  }
}

Error too_much_output(const RunProgram& program) {
  return fault(ErrorCode::limit_exceeded, program.argv[0],
               "wrote more than " + std::to_string(program.output_bytes_max) + " bytes",
               "It must print the secret and nothing else.");
}

Error too_slow(const RunProgram& program) {
  return fault(ErrorCode::timed_out, program.argv[0],
               "did not end within " + format_duration(program.deadline),
               "It was killed; it must not wait for a terminal or for input.");
}

/// What has arrived so far; one byte of room beyond the limit tells "exactly" from "more".
struct Output {
  explicit Output(std::size_t bytes_max) : secret(Secret::of_size(bytes_max + 1)), limit(bytes_max) {}
  Secret secret;
  std::size_t limit;
  std::size_t filled = 0;
  bool ended = false;

  [[nodiscard]] bool over() const { return filled > limit; }
  void read_from(int fd) {
    while (!over()) {
      const auto got = read(fd, secret.writable().data() + filled, secret.size() - filled);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && errno == EAGAIN) return;
      if (got <= 0) {
        ended = true;
        return;
      }
      filled += static_cast<std::size_t>(got);
    }
  }
};

int milliseconds_until(MonotonicTime deadline) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
  return static_cast<int>(std::clamp<std::int64_t>(left.count(), 0, std::numeric_limits<int>::max()));
}

}  // namespace

Result<std::unique_ptr<Helper>> Helper::fork_now(const std::vector<std::string>& variables,
                                                 const ProgramGate& gate) {
  auto forked = fork_attendant("helper process", [&](UniqueFd socket, pid_t parent) {
    serve_as_helper(std::move(socket), parent, kept_environment(variables), gate);
  });
  if (!forked) return forked.error();
  return std::unique_ptr<Helper>{new Helper{std::move(*forked)}};
}

Helper::~Helper() { end_attendant(attendant_); }

Result<void> Helper::request(const RunProgram& program, std::uint32_t number, MonotonicTime deadline,
                             UniqueFd output) {
  HelperRequest head{HelperOrder::run, number, static_cast<std::uint32_t>(milliseconds_until(deadline)),
                     static_cast<std::uint32_t>(program.argv.size()),
                     static_cast<std::uint32_t>(program.environment.size())};
  std::string packet(reinterpret_cast<const char*>(&head), sizeof head);
  for (const auto* list : {&program.argv, &program.environment}) {
    for (const auto& one : *list) packet.append(one).push_back('\0');
  }
  if (!send_with_descriptor(attendant_.socket.get(), packet.data(), packet.size(), output.get()))
    return helper_gone(program.argv[0]);
  return {};
}

Result<ProgramEnded> Helper::run(const RunProgram& program) {
  const auto deadline = std::chrono::steady_clock::now() + program.deadline;
  if (program.argv.empty() || program.argv[0].empty() || program.argv[0].front() != '/') {
    return fault(ErrorCode::bad_config, program.argv.empty() ? "" : program.argv[0], "is no absolute path",
                 "Write the program's whole path: PATH is not searched.");
  }
  std::size_t size = 0;
  for (const auto& argument : program.argv) {
    if (argument.find('\0') != std::string::npos) {
      return fault(ErrorCode::bad_config, program.argv[0], "an argument holds a zero byte", "Remove it.");
    }
    size += argument.size() + 1;
  }
  for (const auto& variable : program.environment) size += variable.size() + 1;
  if (size > program_request_bytes_max) {
    return fault(ErrorCode::bad_config, program.argv[0],
                 "its arguments are longer than " + std::to_string(program_request_bytes_max) + " bytes",
                 "Use a script.");
  }
  if (auto trusted = check_trusted_file(program.argv[0]); trusted.has_error()) {
    auto error = located_at(program.argv[0], trusted.error());
    error.hop = Hop::secret_source;
    return error;
  }
  std::unique_lock turn{turn_};
  if (!turn_free_.wait_until(turn, deadline, [this] { return !running_; })) {
    return fault(
        ErrorCode::timed_out, program.argv[0],
        "had no turn within " + format_duration(program.deadline) + ", because programs before it were slow");
  }
  running_ = true;
  turn.unlock();
  auto ended = run_in_turn(program, deadline);
  turn.lock();
  running_ = false;
  turn_free_.notify_one();
  return ended;
}

Result<ProgramEnded> Helper::run_in_turn(const RunProgram& program, MonotonicTime deadline) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) {
    return fault(ErrorCode::retry_later, program.argv[0], std::string{"no pipe: "} + std::strerror(errno));
  }
  const UniqueFd from_program{ends[0]};
  UniqueFd to_us{ends[1]};
  fcntl(from_program.get(), F_SETFL, O_NONBLOCK);  // our end only: the program's stays as programs expect it
  const auto number = ++last_request_;
  if (auto sent = request(program, number, deadline, std::move(to_us)); sent.has_error()) return sent.error();

  Output output{program.output_bytes_max};
  HelperReply reply{};
  bool killed = false;
  for (;;) {
    pollfd ready[2] = {{attendant_.socket.get(), POLLIN, 0},
                       {output.ended || killed ? -1 : from_program.get(), POLLIN, 0}};
    const int count = poll(ready, 2, milliseconds_until(deadline + answer_grace));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0)
      return fault(ErrorCode::internal, program.argv[0], "the process that runs programs does not answer",
                   "Restart Sallyport.");
    if (ready[1].revents != 0) output.read_from(from_program.get());
    if (output.over() && !killed) {
      const HelperRequest stop{HelperOrder::kill, number, 0, 0, 0};
      killed = send(attendant_.socket.get(), &stop, sizeof stop, MSG_NOSIGNAL) >= 0;
    }
    if (ready[0].revents == 0) continue;
    if (recv(attendant_.socket.get(), &reply, sizeof reply, 0) != sizeof reply)
      return helper_gone(program.argv[0]);
    if (reply.number == number) break;  // else: of a call that gave up
  }
  output.read_from(from_program.get());  // what was still in the pipe when the program ended
  if (reply.outcome == HelperOutcome::refused) {
    return fault(ErrorCode::denied, program.argv[0], "is not a program that the configuration names",
                 "The sandbox runs what an exec: reference of the configuration says, and what "
                 "identity.programs names there.");
  }
  if (reply.outcome == HelperOutcome::not_started) return not_started(program.argv[0], reply.value);
  if (output.over()) return too_much_output(program);
  if (reply.outcome == HelperOutcome::timed_out) return too_slow(program);
  if (reply.outcome == HelperOutcome::signalled) {
    return fault(ErrorCode::retry_later, program.argv[0],
                 "was ended by signal " + std::to_string(reply.value), "Run it by hand as the same user.");
  }
  output.secret.shrink(output.filled);
  return ProgramEnded{reply.value, std::move(output.secret)};
}

}  // namespace sallyport::net
