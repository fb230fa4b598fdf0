#include "cli/notify.h"

#include "net/datagram.h"

#include <unistd.h>

#include <charconv>

namespace sallyport::cli {

namespace {

std::optional<std::int64_t> number_of(std::string_view text) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  return number;
}

constexpr std::int64_t watchdog_usec_min = 30'000;
constexpr std::int64_t watchdog_usec_max = 86'400'000'000;

}  // namespace

Notify::Notify(std::string socket, std::string_view watchdog_usec, std::string_view watchdog_pid)
    : socket_(std::move(socket)) {
  const auto usec = number_of(watchdog_usec);
  if (socket_.empty() || !usec || *usec < watchdog_usec_min || *usec > watchdog_usec_max) return;
  if (!watchdog_pid.empty() && number_of(watchdog_pid) != getpid()) return;
  watchdog_every_ = std::chrono::microseconds{*usec / 3};
}

void Notify::say(std::string_view state, std::string_view status) const {
  if (socket_.empty()) return;
  std::string text{state};
  if (state == "RELOADING=1") {
    // The manager wants to know since when.
    const auto now = std::chrono::duration_cast<std::chrono::microseconds>(
        std::chrono::steady_clock::now().time_since_epoch());
    text += "\nMONOTONIC_USEC=" + std::to_string(now.count());
  }
  if (!status.empty()) text.append("\nSTATUS=").append(status);
  net::UnixDatagrams{socket_}.send(text);
}

}  // namespace sallyport::cli
