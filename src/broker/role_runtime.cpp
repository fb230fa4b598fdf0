#include "broker/role_runtime.h"

#include <utility>

namespace sallyport::broker {

namespace {

Pool::Settings pool_settings(const TargetOpening& opening, const RoleOpening& role, const std::string& name,
                             std::shared_ptr<postgres::StatementRegistry> statements) {
  Pool::Settings settings;
  settings.name = name;
  settings.reach = opening.reach;
  settings.role = role.role;
  settings.pool = opening.target.pool;
  settings.statements = std::move(statements);
  for (const auto& method : role.role.login_methods) {
    if (method == "password") settings.methods.cleartext_password = true;
    if (method == "md5") settings.methods.md5 = true;
  }
  return settings;
}

}  // namespace

Broker::RoleRuntime::RoleRuntime(Broker& broker, const TargetOpening& opening, RoleOpening& role,
                                 std::shared_ptr<HostConnector> hosts,
                                 std::shared_ptr<postgres::StatementRegistry> statements)
    : broker_(broker),
      target_(opening.target.name),
      role_(role.role.name),
      name_(target_ + "/" + role_),
      slot_(std::move(role.source), {name_, role.poll_every, false}, broker.services_.timers,
            broker.services_.runner, broker.services_.journal, *this, broker.services_.randomness),
      hosts_(std::move(hosts)),
      connector_(*hosts_, broker.services_.loop, name_,
                 opening.logs_logins ? &broker.services_.logger : nullptr),
      pool_(std::make_shared<Pool>(pool_settings(opening, role, name_, std::move(statements)),
                                   broker.services_.loop, connector_, slot_, broker.services_.randomness)) {
  hosts_->on_left([pool = std::weak_ptr<Pool>{pool_}](const net::Address& address) {
    if (const auto alive = pool.lock()) alive->leave(address);
  });
}

RoleStatus Broker::RoleRuntime::status() const {
  RoleStatus status;
  status.role = role_;
  status.pool = pool_->status();
  status.pool_min_ready = pool_->settings().pool.min_ready;
  status.pool_max = pool_->settings().pool.max;
  status.logins = connector_.figures();
  auto slot = slot_.status();
  status.credential_present = slot.current != 0;
  if (slot.last_error) status.credential_error = describe(*slot.last_error);
  status.next_fetch_in = slot.next_attempt_in;
  status.generations = std::move(slot.generations);
  for (auto& generation : status.generations) {
    if (generation.user.empty()) generation.user = pool_->settings().role.user;
  }
  status.credential = slot_.counters();
  return status;
}

std::vector<HostStatus> Broker::RoleRuntime::hosts() const {
  const auto& named = pool_->settings().reach->endpoints;
  if (!named.empty()) return hosts_->status_of(named);
  const auto current = slot_.current();
  if (current == nullptr) return {};
  const auto reach = pool_->reach_for(*current);
  return reach ? hosts_->status_of((*reach)->endpoints) : std::vector<HostStatus>{};
}

void Broker::RoleRuntime::on_new_generation(credentials::GenerationPtr generation) {
  const auto& credential = *generation->credential;
  const auto& user = credential.user.empty() ? pool_->settings().role.user : credential.user;
  broker_.services_.logger.write(
      LogLevel::info, "a credential was fetched",
      {{"role", name_}, {"generation", static_cast<std::int64_t>(generation->number)}, {"user", user}});
  auto event = credential_event("fetched", generation->number);
  event.upstream_user = user;
  if (credential.lease) event.lease_accessor = credential.lease->accessor;
  broker_.services_.trail.note(std::move(event));
  if (!generation->ignored_fields.empty()) warn_of_ignored(generation->ignored_fields);
  pool_->on_new_generation(generation->number);
  keep_expected_ready();
  if (credential.lease && !std::exchange(swept_, true)) sweep(*credential.lease);
}

void Broker::RoleRuntime::on_generation_ending(credentials::GenerationPtr generation, Moment deadline,
                                               Duration doubt) {
  const auto left = format_duration(deadline.mono - broker_.services_.loop.now().mono);
  broker_.services_.logger.write(
      LogLevel::info, "a credential ends and is not renewed; its sessions are moved",
      {{"role", name_}, {"generation", static_cast<std::int64_t>(generation->number)}, {"in", left}});
  pool_->note_ending(generation->number, {deadline.mono, doubt});
  broker_.on_generation_ending(*pool_, generation->number, {deadline.mono, doubt});
}

void Broker::RoleRuntime::on_generation_gone(credentials::GenerationPtr generation) {
  auto event = credential_event("gone", generation->number);
  event.upstream_user = generation->credential->user;
  broker_.services_.trail.note(std::move(event));
}

void Broker::RoleRuntime::on_warning(const std::string& text) {
  broker_.services_.logger.write(LogLevel::warning, text, {{"role", name_}});
}

void Broker::RoleRuntime::on_security_event(const credentials::SecurityEvent& event) {
  broker_.services_.logger.write(LogLevel::error, event.text,
                                 {{"role", name_}, {"event", name_of(event.kind)}});
  auto record = credential_event(name_of(event.kind), event.generation);
  record.kind = trail::EventKind::security;
  record.reason = event.text;
  broker_.services_.trail.note(std::move(record));
}

// Only now is it known whose leases are ours, and is there a token to end them with.
void Broker::RoleRuntime::sweep(const Lease& lease) {
  if (broker_.services_.sweeper == nullptr) return;
  broker_.services_.sweeper->sweep(
      [this](Lease orphan, std::function<void(Result<void>)> done) {
        slot_.revoke_orphan(std::move(orphan), std::move(done));
      },
      credentials::home_of(lease), broker_.services_.loop.now().wall,
      [this](credentials::SweepReport report) {
        if (report.revoked > 0) {
          broker_.services_.logger.write(
              LogLevel::warning, "leases that a dead run left were revoked",
              {{"role", name_}, {"leases", static_cast<std::int64_t>(report.revoked)}});
        }
        for (const auto& complaint : report.complaints) on_warning(complaint);
      });
}

void Broker::RoleRuntime::sweep_again() {
  const auto current = slot_.current();
  if (current != nullptr && current->credential->lease) sweep(*current->credential->lease);
}

void Broker::RoleRuntime::warn_of_ignored(const std::vector<std::string>& fields) {
  std::string list;
  for (const auto& field : fields) list += (list.empty() ? "" : ", ") + field;
  broker_.services_.logger.write(LogLevel::warning,
                                 "the secret holds fields that only the configuration may set",
                                 {{"role", name_}, {"ignored", list}});
}

trail::Event Broker::RoleRuntime::credential_event(std::string_view result, std::uint64_t generation) const {
  trail::Event event;
  event.kind = trail::EventKind::credential;
  event.at = broker_.services_.loop.now().wall;
  event.target = target_;
  event.role = role_;
  event.result = result;
  event.generation = generation;
  return event;
}

}  // namespace sallyport::broker
