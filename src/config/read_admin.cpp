// admin
#include "base/ascii.h"
#include "config/reader.h"
#include "config/values.h"

#include <algorithm>

namespace sallyport::config {
namespace {

/// sockaddr_un::sun_path, without its zero.
constexpr std::size_t socket_path_bytes_max = 107;

class AdminReader {
 public:
  AdminReader(const Node& node, const Surroundings& around, Problems& problems)
      : node_(node), around_(around), problems_(problems) {}

  Admin read() {
    if (const Node* socket = good(node_, "socket")) read_socket(*socket);
    if (const Node* listen = good(node_, "listen")) read_listen(*listen);
    if (const Node* token = good(node_, "token")) {
      admin_.token_file = std::string{strip_file_scheme(token->text)};
      check_named_file(admin_.token_file, *token, around_, problems_);
    }
    for (const Node* host : scalars_of(node_, "hosts")) read_host(*host);
    return std::move(admin_);
  }

 private:
  void read_socket(const Node& node) {
    admin_.socket_named = true;
    admin_.socket = node.text == "off" ? std::string{} : node.text;
    if (!admin_.socket.empty()) check_socket_path(node, admin_.socket);
  }

  void read_listen(const Node& node) {
    admin_.listen_named = true;
    admin_.listen = std::monostate{};
    if (node.text == "off") return;
    if (node.text.starts_with("unix:")) {
      admin_.listen = node.text.substr(5);
      return check_socket_path(node, std::get<std::string>(admin_.listen));
    }
    read_tcp(node, node.text.starts_with("tcp:") ? node.text.substr(4) : node.text);
  }

  void check_socket_path(const Node& node, const std::string& path) {
    if (!is_plain_absolute_path(path) || path == "/") {
      problems_.add(node, in_backquotes(path) + " is no plain absolute path",
                    "Example: `/run/sallyport/admin.sock`.");
    } else if (path.size() > socket_path_bytes_max) {
      problems_.add(node, "the socket's path is longer than 107 bytes", "The kernel takes no more.");
    }
  }

  void read_tcp(const Node& node, const std::string& text) {
    const auto colon = text.rfind(':');
    auto address = text.substr(0, colon);
    if (address.size() > 2 && address.front() == '[' && address.back() == ']') {
      address = address.substr(1, address.size() - 2);
    }
    const auto port = colon == std::string::npos ? std::nullopt : parse_integer(text.substr(colon + 1));
    if (!is_ip_literal(address) || !port || *port < 1 || *port > 65'535) {
      return problems_.add(
          node, in_backquotes(node.text) + " is no place to listen on",
          "Write `127.0.0.1:9090`, `[::1]:9090`, `unix:/run/sallyport/admin.http` or `off`.");
    }
    if (!address.starts_with("127.") && address != "::1") {
      problems_.warn(node.at,
                     "admin.listen: " + address +
                         " is no loopback address: the token and the metrics travel in clear text, and "
                         "whoever reaches the port may ask for health");
    }
    admin_.listen = TcpListen{address, static_cast<std::uint16_t>(*port)};
  }

  void read_host(const Node& node) {
    if (!is_host_name(node.text)) {
      return problems_.add(node, in_backquotes(node.text) + " is no host name",
                           "Write the name alone, without scheme and port.");
    }
    admin_.hosts.push_back(to_lower(node.text));
  }

  const Node& node_;
  const Surroundings& around_;
  Problems& problems_;
  Admin admin_;
};

}  // namespace

Admin read_admin(const Node& node, const Surroundings& around, Problems& problems) {
  return AdminReader{node, around, problems}.read();
}

}  // namespace sallyport::config
