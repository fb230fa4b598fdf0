// A driver on a loop and lanes of its own, on a thread.
#pragma once

#include "net/driver.h"
#include "test/net/tls_server.h"

#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <thread>

namespace sallyport::test {

class Driver : public testing::Test {
 protected:
  Driver() {
    thread = std::thread{[this] { loop.run(); }};
  }
  ~Driver() override {
    loop.stop();
    thread.join();
  }
  net::RunResult run(net::Dial dial, std::unique_ptr<Conversation> conversation,
                     Duration deadline = std::chrono::seconds{5}) {
    std::promise<net::RunResult> promise;
    driver.run_connected(std::move(dial), std::move(conversation), deadline,
                         [&](net::RunResult result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }
  /// Without a connection.
  net::RunResult run(std::unique_ptr<Conversation> conversation, Duration deadline) {
    std::promise<net::RunResult> promise;
    driver.run(std::move(conversation), deadline,
               [&](net::RunResult result) { promise.set_value(std::move(result)); });
    return promise.get_future().get();
  }
  static std::uint16_t closed_port() {
    std::uint16_t port = 0;
    auto listener = listen_on_loopback(port);
    return port;
  }
  SystemClock clock;
  SystemRandomness randomness;
  net::EpollLoop loop{clock};
  net::Lane dns{"dns", 1, 8}, http{"http", 1, 8}, file{"file", 1, 8}, helper{"helper", 1, 8};
  net::Driver driver{{loop, clock, randomness, dns, http, file, helper, nullptr, nullptr,
                      [](const std::string&) { return std::optional<Secret>{}; }}};
  std::thread thread;
};

}  // namespace sallyport::test
