// Reading the configuration again: whole, or not at all.
#include "cli/service.h"

namespace sallyport::cli {

void Service::answer_reloads(const admin::Outcome& outcome) {
  std::vector<OperatorDesk::Done> waiting;
  {
    const std::lock_guard lock{reloads_mutex_};
    waiting.swap(reloads_);
  }
  for (const auto& done : waiting) done(outcome);
}

// Who asks while one is under way is answered by the next, which its signal brings.
void Service::reload() {
  std::vector<OperatorDesk::Done> waiting;
  {
    const std::lock_guard lock{reloads_mutex_};
    waiting.swap(reloads_);
  }
  notify_.say("RELOADING=1", "reading the configuration");
  const auto outcome = reload_now();
  notify_.say("READY=1", state_text());
  for (const auto& done : waiting) done(outcome);
}

// Checked whole before anything is touched: an invalid file changes nothing.
admin::Outcome Service::reload_now() {
  if (auto held = confinement_->holds(context_, served_->config()); !held)
    return say_not_reloaded({held.error()});
  auto loaded = config::load(served_->config().file, context_.clock.now().wall, confinement_->outside());
  if (!loaded) return say_not_reloaded(loaded.error());
  auto prepared = served_->prepare(std::move(*loaded));
  if (!prepared) return say_not_reloaded({prepared.error()});
  if (auto read = admin_.reload_token(served_->config().admin); !read)
    return say_not_reloaded({read.error()});
  const auto applied = served_->apply(std::move(*prepared));
  say_reloaded(applied);
  limit_clients(served_->config());
  prefetch();
  runtime_->on_relay([&](broker::Broker&) {
    if (predecessor_link_) predecessor_link_->tell_reloaded();
  });
  std::string text = "the configuration was reloaded; changed: " + applied.changed;
  if (applied.sessions_ended != 0) text += "; sessions that end: " + std::to_string(applied.sessions_ended);
  return {true, std::move(text), {}};
}

// Opens no sockets, so that the sandbox of the start does not matter.
void Service::judge_sessions() {
  auto loaded = config::load(served_->config().file, context_.clock.now().wall, confinement_->outside());
  if (!loaded) return void(say_not_reloaded(loaded.error()));
  auto prepared = served_->prepare(std::move(*loaded));
  if (!prepared) return void(say_not_reloaded({prepared.error()}));
  const auto applied = served_->apply(std::move(*prepared));
  if (applied.sessions_ended != 0) say_reloaded(applied);
  runtime_->on_relay([&](broker::Broker& broker) {
    broker.expect_no_more();
    if (predecessor_link_) predecessor_link_->tell_reloaded();
  });
}

admin::Outcome Service::say_not_reloaded(const std::vector<Error>& errors) {
  for (const auto& error : errors) {
    const auto text = describe(error);
    context_.logger.write(LogLevel::error, "the configuration was not reloaded", {{"why", text}});
  }
  if (errors.size() == 1) {
    auto only = errors.front();
    const auto hint = std::exchange(only.hint, {});
    return {false, "the configuration was not reloaded, the old one stays: " + describe(only), hint};
  }
  std::string text = "the configuration was not reloaded, the old one stays:";
  for (const auto& error : errors) text += "\n  " + describe(error);
  return {false, std::move(text), {}};
}

void Service::say_reloaded(const AppliedConfig& applied) {
  say_warnings();
  if (!applied.needs_restart.empty()) {
    context_.logger.write(LogLevel::warning, "what changed is read at start only: it needs a restart",
                          {{"keys", applied.needs_restart}});
  }
  if (applied.sessions_ended != 0) {
    context_.logger.write(LogLevel::warning,
                          "the new policy refuses live sessions: they end at their next boundary",
                          {{"sessions", static_cast<std::int64_t>(applied.sessions_ended)}});
  }
  context_.logger.write(LogLevel::info, "the configuration was reloaded", {{"changed", applied.changed}});
}

}  // namespace sallyport::cli
