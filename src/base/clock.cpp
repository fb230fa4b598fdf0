#include "base/clock.h"

#include <sys/random.h>

#include <ctime>
#include <stdexcept>

namespace sallyport {

Moment SystemClock::now() const {
  return {std::chrono::system_clock::now(), std::chrono::steady_clock::now()};
}

void SystemRandomness::fill(MutableBytes out) {
  while (!out.empty()) {
    const auto got = getrandom(out.data(), out.size(), 0);
    if (got < 0) throw std::runtime_error("getrandom failed");
    out = out.subspan(static_cast<std::size_t>(got));
  }
}

std::string format_utc(WallTime time) {
  using namespace std::chrono;
  const auto micros = duration_cast<microseconds>(time.time_since_epoch()).count();
  auto seconds = micros / 1'000'000;
  auto fraction = micros % 1'000'000;
  if (fraction < 0) {
    fraction += 1'000'000;
    --seconds;
  }
  const std::time_t whole = seconds;
  std::tm parts{};
  gmtime_r(&whole, &parts);
  char date_and_time[32];
  std::strftime(date_and_time, sizeof date_and_time, "%Y-%m-%dT%H:%M:%S", &parts);
  const auto digits = std::to_string(1'000'000 + fraction).substr(1);
  return std::string{date_and_time} + "." + digits + "Z";
}

std::string format_duration(Duration duration) {
  const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(duration).count();
  if (seconds < 1 && duration.count() > 0) {
    return std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(duration).count()) + " ms";
  }
  if (seconds < 120) return std::to_string(seconds) + " s";
  if (seconds < 120 * 60) return std::to_string(seconds / 60) + " min";
  if (seconds < 48 * 3600) return std::to_string(seconds / 3600) + " h";
  return std::to_string(seconds / 86400) + " days";
}

}  // namespace sallyport
