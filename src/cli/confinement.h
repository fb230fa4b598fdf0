// How `serve` gives up what it does not need: forks the processes that stay outside, enters the sandbox, and tells
// whether a reload stays within it.
//
// `exec` and `connect` do none of it: what they start would inherit it, and they look into the processes that they
// serve.
#pragma once

#include "broker/status.h"
#include "cli/command.h"
#include "cli/sandbox_rules.h"
#include "net/helper.h"
#include "net/porter.h"
#include "net/sandbox.h"
#include "net/scout.h"

#include <memory>
#include <string>
#include <vector>

namespace sallyport::cli {

class Confinement {
 public:
  /// Before the first thread and the first secret. Makes the directories that will be written to, where they are
  /// missing: a rule needs one that is there.
  ///
  /// Errors  internal: of the forks.  peer_unsupported: `sandbox: required`, and the kernel lacks a part of it.
  static Result<Confinement> enter(Context& context, const config::Config& config);

  [[nodiscard]] const std::shared_ptr<net::Helper>& helper() const { return helper_; }
  /// Null: nothing keeps us from looking at processes ourselves.
  [[nodiscard]] const std::shared_ptr<net::Scout>& scout() const { return scout_; }
  /// Null: we may open files ourselves.
  [[nodiscard]] FileOpener outside() const;
  [[nodiscard]] const broker::SandboxStatus& status() const { return status_; }
  [[nodiscard]] const std::vector<std::string>& missing() const { return missing_; }

  /// Whether the file as it stands now can be served from inside. What it reads elsewhere outside() opens, but sockets
  /// are made and removed in the directories of the start. What is read at start only counts as in `served`.
  ///
  /// Errors  bad_config: it names another directory for sockets; a restart makes a wider sandbox.
  [[nodiscard]] Result<void> holds(const Context& context, const config::Config& served) const;

 private:
  Confinement() = default;
  Result<void> enter_sandbox(Context& context, const config::Config& config);

  std::shared_ptr<net::Helper> helper_;
  std::shared_ptr<net::Scout> scout_;
  std::shared_ptr<net::Porter> porter_;
  broker::SandboxStatus status_;
  std::vector<std::string> missing_;
  std::vector<net::FileRule> granted_;  ///< empty: files are not confined
};

}  // namespace sallyport::cli
