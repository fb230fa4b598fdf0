// What is asked when everything is over: was every end one that has a good reason, is the trail complete, are
// the leases gone.
#pragma once

#include "test/sim/world.h"

#include <string>

namespace sallyport::sim {

class Verdict {
 public:
  /// `calm`: nothing was made to fail, so nobody may have been refused or cut but by a forced rotation.
  Verdict(World& world, bool calm) : world_(world), calm_(calm) {}

  void on_everything(const credentials::ShutdownReport& report) {
    for (const auto& client : world_.clients) on_client(*client);
    on_trail();
    on_leases(report);
  }

 private:
  /// What may live on for a moment, as its grant was slow, is left to end by itself (credentials/slot_expire.cpp).
  [[nodiscard]] Duration doubt_max() const {
    return world_.clock_jumped || world_.vault.was_troubled_after(MonotonicTime{} + 1ns) ? 5s : 200ms;
  }

  void violation(const std::string& what) { world_.oracle.violation(what); }

  void on_client(const SimClient& client) {
    const bool unknown = client.plan.uid < 1000 || client.plan.uid > 1002;
    if (unknown) {
      if (client.let_in() || world_.trail.has_started(client_name(client.plan.number))) {
        violation(client.describe() + " has no right to be here and was let in");
      }
      world_.oracle.count("stranger refused");
      return;
    }
    switch (client.end()) {
      case SimClient::End::none: return violation(client.describe() + " never ended");
      case SimClient::End::as_planned: return;
      case SimClient::End::refused: return on_refused(client);
      case SimClient::End::cut: return on_cut(client);
    }
  }

  void on_refused(const SimClient& client) {
    world_.oracle.count("client refused");
    if (calm_ && !world_.ending) violation(client.describe() + " was refused for no reason");
    if (client.fatal() == "28000" || client.fatal() == "28P01") {
      // A vault whose credentials die at once may have this come up; else it is the broker's to hide.
      if (calm_) violation(client.describe() + " saw a refusal that was not about it");
    }
  }

  void on_cut(const SimClient& client) {
    const auto* record = world_.trail.of_client(client_name(client.plan.number));
    if (record == nullptr) {
      // Whoever has not yet said who it is, is told nothing when all stop at once.
      if (calm_ && !world_.stopping) violation(client.describe() + " was cut before it was let in");
      return;
    }
    const auto& reason = record->reason;
    world_.oracle.count("cut: " + reason);
    if (reason == "rotation_forced" || reason == "drained") {
      if (client.fatal() != "57P01") violation(client.describe() + " was ended without 57P01");
      if (!client.was_at_boundary()) violation(client.describe() + " was ended in the middle, by " + reason);
      const auto unanswered = client.unanswered();
      const auto ran = world_.executed.find(client.plan.number);
      if (unanswered != 0 && ran != world_.executed.end() && ran->second >= unanswered) {
        violation(client.describe() + " was ended by " + reason + " after its statement had run");
      }
    }
    if (reason == "drained" || reason == "stopped") {
      if (!world_.ending) violation(client.describe() + " was " + reason + " although nobody asked");
      return;
    }
    if (reason == "rotation_forced") return on_forced(client);
    // Exactly these: the trail also names errors, which may speak of server connections.
    const bool server_gone =
        reason.starts_with("server closed") || reason.starts_with("the server connection ended");
    if (client.plan.borrows && !server_gone && client.fatal() != "57P01" &&
        (!client.fatal().empty() || !calm_)) {
      // No connection could be had for what it asked.
      if (calm_) violation(client.describe() + " was not served, and the trail says: " + reason);
      return world_.oracle.count("client not served");
    }
    const bool both_left = client.plan.leaving == Leaving::fin && reason == "client closed";
    if (server_gone || both_left) return on_server_gone(client, *record);
    violation(client.describe() + " was cut, and the trail says: " + reason);
  }

  void on_forced(const SimClient& client) {
    // Where connections are lent it is a setting that no catalogue shows which keeps it.
    if (calm_ && !client.plan.borrows && !client.plan.keeps_state && !client.plan.transactions) {
      violation(client.describe() + " could have been moved and was ended");
    }
  }

  void on_server_gone(const SimClient& client, const SimTrail::Record& record) {
    for (const auto pid : {record.first_pid, record.last_pid}) {
      const auto* backend = world_.server.find(pid);
      if (backend == nullptr) continue;
      if (backend->death == Backend::Death::killed || backend->death == Backend::Death::credential) return;
    }
    for (const auto& [pid, backend] : world_.server.backends()) {
      if (!backend->served.contains(client.plan.number)) continue;
      if (backend->death == Backend::Death::killed || backend->death == Backend::Death::credential) return;
    }
    violation(client.describe() + ": \"" + record.reason + "\", but no server of it died");
  }

  void on_trail() {
    for (const auto& [id, record] : world_.trail.sessions()) {
      if (record.starts != 1 || record.ends != 1) {
        violation("session " + id + " of " + record.client + " has " + std::to_string(record.starts) +
                  " start and " + std::to_string(record.ends) + " end records (" + record.reason + ")");
      }
    }
  }

  void on_leases(const credentials::ShutdownReport& report) {
    const auto alive = world_.vault.alive_for(doubt_max());
    if (alive.size() > report.unrevoked.size()) {
      std::string which;
      for (const auto& id : alive) which += " " + id;
      violation(std::to_string(alive.size()) + " leases are alive after shutdown, and " +
                std::to_string(report.unrevoked.size()) + " were reported:" + which);
    }
    for (const auto& id : world_.journal.entries) {
      if (world_.vault.lease_alive(id)) continue;
      world_.oracle.count("journalled lease that has expired");
    }
    for (const auto& left : report.unrevoked) {
      if (calm_) violation("lease " + left.lease_id + " was left behind: " + left.reason);
    }
  }

  World& world_;
  bool calm_;
};

}  // namespace sallyport::sim
