// Which servers lose the role that a connection began with (run_as, ALTER ROLE … SET role, options) by DISCARD ALL.
//
// SET SESSION AUTHORIZATION, which is part of it, took the role along up to the releases of November 2024. RESET ROLE
// behind it brings the role back.
//
// Source  PostgreSQL, commit cd82afdda5 "Fix improper interactions between session_authorization and role": 12.21,
//         13.17, 14.14, 15.9, 16.5, 17.1.
#pragma once

#include <string_view>

namespace sallyport::broker {

/// `server_version`: as the server reports it. One that cannot be read: not known to lose it.
bool discard_all_loses_role(std::string_view server_version);

}  // namespace sallyport::broker
