#include "net/scout.h"

#include "net/passed_descriptor.h"
#include "net/scout_protocol.h"

#include <linux/capability.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

bool may_trace_everybody() {
  __user_cap_header_struct head{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  if (syscall(SYS_capget, &head, data) != 0) return false;
  return (data[0].effective >> CAP_SYS_PTRACE & 1U) != 0;
}

Executable executable_in(const char* packet, std::size_t size) {
  ScoutAnswer answer;
  std::memcpy(&answer, packet, sizeof answer);
  Executable executable{{packet + sizeof answer, size - sizeof answer}, {}};
  if (answer.known != 0) executable.id = {answer.device, answer.inode, answer.size, answer.changed_ns};
  return executable;
}

}  // namespace

Scout::Scout(Attendant attendant) : attendant_(std::move(attendant)), sees_all_(may_trace_everybody()) {}

Result<std::unique_ptr<Scout>> Scout::fork_now() {
  auto forked = fork_attendant(
      "scout process", [](UniqueFd socket, pid_t parent) { serve_as_scout(std::move(socket), parent); });
  if (!forked) return forked.error();
  return std::unique_ptr<Scout>{new Scout{std::move(*forked)}};
}

Scout::~Scout() { end_attendant(attendant_); }

Executable Scout::executable_of(pid_t pid, const UniqueFd& pidfd, uid_t uid) {
  if (!sees_all_ && uid != geteuid()) return {};
  const std::lock_guard lock{mutex_};
  return ask(pid, pidfd);
}

std::string Scout::path_of(pid_t pid, const UniqueFd& pidfd, uid_t uid, std::optional<std::uint64_t> number) {
  if (!sees_all_ && uid != geteuid()) return {};
  const std::lock_guard lock{mutex_};
  if (!number) return ask(pid, pidfd).path;
  const auto now = std::chrono::steady_clock::now();
  if (const auto* known = paths_.find(*number, now)) return *known;
  auto path = ask(pid, pidfd).path;
  paths_.remember(*number, path, now);
  return path;
}

Executable Scout::ask(pid_t pid, const UniqueFd& pidfd) {
  if (std::chrono::steady_clock::now() < silent_until_) return {};
  const ScoutQuestion question{++last_question_, pid};
  std::optional<Executable> answer;
  if (send_with_descriptor(attendant_.socket.get(), &question, sizeof question, pidfd.get(), MSG_DONTWAIT))
    answer = wait_for_answer(question.number);
  if (!answer) {
    note_unanswered();
    return {};
  }
  unanswered_ = 0;
  return std::move(*answer);
}

std::optional<Executable> Scout::wait_for_answer(std::uint32_t number) {
  const auto deadline = std::chrono::steady_clock::now() + answer_deadline;
  std::array<char, sizeof(ScoutAnswer) + scout_path_bytes_max> packet;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready{attendant_.socket.get(), POLLIN, 0};
    const int count = left.count() <= 0 ? 0 : poll(&ready, 1, static_cast<int>(left.count()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return {};
    const auto size = recv(attendant_.socket.get(), packet.data(), packet.size(), MSG_DONTWAIT);
    if (size < static_cast<ssize_t>(sizeof(ScoutAnswer))) return {};
    std::uint32_t answered = 0;
    std::memcpy(&answered, packet.data(), sizeof answered);
    // Another number: of a question that was given up.
    if (answered == number) return executable_in(packet.data(), static_cast<std::size_t>(size));
  }
}

void Scout::note_unanswered() {
  if (++unanswered_ < silent_after) return;
  silent_until_ = std::chrono::steady_clock::now() + silence;
  if (unanswered_ == silent_after && on_silence_) on_silence_();
}

}  // namespace sallyport::net
