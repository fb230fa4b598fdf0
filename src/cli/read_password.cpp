#include "cli/read_password.h"

#include "net/fd.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace sallyport::cli {

namespace {

constexpr char interrupt = 3;  // Ctrl-C

Error bad(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::none, "password", std::move(what), std::move(hint), {}};
}

/// Echo is off while this lives. Signals from the keyboard come as bytes, so that none leaves it off.
class Silence {
 public:
  explicit Silence(int fd) : fd_(fd) {
    if (tcgetattr(fd_, &before_) != 0) return;
    termios now = before_;
    now.c_lflag &= ~static_cast<tcflag_t>(ECHO | ISIG);
    now.c_lflag |= ECHONL;
    now.c_cc[VEOL] = interrupt;
    active_ = tcsetattr(fd_, TCSAFLUSH, &now) == 0;
  }
  Silence(const Silence&) = delete;
  Silence& operator=(const Silence&) = delete;
  ~Silence() {
    if (active_) tcsetattr(fd_, TCSAFLUSH, &before_);
  }
  [[nodiscard]] bool active() const { return active_; }

 private:
  int fd_;
  termios before_{};
  bool active_ = false;
};

/// Up to the end of a line, which is left out; without it at the end of input.
Result<Secret> read_line(int fd) {
  auto line = Secret::of_size(password_bytes_max + 1);
  std::size_t size = 0;
  while (size < line.size()) {
    const auto at = line.writable().subspan(size, 1);
    const auto count = read(fd, at.data(), 1);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0 && size == 0)
      return Error{ErrorCode::cancelled, Hop::none, "password", "there was none", {}, {}};
    if (count <= 0 || at[0] == '\n') {
      const bool carriage = size > 0 && line.writable()[size - 1] == '\r';
      line.shrink(size - (carriage ? 1 : 0));
      return line;
    }
    if (at[0] == interrupt)
      return Error{ErrorCode::cancelled, Hop::none, "password", "none was given", {}, {}};
    if (at[0] == 0) return bad("holds a zero byte", "No client could send it: use another");
    ++size;
  }
  return bad("is longer than 1024 bytes", "Use a shorter one: some clients send no more");
}

Result<Secret> not_empty(Result<Secret> line) {
  if (line && line->empty()) return bad("is empty", "Use another, or let --generate make one");
  return line;
}

}  // namespace

Result<Secret> ask_password(const std::string& prompt) {
  const net::UniqueFd terminal{open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
  if (!terminal.valid())
    return bad("cannot be asked for: there is no terminal", "Use --stdin and a pipe, or --generate");
  const Silence silence{terminal.get()};
  if (!silence.active()) return bad("cannot be asked for without being shown", "Use --stdin, or --generate");
  if (write(terminal.get(), prompt.data(), prompt.size()) < 0)
    return bad("cannot be asked for: the terminal takes nothing", "Use --stdin, or --generate");
  return not_empty(read_line(terminal.get()));
}

Result<Secret> read_password_from_stdin() { return not_empty(read_line(STDIN_FILENO)); }

}  // namespace sallyport::cli
