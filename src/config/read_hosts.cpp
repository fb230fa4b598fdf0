// targets.NAME.host, port, target_session_attrs and load_balance
//
// One host as a scalar keeps its port under `port`; in a list each may have its own. Both forms end as endpoints.
#include "config/reader.h"
#include "config/values.h"

#include <algorithm>

namespace sallyport::config {

namespace {

void check_host(const Node& node, const std::string& host, Problems& problems) {
  if (host.starts_with('/')) {
    if (is_plain_absolute_path(host)) return;
    problems.add(node, in_backquotes(host) + " is no plain absolute directory",
                 "Leave out `.`, `..`, doubled slashes and a slash at the end.");
    return;
  }
  if (host == "0.0.0.0" || host == "::") {
    problems.warn(node.at, "host " + host +
                               " means any address: here it reaches this machine, whoever listens. "
                               "Write 127.0.0.1, or the server's name");
    return;
  }
  if (is_ip_literal(host) || is_host_name(host)) return;
  std::string hint = "Write a name such as db.example.com, an IP address, or an absolute directory.";
  const auto colon = host.rfind(':');
  if (host.find("://") != std::string::npos)
    hint = "Write the host only; user, port and database have keys of their own.";
  else if (colon != std::string::npos && parse_integer(host.substr(colon + 1)))
    hint = "Write the port under `port`.";
  problems.add(node, in_backquotes(host) + " is no host name", hint);
}

void read_endpoint(const Node& node, bool in_list, std::uint16_t port, Target& target, Problems& problems) {
  Endpoint endpoint{node.text, port};
  // A URL has colons enough; check_host() says what it is.
  if (in_list && node.text.find("://") == std::string::npos) {
    auto parsed = parse_endpoint(node.text, port);
    if (!parsed) {
      problems.add(node, parsed.error().what, parsed.error().hint + ".");
      return;
    }
    endpoint = std::move(*parsed);
  }
  check_host(node, endpoint.host, problems);
  if (node.wrong) return;
  if (endpoint.host.starts_with('/') && !socket_fits(endpoint.host, endpoint.port)) {
    problems.add(node, "the socket path in this directory is longer than 107 bytes",
                 "Use a shorter directory: the kernel takes no more.");
  }
  if (std::ranges::find(target.endpoints, endpoint) != target.endpoints.end()) {
    problems.add(node, "the host " + in_backquotes(to_string(endpoint)) + " stands twice",
                 "Keep one of them.");
    return;
  }
  target.endpoints.push_back(std::move(endpoint));
}

}  // namespace

void read_hosts(const Node& map, Target& target, Problems& problems) {
  const Node* node = good(map, "host");
  if (const auto wanted = parse_session_attributes(text_of(map, "target_session_attrs")))
    target.session_attributes = *wanted;
  if (text_of(map, "load_balance") == "random") target.load_balance = LoadBalance::random;
  if (node == nullptr) return;
  const bool list = node->type == Node::Type::list;
  if (list && node->items.empty()) problems.add(*node, "`host` is an empty list", "Name the server.");
  if (list && node->items.size() > target_hosts_max) {
    problems.add(*node, "`host` names more than " + std::to_string(target_hosts_max) + " hosts",
                 "Keep the ones that matter, or name one that has several addresses.");
    return;
  }
  const auto port = static_cast<std::uint16_t>(parse_integer(text_of(map, "port")).value_or(5432));
  for (const Node* host : scalars_of(map, "host")) read_endpoint(*host, list, port, target, problems);
}

}  // namespace sallyport::config
