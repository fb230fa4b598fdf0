// A process of ours that is forked before the first thread and before the first secret, stays outside the sandbox, and
// does what we ask over a socket: the helper that runs programs, the porter that opens files, the scout that looks at
// processes.
//
// It ends with its socket, so with us, and with the signal of our death where the kernel may send it: to whoever is
// outside our sandbox it may not.
#pragma once

#include "base/result.h"
#include "net/fd.h"

#include <sys/types.h>

#include <functional>

namespace sallyport::net {

struct Attendant {
  pid_t pid = -1;
  UniqueFd process;  ///< a pidfd: somebody else may reap it, and its pid be given away
  UniqueFd socket;   ///< SOCK_SEQPACKET
};

/// `life` runs in the child and never returns. The caller has one thread and holds no secret.
///
/// Errors  internal: the kernel refused.
Result<Attendant> fork_attendant(const char* what,
                                 const std::function<void(UniqueFd socket, pid_t parent)>& life);

/// Closes the socket, which is the order to go, and waits for the end: 2 s, then SIGKILL.
void end_attendant(Attendant& attendant);

inline constexpr int attendant_socket = 3;

/// In the child: a session and a name of its own, no descriptor but the socket (attendant_socket), nothing to dump,
/// the environment wiped, the signals that a service manager sends to a whole unit ignored.
void leave_the_brokers_world(UniqueFd socket, pid_t parent, const char* name);

/// All signals as a program expects to find them.
void reset_signals();

}  // namespace sallyport::net
