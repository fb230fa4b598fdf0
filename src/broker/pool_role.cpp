// What a pool asks behind a login: the settings of the user (role_settings.h), and, where sessions' state is verified, the
// role that the connection begins with, which nobody can ask for later.
#include "broker/move_questions.h"
#include "broker/pool.h"

#include <utility>

namespace sallyport::broker {

namespace {

constexpr std::size_t names_told_max = 10, name_told_max = 63;
constexpr double changes_at_once_max = 10, changes_per_second = 0.1;

bool asks_for_role(const PoolSettings& settings) {
  return settings.mode == PoolMode::transaction && settings.verify_session_state != VerifySessionState::off;
}

}  // namespace

void Pool::ask_after_login(Spare& spare) {
  const auto& upstream = spare.upstream();
  if (upstream.key.replication != policy::Replication::none) return spare.be_ready();  // it may know no SQL
  const bool settings_are_due = role_settings_.ask(upstream.user, upstream.key.database, loop_.now().mono);
  const std::string settings{role_settings_question()};
  // Both at once, whether the settings are due or not: an answer without them would look as if all had been taken away.
  if (asks_for_role(settings_.pool)) return spare.ask(std::string{role_question()} + "; " + settings);
  settings_are_due ? spare.ask(settings) : spare.be_ready();
}

// No answer (another kind of server, a statement_timeout) is no finding.
void Pool::on_login_answer(Upstream& upstream, std::optional<std::vector<std::string>> rows) {
  if (const auto found = subs_.find(upstream.key); found != subs_.end())
    found->second->ended_behind_login = 0;
  if (!rows) return;
  if (asks_for_role(settings_.pool)) {
    if (rows->empty()) return;
    upstream.start_role = std::move(rows->front());
    rows->erase(rows->begin());
  }
  const auto changed = role_settings_.changes(upstream.user, upstream.key.database, std::move(*rows));
  if (changed.empty()) return;
  // Whoever has a session of the user may change them as often as it likes.
  if (!told_changes_.take(changes_at_once_max, changes_per_second, loop_.now().mono)) {
    ++untold_changes_;
    return;
  }
  std::string names;
  for (std::size_t i = 0; i < changed.size() && i < names_told_max; ++i)
    names += (i == 0 ? "" : ", ") + changed[i].substr(0, name_told_max);
  if (changed.size() > names_told_max) names += ", …";
  if (const auto untold = std::exchange(untold_changes_, 0); untold > 0)
    names += "; before that " + std::to_string(untold) + " changes that were not told";
  slot_.report_role_changed(upstream.generation, "the settings of database user " + upstream.user +
                                                     " were changed in the server (" + names +
                                                     "): its sessions begin with them from now on. If no "
                                                     "administrator did it, look for it in the server's "
                                                     "log (ALTER ROLE), and undo it with ALTER ROLE … RESET");
}

}  // namespace sallyport::broker
