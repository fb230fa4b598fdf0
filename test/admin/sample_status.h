// A Status with something in each place.
#pragma once

#include "broker/status.h"

namespace sallyport::test {

inline broker::Status sample_status() {
  using namespace std::chrono_literals;
  broker::Status status;
  status.at = WallTime{1'800'000'000s};
  status.process = {"1.2.3", 4711, WallTime{1'799'999'000s}, 1000s, true, false, {"locked-memory"}};
  status.sessions = 3;
  status.sessions_max = 100;
  status.counters.accepted = 9;
  status.counters.beyond_max = 2;
  status.process.expiries = {{"route", "unix:/run/x:5432", "client_crl", status.at + 90s},
                             {"target", "db", "certificate", status.at - 60s}};
  status.process.figures = {123'456'789, 42, 1024, 1500ms};
  auto& route = status.routes["unix:/run/x:5432"];
  route = {"db", 3, {}};
  route.login.add(2ms);
  status.trail.present = true;
  status.trail.written = 12;
  status.trail.refusals["policy denied"] = 4;
  status.trail.refusals_of_route["unix:/run/x:5432"]["policy denied"] = 4;
  broker::TargetStatus target;
  target.name = "db";
  target.sessions = 2;
  target.traffic.bytes_to_client = 1234;
  target.traffic.session_duration.add(1500ms);
  target.traffic.rotation_forced["temporary_tables"] = 2;
  target.traffic.pins["listen"] = 1;
  target.traffic.state_refused["setting"] = 3;
  target.pool.mode = PoolMode::transaction;
  target.hosts.push_back({"db1:5432", broker::HostStatus::State::failed, 30s});
  target.hosts.push_back({"db2:5432", broker::HostStatus::State::serving, {}});
  target.in_use = 2;
  target.retired = 1;
  broker::RoleStatus role;
  role.role = "app";
  role.pool.in_use = 2;
  role.pool.wait.add(3ms);
  role.pool.wait.add(40s);
  role.pool_max = 20;
  role.logins.by_result[0] = 5;
  role.logins.duration.add(20ms);
  role.credential_present = true;
  role.credential.fetch_duration.add(5ms);
  role.generations.push_back({6, false, "v-old", 100s, 20s, 1});
  role.generations.push_back({7, true, "v-new", 60s, 3540s, 2});
  target.roles.push_back(role);
  status.targets.push_back(target);
  return status;
}

}  // namespace sallyport::test
