// What the admin thread asks of the running service: snapshots and commands, passed on to the relay loop or, for a
// reload, to the main thread; each command stands in the trail with who gave it (threat 15).
#pragma once

#include "admin/control.h"
#include "cli/runtime.h"

#include <functional>

namespace sallyport::cli {

class OperatorDesk final : public admin::Control {
 public:
  using Done = std::function<void(admin::Outcome)>;

  /// `reload` has the main thread reload, and answers when that has ended. Both outlive this.
  OperatorDesk(Runtime& runtime, std::function<void(Done)> reload)
      : runtime_(runtime), reload_(std::move(reload)) {}

  void status(std::function<void(broker::Status)> done) override;
  void run(admin::Command command, admin::Caller who, Done done) override;
  void note_refused(admin::Caller who) override;

 private:
  Runtime& runtime_;
  std::function<void(Done)> reload_;
};

}  // namespace sallyport::cli
