#include "broker/trail_gate.h"

#include "base/limits.h"
#include "trail/record.h"

#include <string>
#include <utility>

namespace sallyport::broker {

namespace {

constexpr auto retry_every = std::chrono::seconds{1};

// A chunk and what was added last before it was full.
static_assert(trail::record_bytes_per_byte_max * limits::trail_chunk_bytes_max + trail::record_bytes_max <
              limits::trail_commit_bytes_max);

void count(CountsByWord& counts, std::string_view word) {
  const auto found = counts.find(word);
  if (found != counts.end()) {
    ++found->second;
  } else {
    counts.emplace(word, 1);
  }
}

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
  notes_.add(std::move(event));
  if (state_ == State::well) return want_commit();
  if (!retry_) commit_after(retry_every);
}

bool TrailGate::deny(trail::Event event, std::string_view cause, std::string_view detail) {
  count(totals_.refusals, cause);
  count(totals_.refusals_of_route[event.route], cause);
  const auto kind = std::string{cause}.append(" ").append(detail);
  auto single = quota_.on_denied(std::move(event), kind, loop_.now().mono);
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
  std::size_t written = 0;
  Result<void> outcome;
  if (sink_ != nullptr && !(admissions.empty() && notes_.empty())) {
    const bool apart = state_ != State::well;
    outcome = write(admissions, written);
    // Who is let in all the same has an end that will be written: so is its start, once that can be.
    if (mode_ == config::AuditMode::best_effort) {
      for (auto i = written; i < admissions.size(); ++i) notes_.add(std::move(admissions[i].event));
    }
    const auto all = outcome && apart ? write_notes() : outcome;
    all ? on_success() : on_failure(all.error());
  }
  const bool let_in = outcome.has_value() || mode_ == config::AuditMode::best_effort;
  for (std::size_t i = 0; i < admissions.size(); ++i) {
    admissions[i].admitted(let_in || i < written ? Result<void>{} : outcome);
  }
}

/// Writes the admissions, and the notes with them where none is left from before. The first `written` admissions are
/// written, also if there is an error.
Result<void> TrailGate::write(const std::vector<Admission>& admissions, std::size_t& written) {
  std::size_t bytes = 0;
  auto notes = state_ == State::well ? add_notes(limits::trail_chunk_bytes_max, bytes) : 0;
  for (std::size_t i = 0; i < admissions.size(); ++i) {
    const auto size = trail::bytes_in_memory(admissions[i].event);
    if (bytes != 0 && bytes + size > limits::trail_chunk_bytes_max) {
      if (auto done = commit_added(notes); !done) return done;
      written = i;
      bytes = 0;
    }
    sink_->add(admissions[i].event);
    ++added_;
    bytes += size;
  }
  if (bytes == 0) return {};
  auto done = commit_added(notes);
  if (done) written = admissions.size();
  return done;
}

/// A chunk of what is kept, or one record to try whether the trail is well.
Result<void> TrailGate::write_notes() {
  if (notes_.empty()) return {};
  std::size_t bytes = 0;
  auto notes = add_notes(state_ == State::failing ? 0 : limits::trail_chunk_bytes_max, bytes);
  return commit_added(notes);
}

std::size_t TrailGate::add_notes(std::size_t bytes_max, std::size_t& bytes) {
  const auto events = notes_.first(bytes_max);
  for (const auto* event : events) {
    sink_->add(*event);
    ++added_;
    bytes += trail::bytes_in_memory(*event);
  }
  return events.size();
}

Result<void> TrailGate::commit_added(std::size_t& notes) {
  auto done = sink_->commit();
  const auto added = std::exchange(added_, 0);
  if (!done) return done;
  totals_.written += added;
  notes_.remove_first(std::exchange(notes, 0));
  if (state_ == State::failing) state_ = State::catching_up;
  return done;
}

void TrailGate::on_success() {
  if (!notes_.empty()) {
    state_ = State::catching_up;
    return commit_after({});
  }
  state_ = State::well;
  loop_.cancel(std::exchange(retry_, {}));
  if (std::exchange(failure_told_, false)) {
    logger_.write(LogLevel::info, "the audit trail can be written again");
  }
  tell_lost();
}

void TrailGate::on_failure(const Error& error) {
  state_ = State::failing;
  if (!std::exchange(failure_told_, true)) {
    const auto text = describe(error);
    logger_.write(LogLevel::error, "the audit trail cannot be written", {{"error", text}});
  }
  if (!notes_.empty()) commit_after(retry_every);
}

void TrailGate::tell_lost() {
  const auto lost = notes_.lost();
  if (lost.denials == 0 && lost.others == 0) return;
  notes_.forget_lost();
  totals_.lost_denials += lost.denials;
  totals_.lost_others += lost.others;
  logger_.write(LogLevel::error, "audit records were lost: the trail could not be written for too long",
                {{"denials", static_cast<std::int64_t>(lost.denials)},
                 {"others", static_cast<std::int64_t>(lost.others)}});
  note_lost(lost.denials, "denials");
  note_lost(lost.others, "records");
}

void TrailGate::note_lost(std::uint64_t count, std::string_view what) {
  if (count == 0) return;
  trail::Event event;
  event.kind = trail::EventKind::security;
  event.at = loop_.now().wall;
  event.result = "dropped";
  event.reason = std::string{what} + " were not recorded: the audit trail could not be written for too long";
  event.count = count;
  note(std::move(event));
}

void TrailGate::commit_after(Duration delay) {
  loop_.cancel(retry_);
  retry_ = loop_.after(delay, [this] {
    retry_ = {};
    want_commit();
  });
}

TrailStatus TrailGate::status() const {
  auto now = totals_;
  now.present = sink_ != nullptr;
  now.healthy = healthy();
  now.queued = notes_.size();
  now.queued_bytes = notes_.bytes();
  const auto untold = notes_.lost();
  now.lost_denials += untold.denials;
  now.lost_others += untold.others;
  return now;
}

void TrailGate::flush() {
  for (auto& counted : quota_.take_all()) note(std::move(counted));
  do {
    commit();
  } while (!notes_.empty() && state_ != State::failing);
  if (notes_.empty()) return;
  const auto lost = notes_.lost();
  logger_.write(LogLevel::error, "audit records are lost: the trail cannot be written",
                {{"denials", static_cast<std::int64_t>(lost.denials)},
                 {"others", static_cast<std::int64_t>(lost.others)},
                 {"kept", static_cast<std::int64_t>(notes_.size())}});
}

}  // namespace sallyport::broker
