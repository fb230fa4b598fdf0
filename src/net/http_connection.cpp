#include "net/http_connection.h"

namespace sallyport::net {

std::unique_ptr<HttpHandle> HttpConnection::take(HttpPeer peer) {
  std::unique_ptr<HttpHandle> handle;
  {
    const std::lock_guard lock{mutex_};
    handle = std::move(idle_);
  }
  if (handle != nullptr && handle->peer == peer) {
    curl_easy_reset(handle->easy.get());  // but for the connection
    return handle;
  }
  handle = std::make_unique<HttpHandle>();
  handle->peer = std::move(peer);
  handle->easy.reset(curl_easy_init());
  return handle;
}

void HttpConnection::give_back(std::unique_ptr<HttpHandle> handle) {
  const std::lock_guard lock{mutex_};
  idle_ = std::move(handle);
}

}  // namespace sallyport::net
