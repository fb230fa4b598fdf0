// One role of a target: its credential, its pool, and what the log and the trail hear of both. Private to the broker.
#pragma once

#include "broker/broker.h"
#include "broker/host_connector.h"

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::broker {

class Broker::RoleRuntime final : public credentials::Observer {
 public:
  /// `hosts`: of the target. `statements`: also of the pool that this one's replaces.
  RoleRuntime(Broker& broker, const TargetOpening& opening, RoleOpening& role,
              std::shared_ptr<HostConnector> hosts, std::shared_ptr<postgres::StatementRegistry> statements);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] const std::string& target() const { return target_; }
  credentials::Slot& slot() { return slot_; }
  [[nodiscard]] RoleStatus status() const;
  /// Where its server may be: of the target, or of the secret that it has now.
  [[nodiscard]] std::vector<HostStatus> hosts() const;
  const std::shared_ptr<Pool>& pool() { return pool_; }
  /// What the pool that this one replaces was asked for.
  void remember(std::vector<PoolKey> keys) { keys_before_ = std::move(keys); }
  /// As Broker::warm_ahead().
  void warm_ahead(const std::vector<ExpectedClient>& clients);
  /// For leases that a process of ours has left that ended while we run.
  void sweep_again();

 private:
  void on_new_generation(credentials::GenerationPtr generation) override;
  void on_generation_ending(credentials::GenerationPtr generation, Moment deadline, Duration doubt) override;
  void on_generation_gone(credentials::GenerationPtr generation) override;
  void on_warning(const std::string& text) override;
  void on_security_event(const credentials::SecurityEvent& event) override;

  void keep_expected_ready();
  void sweep(const Lease& lease);
  void warn_of_ignored(const std::vector<std::string>& fields);
  [[nodiscard]] trail::Event credential_event(std::string_view result, std::uint64_t generation) const;

  Broker& broker_;
  std::string target_, role_;
  std::string name_;  // both, for messages
  bool swept_ = false;
  credentials::Slot slot_;
  std::shared_ptr<HostConnector> hosts_;
  MeteredConnector connector_;
  std::shared_ptr<Pool> pool_;
  std::vector<PoolKey> keys_before_, expected_;  // the latter: until there is a credential
};

}  // namespace sallyport::broker
