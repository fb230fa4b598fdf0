// System calls that a broker never makes, forbidden for good to the calling thread and those that it starts.
//
// A list of what is forbidden rather than of what is allowed: the C library, OpenSSL and curl choose their calls by
// themselves, and an update of theirs must not stop a broker. What a library may try for a good reason fails with
// EPERM; what only an exploit does ends the process. Both are written to the kernel's log (audit: type=SECCOMP).
//
// Programs cannot be started, nor processes: those of `exec:` are the helper's (net/helper.h).
#pragma once

#include "base/result.h"

#include <span>
#include <string_view>

namespace sallyport::net {

/// By name; those that this machine's processor has not are left out. Beside them: processes (`clone` without
/// CLONE_THREAD), sockets of other families than Unix, IPv4, IPv6 and netlink, and typing into a terminal (TIOCSTI).
std::span<const std::string_view> calls_refused();
std::span<const std::string_view> calls_that_end_the_process();

/// Contract: the thread's no_new_privs is set.
///
/// Errors  internal: the kernel's word. Nothing is forbidden then.
Result<void> forbid_system_calls();

}  // namespace sallyport::net
