// SASLprep: which bytes a password is, before it is hashed.
#pragma once

#include "base/secret.h"

namespace sallyport::crypto {

/// The password as PostgreSQL hashes it: normalised by SASLprep, or the raw bytes when that fails
/// (not UTF-8, a prohibited or unassigned character, mixed directions, nothing left).
///
/// Pure ASCII is its own normal form and never passes through libidn, whose working memory is not wiped.
/// Source  RFC 4013; PostgreSQL manual, "SASL Authentication"; pg_saslprep().
Secret saslprep_or_raw(const Secret& password);

}  // namespace sallyport::crypto
