// A record as an entry of systemd's journal, for a copy that the writer's own account cannot change
// (threat 9).
//
// Source  systemd, "Native Journal Protocol" (systemd.io/JOURNAL_NATIVE_PROTOCOL): one datagram an entry; a
//         field is its name, a line feed, the value's length as 64 bits little endian, the value, a line feed.
//         The journal itself adds _UID, _PID and _EXE of the sender, as the kernel names them.
#pragma once

#include "trail/event.h"

#include <string>
#include <string_view>

namespace sallyport::trail {

/// MESSAGE (one line for people), PRIORITY, SYSLOG_IDENTIFIER=sallyport, SALLYPORT_KIND, SALLYPORT_SESSION when
/// there is one, and SALLYPORT_RECORD: `record`, the canonical record as it stands in the trail.
std::string encode_journal_entry(const Event& event, std::string_view record);

}  // namespace sallyport::trail
