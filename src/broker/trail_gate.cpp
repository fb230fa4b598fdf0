#include "broker/trail_gate.h"

namespace sallyport::broker {

namespace {

constexpr auto retry_every = std::chrono::seconds{1};

}  // namespace

TrailGate::TrailGate(trail::Sink* sink, config::AuditMode mode, net::Loop& loop, Logger& logger)
    : sink_(sink), mode_(mode), loop_(loop), logger_(logger) {}

TrailGate::~TrailGate() {
  loop_.cancel(retry_);
  loop_.cancel(quota_timer_);
}

void TrailGate::admit(trail::Event event, std::function<void(Result<void>)> admitted) {
  admissions_.push_back({std::move(event), std::move(admitted)});
  want_commit();
}

void TrailGate::note(trail::Event event) {
  if (sink_ == nullptr) return;
  if (keep(std::move(event))) want_commit();
}

bool TrailGate::keep(trail::Event event) {
  if (notes_.size() >= kept_max) {
    ++dropped_;
    return false;
  }
  notes_.push_back(std::move(event));
  return true;
}

bool TrailGate::deny(trail::Event event, std::string_view cause) {
  auto single = quota_.on_denied(std::move(event), cause, loop_.now().mono);
  const bool recorded = single.has_value();
  if (recorded) note(std::move(*single));
  arm_quota();
  return recorded;
}

void TrailGate::arm_quota() {
  if (quota_timer_) return;
  const auto due = quota_.next_due();
  if (!due) return;
  quota_timer_ = loop_.after(*due - loop_.now().mono, [this] {
    quota_timer_ = {};
    for (auto& counted : quota_.take_due(loop_.now().mono)) note(std::move(counted));
    arm_quota();
  });
}

void TrailGate::want_commit() {
  if (commit_wanted_) return;
  commit_wanted_ = true;
  loop_.at_turn_end([this] { commit(); });
}

void TrailGate::commit() {
  commit_wanted_ = false;
  auto admissions = std::exchange(admissions_, {});
  Result<void> outcome;
  if (sink_ != nullptr) {
    for (const auto& event : notes_) sink_->add(event);
    for (const auto& admission : admissions) sink_->add(admission.event);
    outcome = sink_->commit();
    if (outcome) {
      notes_.clear();
      if (!healthy_) logger_.write(LogLevel::info, "the audit trail can be written again");
      healthy_ = true;
    } else {
      // Who is let in all the same has an end that will be written: so is its start, once that can be.
      if (mode_ == config::AuditMode::best_effort) {
        for (auto& admission : admissions) keep(std::move(admission.event));
      }
      on_failure(outcome.error());
    }
  }
  const bool let_in = outcome.has_value() || mode_ == config::AuditMode::best_effort;
  for (auto& admission : admissions) {
    admission.admitted(let_in ? Result<void>{} : outcome);
  }
}

void TrailGate::on_failure(const Error& error) {
  if (healthy_) {
    const auto text = describe(error);
    logger_.write(LogLevel::error, "the audit trail cannot be written", {{"error", text}});
  }
  healthy_ = false;
  retry_later();
}

void TrailGate::retry_later() {
  if (retry_ || notes_.empty()) return;
  retry_ = loop_.after(retry_every, [this] {
    retry_ = {};
    if (!notes_.empty()) want_commit();
  });
}

void TrailGate::flush() {
  for (auto& counted : quota_.take_all()) note(std::move(counted));
  commit();
}

}  // namespace sallyport::broker
