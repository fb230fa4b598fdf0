// The whole codec in one include: frames, the first packet, logins, errors, session messages.
#pragma once

#include "wire/postgres/authentication.h"    // IWYU pragma: export
#include "wire/postgres/error_fields.h"      // IWYU pragma: export
#include "wire/postgres/first_packet.h"      // IWYU pragma: export
#include "wire/postgres/frame.h"             // IWYU pragma: export
#include "wire/postgres/session_messages.h"  // IWYU pragma: export
