#include "admin/health.h"

namespace sallyport::admin {

namespace {

class Checks {
 public:
  void check(std::string_view what, bool good, std::string_view why_not) {
    health_.text.append(good ? "ok " : "failed ").append(what);
    if (!good) health_.text.append(": ").append(why_not);
    health_.text += '\n';
    health_.good = health_.good && good;
  }
  bool relay(const broker::Status* status) {
    check("relay loop", status != nullptr, "it did not answer in time");
    return status != nullptr;
  }
  Health take() { return std::move(health_); }

 private:
  Health health_{true, {}};
};

void check_listening(Checks& checks, const broker::Status& status) {
  checks.check("routes", status.process.listening, "they are not open yet");
}

}  // namespace

Health live(const broker::Status* status) {
  Checks checks;
  checks.relay(status);
  return checks.take();
}

Health started(const broker::Status* status) {
  Checks checks;
  if (checks.relay(status)) check_listening(checks, *status);
  return checks.take();
}

Health ready(const broker::Status* status, bool trail_required) {
  Checks checks;
  if (!checks.relay(status)) return checks.take();
  check_listening(checks, *status);
  checks.check("accepting", !status->process.draining, "it was asked to stop");
  const bool written = status->trail.present && status->trail.healthy;
  checks.check("audit trail", written || !trail_required, "it cannot be written");
  for (const auto& target : status->targets) {
    for (const auto& role : target.roles) {
      checks.check("credential " + target.name + "/" + role.role, role.credential_present, "it is missing");
    }
  }
  return checks.take();
}

}  // namespace sallyport::admin
