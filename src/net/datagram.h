// Datagrams to a Unix socket: for a service manager and for the system's journal.
#pragma once

#include "net/fd.h"

#include <string>
#include <string_view>

namespace sallyport::net {

class UnixDatagrams {
 public:
  /// `path`: absolute, or '@' and an abstract name. Nothing is opened before the first send().
  explicit UnixDatagrams(std::string path) : path_(std::move(path)) {}

  /// False when it could not be sent: nobody listens, the receiver's queue is full, too long for one datagram.
  /// Never blocks.
  bool send(std::string_view text);

 private:
  std::string path_;
  UniqueFd fd_;
};

}  // namespace sallyport::net
