// One datagram to a Unix socket.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::net {

/// `path`: absolute, or '@' and an abstract name. False when it could not be sent; never blocks for long.
bool send_unix_datagram(const std::string& path, std::string_view text);

}  // namespace sallyport::net
