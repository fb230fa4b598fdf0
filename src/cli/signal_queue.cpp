#include "cli/signal_queue.h"

#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>

#include <vector>

namespace sallyport::cli {

SignalQueue::SignalQueue(std::initializer_list<int> numbers) {
  sigset_t set;
  sigemptyset(&set);
  for (const int number : numbers) sigaddset(&set, number);
  fd_.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
}

int SignalQueue::next() const {
  signalfd_siginfo info{};
  return read(fd_.get(), &info, sizeof info) == sizeof info ? static_cast<int>(info.ssi_signo) : 0;
}

void wait_for_any(std::initializer_list<int> descriptors, int milliseconds) {
  std::vector<pollfd> waiting;
  for (const int fd : descriptors) waiting.push_back({fd, POLLIN, 0});
  poll(waiting.data(), waiting.size(), milliseconds);
}

}  // namespace sallyport::cli
