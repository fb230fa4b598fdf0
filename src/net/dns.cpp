#include "net/dns.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <memory>

namespace sallyport::net {

namespace {

constexpr std::size_t host_bytes_max = 255;

Error fault(ErrorCode code, const std::string& host, std::string what, std::string hint) {
  return {code, Hop::dns, host, std::move(what), std::move(hint), {}};
}

std::uint32_t scope_of(const std::string& text) {
  if (text.empty()) return 0;
  if (const auto index = if_nametoindex(text.c_str()); index != 0) return index;
  if (text.size() > 9 || !std::ranges::all_of(text, [](char c) { return c >= '0' && c <= '9'; })) return 0;
  return static_cast<std::uint32_t>(std::stoul(text));
}

std::optional<Address> ip_literal(std::string host, std::uint16_t port) {
  Address address;
  address.port = port;
  if (inet_pton(AF_INET, host.c_str(), address.bytes.data()) == 1) {
    address.family = AF_INET;
    return address;
  }
  const auto percent = host.find('%');
  if (percent != std::string::npos) {
    address.scope = scope_of(host.substr(percent + 1));
    if (address.scope == 0) return {};
    host.resize(percent);
  }
  if (inet_pton(AF_INET6, host.c_str(), address.bytes.data()) != 1) return {};
  address.family = AF_INET6;
  return address;
}

std::string socket_name(const std::string& directory, std::uint16_t port) {
  return directory + (directory.back() == '/' ? "" : "/") + ".s.PGSQL." + std::to_string(port);
}

bool is_mapped(const Address& address) {
  constexpr std::array<std::uint8_t, 12> prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return address.family == AF_INET6 && std::equal(prefix.begin(), prefix.end(), address.bytes.begin());
}

Error lookup_error(const std::string& host, int code, int system_error) {
  switch (code) {
    case EAI_NONAME:
      return fault(ErrorCode::not_found, host, "there is no such host",
                   "Check the spelling, and the search domains in /etc/resolv.conf.");
#ifdef EAI_NODATA
    case EAI_NODATA:
#endif
#ifdef EAI_ADDRFAMILY
    case EAI_ADDRFAMILY:
#endif
      return fault(ErrorCode::not_found, host, "the name exists but has no address",
                   "Add an A or AAAA record.");
    case EAI_AGAIN:
      return fault(ErrorCode::retry_later, host, "the name server did not answer",
                   "Check the network and the name servers in /etc/resolv.conf.");
    case EAI_SYSTEM:
      return fault(ErrorCode::retry_later, host,
                   std::string{"the look-up failed: "} + std::strerror(system_error),
                   "Check /etc/resolv.conf and /etc/nsswitch.conf.");
    default:
      return fault(ErrorCode::retry_later, host, std::string{"the look-up failed: "} + gai_strerror(code),
                   "Check /etc/resolv.conf and /etc/nsswitch.conf.");
  }
}

struct AddressInfoFree {
  void operator()(addrinfo* info) const { freeaddrinfo(info); }
};

}  // namespace

socklen_t Address::to_sockaddr(sockaddr_storage& out) const {
  std::memset(&out, 0, sizeof out);
  if (family == AF_INET) {
    auto& v4 = reinterpret_cast<sockaddr_in&>(out);
    v4.sin_family = AF_INET;
    v4.sin_port = htons(port);
    std::memcpy(&v4.sin_addr, bytes.data(), 4);
    return sizeof v4;
  }
  if (family == AF_INET6) {
    auto& v6 = reinterpret_cast<sockaddr_in6&>(out);
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_scope_id = scope;
    std::memcpy(&v6.sin6_addr, bytes.data(), 16);
    return sizeof v6;
  }
  auto& local = reinterpret_cast<sockaddr_un&>(out);
  local.sun_family = AF_UNIX;
  const auto size = std::min(path.size(), sizeof local.sun_path - 1);
  std::memcpy(local.sun_path, path.data(), size);
  return static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + size + 1);
}

std::optional<Address> Address::from_sockaddr(const sockaddr_storage& in, socklen_t size) {
  Address address;
  address.family = in.ss_family;
  if (in.ss_family == AF_INET && size >= sizeof(sockaddr_in)) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(in);
    address.port = ntohs(v4.sin_port);
    std::memcpy(address.bytes.data(), &v4.sin_addr, 4);
    return address;
  }
  if (in.ss_family == AF_INET6 && size >= sizeof(sockaddr_in6)) {
    const auto& v6 = reinterpret_cast<const sockaddr_in6&>(in);
    address.port = ntohs(v6.sin6_port);
    address.scope = v6.sin6_scope_id;
    std::memcpy(address.bytes.data(), &v6.sin6_addr, 16);
    return address;
  }
  if (in.ss_family == AF_UNIX && size >= offsetof(sockaddr_un, sun_path)) {
    const auto& local = reinterpret_cast<const sockaddr_un&>(in);
    const auto room = std::min<std::size_t>(size - offsetof(sockaddr_un, sun_path), sizeof local.sun_path);
    address.path.assign(local.sun_path, strnlen(local.sun_path, room));
    return address;
  }
  return {};
}

std::string Address::to_string() const {
  if (family == AF_UNIX) return path;
  char text[INET6_ADDRSTRLEN] = "?";
  inet_ntop(family, bytes.data(), text, sizeof text);
  const auto suffix = ":" + std::to_string(port);
  if (family == AF_INET) return text + suffix;
  return "[" + std::string{text} + (scope == 0 ? "" : "%" + std::to_string(scope)) + "]" + suffix;
}

std::string Address::host() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (family != AF_INET && family != AF_INET6) return {};
  return inet_ntop(family, bytes.data(), text, sizeof text) == nullptr ? std::string{} : text;
}

Network Address::network() const {
  if (family != AF_INET && family != AF_INET6) return {};
  Network network{static_cast<std::uint32_t>(family), 0};
  std::memcpy(&network.prefix, bytes.data(), family == AF_INET ? 4 : sizeof network.prefix);
  return network;
}

std::string Network::to_string() const {
  Address address;
  address.family = static_cast<int>(family);
  std::memcpy(address.bytes.data(), &prefix, sizeof prefix);
  return address.host() + (family == AF_INET6 ? "/64" : "");
}

bool Address::is_loopback() const {
  if (family == AF_UNIX) return true;
  if (family == AF_INET) return bytes[0] == 127;
  if (is_mapped(*this)) return bytes[12] == 127;
  constexpr std::array<std::uint8_t, 16> loopback{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1};
  return family == AF_INET6 && bytes == loopback;
}

bool Address::is_link_local() const {
  if (family == AF_INET) return bytes[0] == 169 && bytes[1] == 254;
  if (is_mapped(*this)) return bytes[12] == 169 && bytes[13] == 254;
  if (family != AF_INET6) return false;
  const bool aws = bytes[0] == 0xfd && bytes[1] == 0x00 && bytes[2] == 0x0e && bytes[3] == 0xc2;
  return aws || (bytes[0] == 0xfe && (bytes[1] & 0xc0) == 0x80);
}

std::optional<Address> literal_address(const std::string& host, std::uint16_t port) {
  if (host.empty()) return {};
  if (host.front() == '/') {
    Address address;
    address.family = AF_UNIX;
    address.port = port;
    address.path = socket_name(host, port);
    return address;
  }
  if (host.size() > 2 && host.front() == '[' && host.back() == ']') {
    auto inner = ip_literal(host.substr(1, host.size() - 2), port);
    return inner && inner->family == AF_INET6 ? inner : std::nullopt;
  }
  return ip_literal(host, port);
}

bool is_ip_literal(const std::string& host) {
  return !host.empty() && host.front() != '/' && ip_literal(host, 0);
}

Result<std::vector<Address>> resolve(const std::string& host, std::uint16_t port) {
  if (host.empty() || host.size() > host_bytes_max || host.find('\0') != std::string::npos) {
    return fault(ErrorCode::bad_config, host.substr(0, 40), "is no host name",
                 "Host names have 1 to 255 characters.");
  }
  if (auto literal = literal_address(host, port)) {
    if (literal->path.size() >= sizeof(sockaddr_un::sun_path)) {
      return fault(
          ErrorCode::bad_config, host,
          "makes a socket path longer than " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) + " bytes",
          "Use a shorter directory.");
    }
    return std::vector<Address>{*literal};
  }
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* list = nullptr;
  const int code = getaddrinfo(host.c_str(), nullptr, &hints, &list);
  if (code != 0) return lookup_error(host, code, errno);
  const std::unique_ptr<addrinfo, AddressInfoFree> owner{list};
  std::vector<Address> found;
  for (const addrinfo* at = list; at != nullptr && found.size() < addresses_max; at = at->ai_next) {
    sockaddr_storage storage{};
    std::memcpy(&storage, at->ai_addr, std::min<std::size_t>(at->ai_addrlen, sizeof storage));
    auto address = Address::from_sockaddr(storage, at->ai_addrlen);
    if (!address) continue;
    address->port = port;
    if (std::ranges::find(found, *address) == found.end()) found.push_back(*address);
  }
  if (found.empty()) return lookup_error(host, EAI_NONAME, 0);
  return found;
}

std::optional<Address> peer_address(int fd) {
  sockaddr_storage storage{};
  socklen_t size = sizeof storage;
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &size) != 0) return std::nullopt;
  return Address::from_sockaddr(storage, size);
}

}  // namespace sallyport::net
