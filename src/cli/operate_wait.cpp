#include "cli/operate_wait.h"

#include "cli/counted.h"

#include <chrono>

namespace sallyport::cli {

namespace {

using Json = nlohmann::ordered_json;
using admin::Verb;

constexpr auto look_every = std::chrono::milliseconds{200};
constexpr auto tell_again_every = std::chrono::seconds{1};

std::uint64_t number(const Json& target, const char* key) {
  const auto found = target.find(key);
  return found != target.end() && found->is_number_unsigned() ? found->get<std::uint64_t>() : 0;
}

Progress progress_of_target(Verb verb, const Json& target) {
  using State = Progress::State;
  const auto name = target.value("target", "") + ": ";
  const bool paused = target.value("paused", false);
  const auto in_use = number(target, "in_use"), ending = number(target, "ending");
  if (verb == Verb::pause && !paused) return {State::resumed, name + "the pause was ended"};
  if (!paused) {
    if (ending == 0) return {State::done, {}};
    return {State::waits, name + counted(ending, "session has not ended", "sessions have not ended")};
  }
  // Sessions that wait for a connection were told too, perhaps: they end behind the transaction that they wait for.
  if (in_use == 0) return {State::done, {}};
  return {verb == Verb::drain && ending == 0 ? State::told_late : State::waits,
          name + counted(in_use, "server connection is in use", "server connections are in use")};
}

}  // namespace

Progress progress_of(const admin::Command& command, const Json& status) {
  using State = Progress::State;
  Progress all{State::done, {}, true};
  const auto targets = status.find("targets");
  if (targets == status.end() || !targets->is_array()) return all;
  for (const auto& target : *targets) {
    if (!target.is_object()) continue;
    if (!command.target.empty() && target.value("target", "") != command.target) continue;
    auto one = progress_of_target(command.verb, target);
    all.paused = all.paused && target.value("paused", false);
    if (one.state == State::done) continue;
    // The sessions of one may still be ending while another has to be told again.
    all.state = std::max(all.state, one.state);
    all.left += (all.left.empty() ? "" : "\n") + one.left;
  }
  return all;
}

Result<std::string> wait_until_done(const admin::Command& command, Duration limit, const WaitPorts& ports) {
  using State = Progress::State;
  const auto until = ports.now() + limit;
  auto tell_again_at = ports.now();
  while (true) {
    const auto answer = ports.call({Verb::status, {}});
    if (!answer) return answer.error();
    const auto status = answer->json.find("status");
    const auto progress = progress_of(command, status == answer->json.end() ? Json::object() : *status);
    if (progress.state == State::done) {
      return std::string{progress.paused ? "no server connection is in use any more"
                                         : "all sessions that were told have ended"};
    }
    if (progress.state == State::resumed)
      return Error{ErrorCode::denied, Hop::none, {}, progress.left + " meanwhile", "Pause again", {}};
    const auto now = ports.now();
    if (now >= until) {
      return Error{ErrorCode::timed_out,
                   Hop::none,
                   {},
                   progress.left + " after " + format_duration(limit) +
                       (progress.paused ? ", and the pause goes on" : ""),
                   command.verb == Verb::pause
                       ? "Wait longer; `sallyport drain` ends sessions at their next transaction boundary, "
                         "`sallyport resume` undoes the pause"
                       : "Wait longer: a transaction, or a pinned session, goes on",
                   {}};
    }
    if (progress.state == State::told_late && now >= tell_again_at) {
      tell_again_at = now + tell_again_every;
      if (auto told = ports.call(command); !told) return told.error();
      continue;
    }
    ports.sleep(std::min<Duration>(look_every, until - now));
  }
}

}  // namespace sallyport::cli
