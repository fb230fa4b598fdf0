// What the fuzzer of pooled sessions is about: what its input chooses, and the servers' side, which
// knows whose statement it runs by a mark in its text.
#pragma once

#include "../test/broker/world.h"
#include "script.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <optional>
#include <string>

namespace sallyport::fuzz {

inline void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

/// No input has this byte but for marks.
inline constexpr char mark = '\xa7';
inline std::string mark_of(unsigned session) {
  const auto letter = static_cast<char>('a' + session);
  return {mark, letter, mark, letter, mark};
}
inline std::optional<unsigned> session_of(std::string_view text) {
  const auto at = text.find(mark);
  if (at == std::string_view::npos || at + 1 >= text.size()) return std::nullopt;
  return static_cast<unsigned>(text[at + 1] - 'a');
}

/// Neither marks nor set_config() and DISCARD ALL, which would set what nobody is known to have set.
inline std::string tame_bytes(Script& script) {
  auto taken = script.bytes(script.byte());
  std::replace(taken.begin(), taken.end(), mark, '?');
  std::replace(taken.begin(), taken.end(), '_', '?');
  std::replace(taken.begin(), taken.end(), 'L', 'l');
  return taken;
}

/// What the input's first two bytes choose.
struct Settings {
  explicit Settings(Script& script) {
    const auto one = script.byte(), two = script.byte();
    pool.mode = (two & 1) != 0 ? PoolMode::session : PoolMode::transaction;
    pool.min_ready = 0;
    pool.max = (two & 32) != 0 ? 2 : 1;
    pool.statements_max = (two & 64) != 0 ? 200 : 3;
    pool.shared_by_role = (two & 8) != 0;
    constexpr std::array states{OnSessionState::pin, OnSessionState::refuse, OnSessionState::ignore,
                                OnSessionState::pin};
    pool.on_session_state = states[one & 3];
    constexpr std::array verifies{VerifySessionState::off, VerifySessionState::sample,
                                  VerifySessionState::always, VerifySessionState::always};
    pool.verify_session_state = verifies[one >> 2 & 3];
    honest = (one & 16) != 0;
    two_identities = (one & 32) != 0;
    password = (one & 192) == 128;
    token = (one & 192) == 192;
    tls = (two & 2) != 0;
    run_as = (two & 4) != 0 ? "owner" : "";
    hold_cancels = (two & 16) != 0;
  }
  [[nodiscard]] bool lends() const { return pool.mode == PoolMode::transaction; }
  [[nodiscard]] bool keeps_state_apart() const {
    return !lends() || pool.on_session_state != OnSessionState::ignore;
  }
  [[nodiscard]] bool finds_hidden_state() const {
    return keeps_state_apart() && (!lends() || pool.verify_session_state == VerifySessionState::always);
  }
  PoolSettings pool;
  bool honest = false, two_identities = false, password = false, token = false, tls = false,
       hold_cancels = false;
  std::string run_as;
};

/// What one backend has of whom, as far as the statements of known() go.
struct Held {
  std::optional<unsigned> listens, locks, identity;
};

class Servers {
 public:
  explicit Servers(const Settings& settings) : settings_(settings) {}

  void prepare(test::FakeBackend& backend) {
    backend.strict = true;
    backend.manual = manual;
    backend.reported["TimeZone"] = "UTC";
    if (!settings_.run_as.empty()) backend.state_row[6] = settings_.run_as;
    auto held = std::make_shared<Held>();
    backend.on_run = [this, held, &backend](const std::string& sql) { run(sql, *held, backend); };
    backend.own_answer = [held, &backend](const std::string& sql) { return answer(sql, *held, backend); };
  }
  bool manual = false;

 private:
  static std::string verb(const std::string& sql) { return sql.substr(0, sql.find(" --")); }

  void run(const std::string& sql, Held& held, test::FakeBackend& backend) {
    const auto session = session_of(sql);
    if (!session || !settings_.honest) return;
    if (settings_.keeps_state_apart()) require(!held.listens || held.listens == session);
    if (settings_.finds_hidden_state()) require(!held.locks || held.locks == session);
    const auto identity = settings_.two_identities && !settings_.pool.shared_by_role ? *session % 2 : 0;
    require(held.identity.value_or(identity) == identity);
    held.identity = identity;
    auto& zone = zones_.try_emplace(*session, "UTC").first->second;
    require(backend.reported["TimeZone"] == zone);
    const auto text = verb(sql);
    if (backend.status == 'E') return;
    if (text.starts_with("SET TimeZone")) zone = text.substr(text.size() - 2, 1);
    if (text == "DISCARD ALL" && backend.status == 'I') zone = "UTC";
    if (text == "LISTEN c") {
      held.listens = session;
      backend.state_row[0] = "1";
    } else if (text == "select hide()") {
      held.locks = session;
      backend.state_row[1] = "1";
    }
    if (text.starts_with("SET TimeZone")) backend.reported["TimeZone"] = zone;
  }

  static std::optional<std::string> answer(const std::string& sql, Held& held, test::FakeBackend& backend) {
    const auto text = verb(sql);
    const auto done = [&backend](const std::string& what) { return what + test::ready(backend.status); };
    if (text == "DISCARD ALL" && backend.status == 'I') {
      held.listens = held.locks = std::nullopt;
      backend.state_row[0] = backend.state_row[1] = "0";
      backend.statements.clear();
      return done(test::complete(text) + backend.tell("TimeZone", "UTC") +
                  backend.tell("application_name", ""));
    }
    if (!session_of(sql)) return std::nullopt;
    if (text == "COMMIT" || text == "ROLLBACK") {
      backend.status = 'I';
      return done(test::complete(text));
    }
    if (backend.status == 'E') return done(test::error("25P02"));
    if (text == "BEGIN") backend.status = 'T';
    if (text == "DISCARD ALL" && backend.status == 'T') {
      backend.status = 'E';
      return done(test::error("25001"));
    }
    if (text.starts_with("SET")) {
      return done(test::complete("SET") + test::parameter("TimeZone", backend.reported["TimeZone"]));
    }
    if (text == "BEGIN" || text == "LISTEN c") return done(test::complete(text.substr(0, text.find(' '))));
    if (text == "fail") {
      if (backend.status == 'T') backend.status = 'E';
      return done(test::error("22012"));
    }
    if (text == "COPY t FROM STDIN") {
      backend.in_copy = true;
      return test::frame('G', std::string(3, '\0'));
    }
    if (text == "COPY t TO STDOUT") {
      return done(test::frame('H', std::string(3, '\0')) + test::frame('d', sql) + test::frame('c') +
                  test::complete("COPY 1"));
    }
    return done(test::row({sql}) + test::complete("SELECT 1"));
  }

  const Settings& settings_;
  std::map<unsigned, std::string> zones_;  // as each session last set it
};

}  // namespace sallyport::fuzz
