#include "cli/confirm.h"

#include "net/fd.h"

#include <fcntl.h>
#include <termios.h>
#include <unistd.h>

#include <cstdio>

namespace sallyport::cli {

Result<void> confirm(const std::string& question, const std::string& where, const std::string& hint) {
  const auto denied = [&](std::string what, std::string fix) {
    return Error{ErrorCode::denied, Hop::none, where, std::move(what), std::move(fix), {}};
  };
  const net::UniqueFd terminal{open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY)};
  if (!terminal.valid()) return denied("there is no terminal to ask on", hint);
  // What was typed before the question is no answer to it.
  tcflush(terminal.get(), TCIFLUSH);
  dprintf(terminal.get(), "%s [y/N] ", question.c_str());
  char answer[16] = {};
  const auto size = read(terminal.get(), answer, sizeof answer - 1);
  if (size > 0 && (answer[0] == 'y' || answer[0] == 'Y')) return {};
  return denied("was not confirmed", {});
}

}  // namespace sallyport::cli
