// One Secret out of the API server, as a step of an Inquiry.
#pragma once

#include "secrets/inquiry.h"
#include "secrets/kubernetes/account.h"
#include "secrets/kubernetes/options.h"
#include "secrets/web.h"

#include <string>

namespace sallyport::secrets::kubernetes {

/// A Secret that is not watched is asked for as often as the kubelet looks after its mounts.
inline constexpr auto refetch_after = std::chrono::minutes{1};

/// A whole step. A token that is refused is read once more and sent again: it may have been replaced just now.
///
/// Errors  bad_config: not in a cluster.  denied: 401; 403, with the rules to add.  not_found: no such Secret, no such
///         key.  retry_later and others: as ask_web.
Result<Then> fetch_secret(Inquiry& ask, const Options& options, Fetched& yield);

/// What a status of the API server means, and what to do about it.
Error meaning_of(const WebReply& reply, const Claims& claims, const Options& options, WallTime now);

}  // namespace sallyport::secrets::kubernetes
