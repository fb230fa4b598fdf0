// What admin/ asks of the broker: cli/ wires it. And who asks.
#pragma once

#include "admin/command.h"
#include "broker/status.h"

#include <cstdint>
#include <functional>
#include <string>

namespace sallyport::admin {

/// The process at the other end of the admin socket, as the kernel says.
struct Caller {
  std::int64_t pid = 0;
  std::uint32_t uid = 0;
};

/// How a command ended; texts are printable and hold no secret.
struct Outcome {
  bool ok = false;
  std::string text;  ///< what was done, or why not
  std::string fix;   ///< what to do about it; may be empty
};

/// Called on the admin thread. Answers may come on any thread, and, when the broker hangs, never: who asks has a
/// deadline of its own.
class Control {
 public:
  virtual ~Control() = default;
  virtual void status(std::function<void(broker::Status)> done) = 0;
  /// Does it and writes it to the trail, whatever comes of it.
  virtual void run(Command command, Caller who, std::function<void(Outcome)> done) = 0;
  /// Somebody who may not was told so: for the trail.
  virtual void note_refused(Caller who) = 0;
};

}  // namespace sallyport::admin
