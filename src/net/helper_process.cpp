// The helper's side: a single thread that starts one program at a time and watches it.
//
// It never sees output: the write end of the pipe arrives with the request and goes to the program.
#include "net/helper_protocol.h"

#include "base/clock.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <cerrno>
#include <csignal>
#include <cstring>
#include <fstream>
#include <optional>

namespace sallyport::net {

namespace {

constexpr int socket_fd = attendant_socket;
constexpr std::size_t packet_bytes_max = program_request_bytes_max + sizeof(HelperRequest);

struct Request {
  HelperRequest head;
  std::vector<std::string> arguments;
  std::vector<std::string> variables;
  UniqueFd output;
};

/// nullopt: the broker is gone, or speaks nonsense, which it does not.
std::optional<Request> receive_request() {
  std::vector<char> packet(packet_bytes_max);
  iovec data{packet.data(), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  message.msg_control = control;
  message.msg_controllen = sizeof control;
  const auto size = recvmsg(socket_fd, &message, MSG_CMSG_CLOEXEC);
  Request request;
  if (const cmsghdr* header = size > 0 ? CMSG_FIRSTHDR(&message) : nullptr; header != nullptr) {
    int fd = -1;
    if (header->cmsg_type == SCM_RIGHTS) std::memcpy(&fd, CMSG_DATA(header), sizeof fd);
    request.output.reset(fd);
  }
  if (size < static_cast<ssize_t>(sizeof(HelperRequest)) || (message.msg_flags & MSG_TRUNC) != 0) return {};
  std::memcpy(&request.head, packet.data(), sizeof request.head);
  const char* at = packet.data() + sizeof request.head;
  const char* end = packet.data() + size;
  const auto take = [&](std::vector<std::string>& out, std::uint32_t count) {
    while (at < end && out.size() < count) {
      const auto length = strnlen(at, static_cast<std::size_t>(end - at));
      out.emplace_back(at, length);
      at += length + 1;
    }
    return out.size() == count;
  };
  if (!take(request.arguments, request.head.arguments)) return {};
  if (!take(request.variables, request.head.variables)) return {};
  return request;
}

void reply(std::uint32_t number, HelperOutcome outcome, int value) {
  const HelperReply answer{number, outcome, value};
  if (send(socket_fd, &answer, sizeof answer, MSG_NOSIGNAL) < 0) _exit(0);
}

std::vector<char*> pointers_to(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (auto& text : strings) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

/// In the child of the helper. Returns only by exec or _exit; errno goes through `failure`.
[[noreturn]] void become_program(Request& request, std::vector<std::string>& environment, int failure) {
  setsid();
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  dup2(nothing, STDIN_FILENO);
  dup2(request.output.get(), STDOUT_FILENO);
  dup2(nothing, STDERR_FILENO);
  // The socket's number is free to take: from here on nothing may reach the broker.
  dup3(failure, socket_fd, O_CLOEXEC);
  close_range(socket_fd + 1, ~0U, 0);
  reset_signals();
  auto arguments = pointers_to(request.arguments);
  environment.insert(environment.end(), request.variables.begin(), request.variables.end());
  auto variables = pointers_to(environment);
  execve(arguments[0], arguments.data(), variables.data());
  const int reason = errno;
  [[maybe_unused]] const auto written = write(socket_fd, &reason, sizeof reason);
  _exit(127);
}

struct Started {
  pid_t pid = -1;
  UniqueFd process;
  int error = 0;
};

Started start(Request& request, std::vector<std::string>& environment) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return {-1, {}, errno};
  UniqueFd failure_read{ends[0]};
  UniqueFd failure_write{ends[1]};
  const pid_t pid = fork();
  if (pid < 0) return {-1, {}, errno};
  if (pid == 0) become_program(request, environment, failure_write.get());
  failure_write.reset();
  request.output.reset();  // so that the pipe ends with the program
  int reason = 0;
  if (read(failure_read.get(), &reason, sizeof reason) == sizeof reason) {
    waitpid(pid, nullptr, 0);
    return {-1, {}, reason};
  }
  return {pid, UniqueFd{static_cast<int>(syscall(SYS_pidfd_open, pid, 0U))}, 0};
}

/// The program's group, and whatever left it: as a subreaper we are the parent of all that remains.
void kill_everything(pid_t group) {
  kill(-group, SIGKILL);
  for (int round = 0; round < 100; ++round) {
    std::ifstream children{"/proc/thread-self/children"};
    bool any = false;
    for (pid_t child = 0; children >> child; any = true) kill(child, SIGKILL);
    while (waitpid(-1, nullptr, WNOHANG) > 0) {}
    if (!any) return;
    usleep(1000);  // killed parents pass their children on to us
  }
}

enum class Wait { ended, timed_out, killed, broker_gone };

Wait wait_for(const Started& program, std::uint32_t number, MonotonicTime deadline) {
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    if (left.count() <= 0) return Wait::timed_out;
    pollfd ready[2] = {{program.process.get(), POLLIN, 0}, {socket_fd, POLLIN, 0}};
    if (poll(ready, 2, static_cast<int>(left.count())) < 0 && errno != EINTR) return Wait::timed_out;
    if (ready[0].revents != 0) return Wait::ended;
    if (ready[1].revents == 0) continue;
    const auto request = receive_request();
    if (!request) return Wait::broker_gone;
    if (request->head.order == HelperOrder::kill && request->head.number == number) return Wait::killed;
  }
}

void run(Request& request, std::vector<std::string>& environment, const ProgramGate& gate) {
  const auto deadline =
      std::chrono::steady_clock::now() + std::chrono::milliseconds{request.head.deadline_ms};
  const auto number = request.head.number;
  if (gate && !gate(request.arguments)) return reply(number, HelperOutcome::refused, 0);
  const auto program = start(request, environment);
  if (program.pid < 0) {
    reply(number, HelperOutcome::not_started, program.error);
    return;
  }
  const auto how = wait_for(program, number, deadline);
  if (how != Wait::ended) kill(-program.pid, SIGKILL);
  int status = 0;
  waitpid(program.pid, &status, 0);
  kill_everything(program.pid);
  if (how == Wait::broker_gone) _exit(0);
  if (how == Wait::timed_out) {
    reply(number, HelperOutcome::timed_out, 0);
  } else if (WIFEXITED(status)) {
    reply(number, HelperOutcome::exited, WEXITSTATUS(status));
  } else {
    reply(number, HelperOutcome::signalled, WTERMSIG(status));
  }
}

}  // namespace

void serve_as_helper(UniqueFd socket, pid_t parent, std::vector<std::string> environment,
                     const ProgramGate& gate) {
  leave_the_brokers_world(std::move(socket), parent, "sallyport-exec");
  for (;;) {
    pollfd ready{socket_fd, POLLIN, 0};
    if (poll(&ready, 1, -1) < 0 && errno == EINTR) continue;
    auto request = receive_request();
    if (!request) _exit(0);
    if (request->head.order == HelperOrder::run && !request->arguments.empty())
      run(*request, environment, gate);
  }
}

}  // namespace sallyport::net
