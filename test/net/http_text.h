// HTTP as a test's server reads and writes it.
#pragma once

#include <string>

namespace sallyport::test {

/// Reads one request: its head, and as much body as Content-Length says.
template <class Read>
std::string read_request(Read read_some) {
  std::string text;
  char buffer[4096];
  std::size_t wanted = std::string::npos;
  while (text.size() < wanted) {
    const auto got = read_some(buffer, sizeof buffer);
    if (got <= 0) break;
    text.append(buffer, static_cast<std::size_t>(got));
    const auto end = text.find("\r\n\r\n");
    if (wanted != std::string::npos || end == std::string::npos) continue;
    const auto length = text.find("Content-Length: ");
    wanted = end + 4 + (length == std::string::npos ? 0 : std::stoul(text.substr(length + 16)));
  }
  return text;
}

inline std::string reply_with(const std::string& body, const std::string& head = "HTTP/1.1 200 OK") {
  return head + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace sallyport::test
