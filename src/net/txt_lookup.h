// A name's TXT records, asked of the name servers that the system's resolver would ask.
//
// glibc's resolver and not a library of its own: it reads the same /etc/resolv.conf and makes the same system calls as
// getaddrinfo, so the sandbox is as it was. What comes back is a stranger's bytes: counted, cut, never shown.
#pragma once

#include "base/bytes.h"
#include "base/result.h"

#include <string>
#include <vector>

namespace sallyport::net {

/// Blocks, some seconds as a rule, longer where a name server takes a TCP connection and says nothing: call it on a lane.
///
/// The name is taken as it is, without search domains; aliases (CNAME) are followed by the name servers. No records: the
/// name has none of this type.
/// Limits  LookupTxt::records_max and record_bytes_max (base/conversation.h).
/// Errors  hop dns, where = name.  not_found: no such name.  retry_later: no answer, or none that counts.
///         invalid_message, limit_exceeded: as decode_txt_answer().
Result<std::vector<std::string>> txt_records(const std::string& name);

/// The TXT records of class IN in the answer section of a DNS message, their strings joined, in the message's order. One
/// longer than record_bytes_max comes out empty.
/// Errors  hop dns, where = name.  invalid_message: no DNS message.  limit_exceeded: more than records_max of them.
/// Source  RFC 1035, 3.3.14 and 4.1.
Result<std::vector<std::string>> decode_txt_answer(Bytes message, const std::string& name);

}  // namespace sallyport::net
