#include "cli/admin_listeners.h"

#include "net/file_reader.h"
#include "net/socket_directory.h"

#include <algorithm>

namespace sallyport::cli {

namespace {

constexpr std::size_t token_bytes_max = 4'096;

Result<net::Listener> listen_private(const std::string& path, net::GivenSockets& given) {
  if (auto socket = given.find_unix(path)) return std::move(*socket);
  const auto slash = path.rfind('/');
  const auto directory = net::SocketDirectory::open_shared(path.substr(0, std::max<std::size_t>(slash, 1)));
  if (!directory) return directory.error();
  return directory->listen_named(path.substr(slash + 1), 0600);
}

Result<net::Listener> listen_http(const config::Admin& admin, net::GivenSockets& given) {
  if (const auto* path = std::get_if<std::string>(&admin.listen)) return listen_private(*path, given);
  const auto& tcp = std::get<TcpListen>(admin.listen);
  if (auto socket = given.find_tcp(tcp.address, tcp.port)) return std::move(*socket);
  auto socket = net::listen_tcp(tcp.address, tcp.port);
  if (!socket) return socket.error();
  return net::Listener{std::move(*socket)};
}

/// Into `place`, or an error where the configuration asked for it.
Result<void> keep(Result<net::Listener> listener, bool named, std::optional<net::Listener>& place,
                  Logger& logger) {
  if (listener) {
    place.emplace(std::move(*listener));
    return {};
  }
  if (named) return listener.error();
  const auto text = describe(listener.error());
  logger.write(LogLevel::info, "a default admin socket cannot be opened, and is left out", {{"why", text}});
  return {};
}

}  // namespace

Result<void> AdminListeners::open(Context& context, const config::Config& config, net::GivenSockets& given) {
  const auto& admin = config.admin;
  if (!admin.socket.empty()) {
    auto kept =
        keep(listen_private(admin.socket, given), admin.socket_named, settings_.commands, context.logger);
    if (!kept) return kept;
  }
  if (!std::holds_alternative<std::monostate>(admin.listen)) {
    auto kept = keep(listen_http(admin, given), admin.listen_named, settings_.http, context.logger);
    if (!kept) return kept;
  }
  settings_.http_rules.tcp = std::holds_alternative<TcpListen>(admin.listen);
  settings_.http_rules.hosts = admin.hosts;
  settings_.http_rules.token = token_;
  settings_.http_rules.trail_required = config.audit.mode == config::AuditMode::required;
  return reload_token(admin);
}

void AdminListeners::serve(admin::Control& control) {
  for (const auto* listener : {&settings_.commands, &settings_.http}) {
    if (*listener) kept_.push_back((*listener)->share());
  }
  server_ = std::make_unique<admin::Server>(std::move(settings_), control);
}

std::vector<net::SharedListener> AdminListeners::share() const {
  std::vector<net::SharedListener> all;
  for (const auto& one : kept_) all.push_back(one.copy());
  return all;
}

void AdminListeners::accept_no_more() {
  if (server_) server_->accept_no_more();
  kept_.clear();
}

void AdminListeners::stop() {
  server_.reset();
  kept_.clear();
}

Result<void> AdminListeners::reload_token(const config::Admin& admin) {
  if (admin.token_file.empty()) return {};
  auto token = net::read_file({admin.token_file, token_bytes_max, FileTrust::is_private});
  if (!token) return token.error();
  const auto text = as_text(Bytes{token->writable()});
  token->shrink(std::min(text.find_last_not_of(" \t\r\n") + 1, text.size()));
  if (token->size() == 0) {
    return Error{ErrorCode::bad_config,
                 Hop::config,
                 admin.token_file,
                 "holds no token",
                 "Write one line of random text into it: openssl rand -hex 32",
                 {}};
  }
  token_->set(std::move(*token));
  return {};
}

}  // namespace sallyport::cli
