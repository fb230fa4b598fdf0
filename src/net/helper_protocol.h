// What the broker and its helper say to one another: one packet each (SOCK_SEQPACKET), in host order,
// because both are the same program.
#pragma once

#include "net/helper.h"

#include <cstdint>
#include <string>
#include <vector>

namespace sallyport::net {

enum class HelperOrder : std::uint32_t { run, kill };

struct HelperRequest {
  HelperOrder order = HelperOrder::run;
  std::uint32_t number = 0;       ///< answers carry it
  std::uint32_t deadline_ms = 0;  ///< from now
  std::uint32_t arguments = 0;    ///< how many, each ended by a zero byte, behind this
  std::uint32_t variables = 0;    ///< likewise "NAME=value", behind the arguments
};

enum class HelperOutcome : std::uint32_t { exited, signalled, not_started, timed_out, refused };

struct HelperReply {
  std::uint32_t number = 0;
  HelperOutcome outcome = HelperOutcome::exited;
  std::int32_t value = 0;  ///< exit status, signal or errno
};

/// The helper's whole life: serves requests on `socket` until that ends. Called in the forked child.
/// `gate` null: every program may run.
[[noreturn]] void serve_as_helper(UniqueFd socket, pid_t parent, std::vector<std::string> environment,
                                  const ProgramGate& gate);

}  // namespace sallyport::net
