// What `sallyport resolve` was given, a reference or a target of the configuration, up to a session with its source.
#pragma once

#include "cli/command.h"
#include "cli/exec_target.h"
#include "secrets/source.h"

#include <memory>
#include <string>

namespace sallyport::cli {

struct Opened {
  secrets::Reference reference;  ///< as given; of a target, its role's
  ExecTarget target;
  secrets::Purpose purpose;
  std::unique_ptr<secrets::SourceSession> session;
};

/// `text`: a reference, or TARGET or TARGET/ROLE of the configuration (-c, SALLYPORT_CONFIG). What -c names must load.
///
/// Errors  bad_config: of the reference or the configuration; the target has several roles and none is named.
Result<Opened> open_for_resolve(Context& context, const std::string& text);

}  // namespace sallyport::cli
