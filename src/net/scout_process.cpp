// The scout's side: a single thread that reads two links of /proc for each question, as the broker would if it might.
#include "net/attendant.h"
#include "net/passed_descriptor.h"
#include "net/process_facts.h"
#include "net/process_tree.h"
#include "net/scout_protocol.h"

#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

namespace {

void answer_to(const ScoutQuestion& question, const UniqueFd& pidfd) {
  ScoutAnswer answer;
  answer.number = question.number;
  auto path = executable_of(question.pid);
  if (path.size() > scout_path_bytes_max) path.clear();
  const auto facts = facts_of(question.pid, pidfd, {.cgroup = false, .executable = true});
  if (!facts) {  // it has ended: what was read may be another's
    path.clear();
  } else if (facts->executable) {
    const auto& id = *facts->executable;
    answer.known = 1;
    answer.device = id.device;
    answer.inode = id.inode;
    answer.size = id.bytes;
    answer.changed_ns = id.changed_ns;
  }
  iovec parts[2] = {{&answer, sizeof answer}, {path.data(), path.size()}};
  msghdr message{};
  message.msg_iov = parts;
  message.msg_iovlen = 2;
  if (sendmsg(attendant_socket, &message, MSG_NOSIGNAL) < 0) _exit(0);
}

}  // namespace

void serve_as_scout(UniqueFd socket, pid_t parent) {
  leave_the_brokers_world(std::move(socket), parent, "sallyport-scout");
  for (;;) {
    ScoutQuestion question;
    UniqueFd pidfd;
    // The broker is gone, or speaks nonsense, which it does not.
    if (receive_with_descriptor(attendant_socket, &question, sizeof question, pidfd) != sizeof question)
      _exit(0);
    answer_to(question, pidfd);
  }
}

}  // namespace sallyport::net
