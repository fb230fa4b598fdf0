#include "admin/server.h"

#include "admin/endpoint.h"
#include "admin/status_desk.h"

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/post.hpp>

#include <pthread.h>
#include <signal.h>

#include <thread>

namespace sallyport::admin {

struct Server::State {
  IoPtr io = std::make_shared<boost::asio::io_context>(1);  // answers that come late hold it, too
  boost::asio::executor_work_guard<boost::asio::io_context::executor_type> work{io->get_executor()};
  std::shared_ptr<StatusDesk> desk;
  std::unique_ptr<AnyEndpoint> http, commands;
  std::thread thread;
};

Server::Server(ServerSettings settings, Control& control) : state_(std::make_unique<State>()) {
  auto& state = *state_;
  state.desk = std::make_shared<StatusDesk>(state.io, control);
  if (settings.http) {
    state.http = serve_http(state.io, std::move(*settings.http), std::move(settings.http_rules), state.desk);
  }
  if (settings.commands) {
    state.commands = serve_commands(state.io, std::move(*settings.commands), control, state.desk);
  }
  state.thread = std::thread{[io = state.io] {
    // Signals are the main thread's.
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_BLOCK, &all, nullptr);
    pthread_setname_np(pthread_self(), "admin");
    io->run();
  }};
}

void Server::accept_no_more() {
  boost::asio::post(*state_->io, [state = state_.get()] {
    for (const auto* endpoint : {&state->http, &state->commands}) {
      if (*endpoint) (*endpoint)->accept_no_more();
    }
  });
}

Server::~Server() {
  state_->io->stop();
  state_->thread.join();
  // Connections first: what is left of their handlers goes with the io_context.
  state_->http.reset();
  state_->commands.reset();
}

}  // namespace sallyport::admin
