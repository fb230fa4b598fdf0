#include "net/kept_connection.h"

#include "net/curl_library.h"

#include <poll.h>
#include <sys/socket.h>

namespace sallyport::net {

namespace {

/// -1: there is no connection.
curl_socket_t socket_of(CURL* easy) {
  curl_socket_t socket = CURL_SOCKET_BAD;
  if (easy != nullptr) curl().easy_getinfo(easy, CURLINFO_ACTIVESOCKET, &socket);
  return socket;
}

/// Between two requests a server has nothing to say: it has closed, or what comes would be taken for the next answer.
bool is_quiet(CURL* easy) {
  pollfd waiting{socket_of(easy), POLLIN, 0};
  return waiting.fd != CURL_SOCKET_BAD && poll(&waiting, 1, 0) == 0;
}

}  // namespace

void EasyFree::operator()(CURL* easy) const {
  if (const auto socket = socket_of(easy); socket != CURL_SOCKET_BAD) shutdown(socket, SHUT_RDWR);
  curl().easy_cleanup(easy);
}

std::unique_ptr<HttpHandle> KeptConnection::take(HttpPeer peer) {
  std::unique_ptr<HttpHandle> handle;
  {
    const std::lock_guard lock{mutex_};
    handle = std::move(idle_);
  }
  if (handle != nullptr && handle->peer == peer && is_quiet(handle->easy.get())) return handle;
  handle = std::make_unique<HttpHandle>();
  handle->peer = std::move(peer);
  handle->easy.reset(curl().easy_init());
  return handle;
}

void KeptConnection::give_back(std::unique_ptr<HttpHandle> handle) {
  const std::lock_guard lock{mutex_};
  idle_ = std::move(handle);
}

}  // namespace sallyport::net
