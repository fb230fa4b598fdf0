#include "cli/notify.h"

#include "base/clock.h"
#include "net/datagram.h"

namespace sallyport::cli {

void Notify::say(std::string_view state) const {
  if (socket_.empty()) return;
  std::string text{state};
  if (state == "RELOADING=1") {
    // The manager wants to know since when.
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
    text += "\nMONOTONIC_USEC=" + std::to_string(now.count());
  }
  net::UnixDatagrams{socket_}.send(text);
}

}  // namespace sallyport::cli
