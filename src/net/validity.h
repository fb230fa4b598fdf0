// From when until when certificates and revocation lists of a PEM text hold: what ends shuts somebody out, from one
// second to the next, so it has to be told before.
#pragma once

#include "base/clock.h"

#include <optional>
#include <string_view>

namespace sallyport::net {

struct Validity {
  WallTime from, until;
};

/// Of the first certificate. None: there is none.
std::optional<Validity> validity_of_certificate(std::string_view pem);
/// Of the list that ends first: `nextUpdate`, behind which it refuses everybody. None: no list ends.
std::optional<Validity> validity_of_lists(std::string_view pem);

/// How long before its end to speak: a fifth of its life, so that neither a daily list nor a yearly certificate is told
/// too early or too late, and two weeks at the most.
Duration warn_ahead(const Validity& validity);

}  // namespace sallyport::net
