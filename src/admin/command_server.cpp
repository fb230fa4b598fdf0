// The admin socket: who may, lines in, lines out.
#include "admin/endpoint.h"
#include "admin/status_desk.h"
#include "admin/status_json.h"

#include <boost/asio/post.hpp>
#include <boost/asio/read_until.hpp>
#include <boost/asio/streambuf.hpp>
#include <boost/asio/write.hpp>

namespace sallyport::admin {

namespace {

namespace asio = boost::asio;
using Json = nlohmann::ordered_json;

/// Between two commands of one connection, and for an answer to be taken.
constexpr auto idle_deadline = std::chrono::seconds{10};

std::string line_of(const Json& json) {
  return json.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string line_of(const Outcome& outcome) {
  Json json{{"ok", outcome.ok}, {"text", outcome.text}};
  if (!outcome.fix.empty()) json["fix"] = outcome.fix;
  return line_of(json);
}

class CommandConnection : public std::enable_shared_from_this<CommandConnection> {
 public:
  CommandConnection(Socket socket, const IoPtr& io, Caller who, Control& control,
                    std::shared_ptr<StatusDesk> desk)
      : socket_(std::move(socket)),
        timer_(socket_.get_executor()),
        io_(io),
        who_(who),
        control_(control),
        desk_(std::move(desk)) {}

  void start() {
    if (may_command(who_.uid)) return read();
    control_.note_refused(who_);
    last_ = true;
    write(line_of(Outcome{false, "uid " + std::to_string(who_.uid) + " may not command this Sallyport",
                          "Ask root, or the account that it runs as"}));
  }

  void close() {
    boost::system::error_code ignored;
    timer_.cancel();
    socket_.close(ignored);
  }

 private:
  void close_after(Duration delay) {
    timer_.expires_after(std::chrono::duration_cast<std::chrono::steady_clock::duration>(delay));
    timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
      const auto self = weak.lock();
      if (!error && self) self->on_overdue();
    });
  }

  // While a command is under way the client is told; else it has been silent.
  void on_overdue() {
    if (!std::exchange(running_, false)) return close();
    last_ = true;
    ++turn_;  // its answer would come too late
    write(line_of(Outcome{false, "the broker did not answer in time", "Look at its log; it may hang"}));
  }

  void read() {
    close_after(idle_deadline);
    asio::async_read_until(socket_, input_, '\n',
                           [self = shared_from_this()](boost::system::error_code error, std::size_t size) {
                             self->on_line(error, size);
                           });
  }

  void on_line(boost::system::error_code error, std::size_t size) {
    if (error == asio::error::not_found) {
      last_ = true;
      return write(line_of(Outcome{false, "the command is longer than 4096 bytes", {}}));
    }
    if (error) return close();
    const std::string line{asio::buffers_begin(input_.data()),
                           asio::buffers_begin(input_.data()) + static_cast<std::ptrdiff_t>(size - 1)};
    input_.consume(size);
    auto command = parse_command(line);
    if (!command) return write(line_of(Outcome{false, command.error().what, command.error().hint}));
    run(std::move(*command));
  }

  void run(Command command) {
    running_ = true;
    close_after(command_deadline);
    const auto turn = ++turn_;
    if (command.verb == Verb::status) {
      return desk_->ask([self = shared_from_this(), turn](const broker::Status* status) {
        if (status == nullptr)
          return self->on_answer(turn, line_of(Outcome{false, "the relay loop did not answer in time", {}}));
        self->on_answer(turn, line_of(Json{{"ok", true}, {"status", to_json(*status)}}));
      });
    }
    control_.run(std::move(command), who_,
                 [self = shared_from_this(), turn, io = io_.lock()](const Outcome& outcome) {
                   asio::post(*io, [self, turn, line = line_of(outcome)] {
                     self->desk_->forget();
                     self->on_answer(turn, line);
                   });
                 });
  }

  void on_answer(std::uint64_t turn, std::string line) {
    if (turn != turn_ || !std::exchange(running_, false)) return;
    write(std::move(line));
  }

  void write(std::string line) {
    output_ = std::move(line);
    close_after(idle_deadline);
    asio::async_write(socket_, asio::buffer(output_),
                      [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                        if (error) return self->close();
                        if (self->last_) return self->say_goodbye();
                        self->read();
                      });
  }

  // Closed with bytes unread it would take the answer away from whoever sent them.
  void say_goodbye() {
    boost::system::error_code ignored;
    socket_.shutdown(Socket::shutdown_send, ignored);
    discard();
  }

  void discard() {
    input_.consume(input_.size());
    socket_.async_read_some(input_.prepare(command_bytes_max),
                            [self = shared_from_this()](boost::system::error_code error, std::size_t) {
                              if (error) return self->close();
                              self->discard();
                            });
  }

  Socket socket_;
  asio::steady_timer timer_;
  std::weak_ptr<asio::io_context> io_;
  Caller who_;
  Control& control_;
  std::shared_ptr<StatusDesk> desk_;
  asio::streambuf input_{command_bytes_max};
  std::string output_;
  std::uint64_t turn_ = 0;
  bool running_ = false;  // a command is under way
  bool last_ = false;     // the connection ends with what is being written
};

class CommandEndpoint final : public AnyEndpoint {
 public:
  CommandEndpoint(const IoPtr& io, net::Listener listener, Control& control, std::shared_ptr<StatusDesk> desk)
      : io_(io),
        control_(control),
        desk_(std::move(desk)),
        endpoint_(*io, std::move(listener), AF_UNIX,
                  [this](Socket socket) { return make(std::move(socket)); }) {}

  void accept_no_more() override { endpoint_.accept_no_more(); }

 private:
  std::shared_ptr<CommandConnection> make(Socket socket) {
    const auto peer = net::peer_of_unix(socket.native_handle());
    if (!peer) return nullptr;
    const Caller who{peer->pid, peer->uid};
    return std::make_shared<CommandConnection>(std::move(socket), io_, who, control_, desk_);
  }

  IoPtr io_;
  Control& control_;
  std::shared_ptr<StatusDesk> desk_;
  Endpoint<CommandConnection> endpoint_;
};

}  // namespace

std::unique_ptr<AnyEndpoint> serve_commands(const IoPtr& io, net::Listener listener, Control& control,
                                            std::shared_ptr<StatusDesk> desk) {
  return std::make_unique<CommandEndpoint>(io, std::move(listener), control, std::move(desk));
}

}  // namespace sallyport::admin
