// The sources that ask this machine only: a file, an environment variable, a systemd credential, a program.
//
// They have no leases and nothing to end; a fetch reads again, so that a replaced file is seen. Errors name the
// file, variable or program, never what came out of it.
#pragma once

#include "secrets/source.h"

namespace sallyport::secrets {

/// `file:/run/secrets/db[#field][?allow_world_readable=true][&shape=password]`
std::unique_ptr<Source> file_source();

/// `env:NAME[#field][?shape=password]`
std::unique_ptr<Source> env_source();

/// `systemd:NAME[#field][?shape=password]`: the file NAME in $CREDENTIALS_DIRECTORY.
std::unique_ptr<Source> systemd_source();

/// `exec:/path/to/program words…[#field][?shape=password]`: the secret is what it prints. No shell, 10 s, 64 KiB.
std::unique_ptr<Source> exec_source();

}  // namespace sallyport::secrets
