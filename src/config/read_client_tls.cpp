// Routes over TCP and TLS: routes[].listen tcp:, routes[].tls, and which rules make sense there.
#include "config/reader.h"
#include "config/values.h"

namespace sallyport::config {
namespace {

bool is_loopback(std::string_view address) { return address.starts_with("127.") || address == "::1"; }

bool is_everywhere(std::string_view address) { return address == "0.0.0.0" || address == "::"; }

std::string file_of(const Node& map, std::string_view key, const Surroundings& around, Problems& problems) {
  std::string path{strip_file_scheme(text_of(map, key))};
  if (!path.empty()) check_named_file(path, *good(map, key), around, problems);
  return path;
}

}  // namespace

std::optional<TcpListen> read_tcp_listen(const Node& node, std::string_view text, Problems& problems) {
  const auto colon = text.rfind(':');
  auto address = text.substr(0, colon);
  const bool bracketed = address.size() > 2 && address.front() == '[' && address.back() == ']';
  if (bracketed) address = address.substr(1, address.size() - 2);
  const bool v6 = address.find(':') != std::string_view::npos;
  if (colon == std::string_view::npos || !is_ip_literal(address) || v6 != bracketed) {
    problems.add(node, in_backquotes(node.text) + " is not `tcp:ADDRESS:PORT` with an IP address",
                 "Write e.g. `tcp:127.0.0.1:6432` or `tcp:[::1]:6432`; names are not looked up here.");
    return std::nullopt;
  }
  const auto port = parse_integer(text.substr(colon + 1));
  if (!port || *port < 1 || *port > 65'535) {
    problems.add(node, "the port of " + in_backquotes(node.text) + " is not between 1 and 65535",
                 "Clients connect to it; PostgreSQL's own is 5432.");
    return std::nullopt;
  }
  return TcpListen{std::string{address}, static_cast<std::uint16_t>(*port)};
}

std::optional<ClientTlsPolicy> read_client_tls(const Node& route_node, const Route& route,
                                               const Surroundings& around, Problems& problems) {
  const auto* tcp = std::get_if<TcpListen>(&route.listen);
  const bool beyond_loopback = tcp != nullptr && !tcp->address.empty() && !is_loopback(tcp->address);
  const Entry* entry = route_node.find("tls");
  const Node* listen = good(route_node, "listen");
  if (beyond_loopback && is_everywhere(tcp->address) && listen != nullptr) {
    problems.warn(listen->at, "listens on every network of this machine. Name the address of one");
  }
  if (entry == nullptr && beyond_loopback && listen != nullptr) {
    problems.add(
        *listen, "the route is open to a network, and has no `tls`",
        "Add `tls: {cert: FILE, key: FILE, client_ca: FILE}`, or listen on 127.0.0.1 or a Unix socket.");
  }
  const Node* node = good(route_node, "tls");
  if (node == nullptr) return std::nullopt;
  ClientTlsPolicy tls;
  tls.certificate_file = file_of(*node, "cert", around, problems);
  tls.key_file = file_of(*node, "key", around, problems);
  tls.client_ca_file = file_of(*node, "client_ca", around, problems);
  tls.client_crl_file = file_of(*node, "client_crl", around, problems);
  tls.required = text_of(*node, "required", beyond_loopback ? "true" : "false") == "true";
  if (!tls.client_crl_file.empty() && node->find("client_ca") == nullptr) {
    problems.add(*good(*node, "client_crl"),
                 "`client_crl` without `client_ca`: no certificate would be checked",
                 "Name the authorities of the clients in `client_ca`.");
  }
  tls.clear_cancel = text_of(*node, "clear_cancel", "false") == "true";
  if (beyond_loopback && !tls.required && good(*node, "required") != nullptr) {
    problems.warn(good(*node, "required")->at,
                  "tls.required: false lets clients talk to this network address in clear. Remove it");
  }
  return tls;
}

void check_rule_with_tls(const Node& rule_node, const AllowRule& rule, const Route& route,
                         Problems& problems) {
  const bool tcp = std::holds_alternative<TcpListen>(route.listen);
  for (const auto* key : {"user", "group", "unit", "cgroup"}) {
    const Node* condition = good(rule_node, key);
    if (!tcp || condition == nullptr) continue;
    problems.add(*condition,
                 "`" + std::string{key} + "` never holds on a `tcp:` route: no account is known there",
                 "Use `certificate` or `verifier`, or a route with `unix:`.");
  }
  const Node* certificate = good(rule_node, "certificate");
  if (certificate == nullptr || !rule.certificate) return;
  if (!route.tls || route.tls->client_ca_file.empty()) {
    problems.add(*certificate, "`certificate` never holds: the route has no `tls.client_ca`",
                 "Name the authorities that sign the clients' certificates: `tls: {client_ca: FILE, …}`.");
  }
}

}  // namespace sallyport::config
