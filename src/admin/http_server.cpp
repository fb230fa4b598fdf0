// HTTP by Boost.Beast, and the only file that includes it. One request a connection: whoever asks every few seconds
// does not need more, and no idle connection has to be kept.
#include "admin/endpoint.h"
#include "admin/status_desk.h"

#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>

namespace sallyport::admin {

namespace {

namespace beast = boost::beast;
namespace http = beast::http;

class HttpConnection : public std::enable_shared_from_this<HttpConnection> {
 public:
  HttpConnection(Socket socket, const HttpRules& rules, std::shared_ptr<StatusDesk> desk)
      : stream_(std::move(socket)), rules_(rules), desk_(std::move(desk)) {
    parser_.header_limit(http_header_bytes_max);
  }

  void start() {
    stream_.expires_after(http_deadline);
    http::async_read(
        stream_, buffer_, parser_,
        [self = shared_from_this()](beast::error_code error, std::size_t) { self->on_read(error); });
  }

  void close() { stream_.close(); }

 private:
  using Stream = beast::basic_stream<boost::asio::generic::stream_protocol>;
  using Message = http::request<http::empty_body>;

  static std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

  std::optional<std::string_view> header(http::field field) const {
    const auto found = parser_.get().find(field);
    if (found == parser_.get().end()) return std::nullopt;
    return view(found->value());
  }

  /// Views into the parser's message.
  HttpRequest request() const {
    const auto target = view(parser_.get().target());
    return {view(parser_.get().method_string()), target.substr(0, target.find('?')),
            header(http::field::host),           header(http::field::origin),
            header(http::field::authorization),  header(http::field::accept)};
  }

  void on_read(beast::error_code error) {
    if (error == http::error::header_limit)
      return write({431, "text/plain; charset=utf-8", "The header is too long.\n"});
    const bool lost = error && error.category() == boost::system::system_category();
    if (lost || error == http::error::end_of_stream || error == beast::error::timeout) return close();
    if (error)
      return write({400, "text/plain; charset=utf-8", "This is no request that is understood here.\n"});
    if (parser_.get().count(http::field::host) > 1 || parser_.get().count(http::field::origin) > 1 ||
        parser_.get().count(http::field::authorization) > 1)
      return write({400, "text/plain; charset=utf-8", "A header stands there twice.\n"});
    auto admitted = admit(request(), rules_);
    if (auto* refused = std::get_if<HttpAnswer>(&admitted)) return write(std::move(*refused));
    // Longer than the desk's own deadline.
    stream_.expires_after(http_deadline);
    desk_->ask(
        [self = shared_from_this(), resource = std::get<Resource>(admitted)](const broker::Status* status) {
          self->write(answer(resource, self->request(), self->rules_, status));
        });
  }

  void write(HttpAnswer answer) {
    reply_ = {static_cast<http::status>(answer.status), 11};
    reply_.set(http::field::content_type, answer.content_type);
    reply_.set(http::field::cache_control, "no-store");
    reply_.set("X-Content-Type-Options", "nosniff");
    if (answer.status == 401) reply_.set(http::field::www_authenticate, "Bearer");
    if (answer.status == 405) reply_.set(http::field::allow, "GET, HEAD");
    reply_.keep_alive(false);
    const auto size = answer.body.size();
    const bool head = parser_.is_header_done() && parser_.get().method() == http::verb::head;
    if (!head) reply_.body() = std::move(answer.body);
    reply_.content_length(size);
    stream_.expires_after(http_deadline);
    http::async_write(stream_, reply_, [self = shared_from_this()](beast::error_code error, std::size_t) {
      if (error) return;
      beast::error_code ignored;
      self->stream_.socket().shutdown(Socket::shutdown_send, ignored);
    });
  }

  Stream stream_;
  const HttpRules& rules_;
  std::shared_ptr<StatusDesk> desk_;
  beast::flat_buffer buffer_{http_header_bytes_max + 1'024};
  http::request_parser<http::empty_body> parser_;
  http::response<http::string_body> reply_;
};

class HttpEndpoint final : public AnyEndpoint {
 public:
  HttpEndpoint(const IoPtr& io, net::Listener listener, HttpRules rules, std::shared_ptr<StatusDesk> desk)
      : rules_(std::move(rules)),
        desk_(std::move(desk)),
        endpoint_(*io, std::move(listener), rules_.tcp ? AF_INET : AF_UNIX,
                  [this](Socket socket) { return make(std::move(socket)); }) {}

  void accept_no_more() override { endpoint_.accept_no_more(); }

 private:
  std::shared_ptr<HttpConnection> make(Socket socket) {
    if (!rules_.tcp) {
      const auto uid = net::uid_of_local_peer(socket.native_handle());
      if (!uid || !may_command(*uid)) return nullptr;
    }
    return std::make_shared<HttpConnection>(std::move(socket), rules_, desk_);
  }

  HttpRules rules_;
  std::shared_ptr<StatusDesk> desk_;
  Endpoint<HttpConnection> endpoint_;
};

}  // namespace

std::unique_ptr<AnyEndpoint> serve_http(const IoPtr& io, net::Listener listener, HttpRules rules,
                                        std::shared_ptr<StatusDesk> desk) {
  return std::make_unique<HttpEndpoint>(io, std::move(listener), std::move(rules), std::move(desk));
}

}  // namespace sallyport::admin
