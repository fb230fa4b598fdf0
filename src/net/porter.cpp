#include "net/porter.h"

#include "net/passed_descriptor.h"
#include "net/porter_protocol.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <cstring>

namespace sallyport::net {

Result<std::unique_ptr<Porter>> Porter::fork_now(const FileGate& gate) {
  auto forked = fork_attendant("porter process", [&](UniqueFd socket, pid_t parent) {
    serve_as_porter(std::move(socket), parent, gate);
  });
  if (!forked) return forked.error();
  return std::unique_ptr<Porter>{new Porter{std::move(*forked)}};
}

int Porter::open(const std::string& path) {
  const auto failed = [](int reason) {
    errno = reason;
    return -1;
  };
  if (path.size() > porter_path_bytes_max) return failed(ENAMETOOLONG);
  const std::lock_guard lock{mutex_};
  const PorterRequest request{++last_request_};
  std::string packet(reinterpret_cast<const char*>(&request), sizeof request);
  packet += path;
  const int socket = attendant_.socket.get();
  // Requests that were given up may fill the socket: then it does not answer, and is not waited for either.
  if (send(socket, packet.data(), packet.size(), MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
    return failed(errno == EAGAIN ? ETIMEDOUT : EACCES);
  const auto deadline = std::chrono::steady_clock::now() + answer_deadline;
  for (;;) {
    const auto left =
        std::chrono::ceil<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd ready{socket, POLLIN, 0};
    const int count = left.count() <= 0 ? 0 : poll(&ready, 1, static_cast<int>(left.count()));
    if (count < 0 && errno == EINTR) continue;
    if (count <= 0) return failed(ETIMEDOUT);
    PorterAnswer answer;
    UniqueFd file;
    if (receive_with_descriptor(socket, &answer, sizeof answer, file) != sizeof answer) return failed(EACCES);
    if (answer.number != request.number) continue;  // of a call that gave up
    return answer.error == 0 && file.valid() ? file.release()
                                             : failed(answer.error == 0 ? EBADF : answer.error);
  }
}

}  // namespace sallyport::net
