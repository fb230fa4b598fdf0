// What the contract's tests share: every conversation that a source has, brought to its first step, and what holds
// at the end of each, good or bad.
#pragma once

#include "secrets/source.h"
#include "test/contract/source_fixtures.h"

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace sallyport::contract {

/// The conversations of a session, as they follow in a credential's life.
enum class Turn { first_fetch, next_fetch, renew, revoke, keep_alive, close };

inline constexpr Turn all_turns[] = {Turn::first_fetch, Turn::next_fetch, Turn::renew,
                                     Turn::revoke,      Turn::keep_alive, Turn::close};

inline std::unique_ptr<secrets::SourceSession> open_session(std::string_view text,
                                                            const secrets::Purpose& purpose = {}) {
  static const auto registry = secrets::register_all();
  const auto reference = secrets::parse_reference(text);
  if (!reference) return nullptr;
  auto session = registry.find(reference->scheme)->open(*reference, purpose);
  return session ? std::move(*session) : nullptr;
}

/// A session in its world. Conversations borrow the session: let them go first.
struct Scene {
  explicit Scene(const SourceFixture& fixture)
      : world(fixture.world), session(open_session(fixture.reference, fixture.purpose)) {}

  /// The conversation of this turn, not yet started; null when the source has none.
  std::unique_ptr<Conversation> begin(Turn turn) {
    if (turn == Turn::first_fetch) return session->fetch();
    auto fetch = session->fetch();
    const auto first = run(world, *fetch);
    EXPECT_TRUE(first.end) << describe(first.end.error());
    const auto lease = first.end ? fetch->take().credential.lease : std::nullopt;
    switch (turn) {
      case Turn::first_fetch:
      case Turn::next_fetch: return session->fetch();
      case Turn::renew: return lease ? session->renew(*lease) : nullptr;
      case Turn::revoke: return lease ? session->revoke(*lease) : nullptr;
      case Turn::keep_alive: return session->keep_alive();
      case Turn::close: return session->close();
    }
    return nullptr;
  }

  SourceWorld world;
  std::unique_ptr<secrets::SourceSession> session;
};

/// Whether the next fetch must work. A session may keep what the environment said: it does not change.
enum class Afterwards { works, unknown };

inline Afterwards after(std::string_view line) {
  return line.starts_with("variable ") ? Afterwards::unknown : Afterwards::works;
}

/// One registered source in one of its worlds, or a registered source that nobody gave a world.
struct Case {
  std::string scheme;
  std::optional<SourceFixture> fixture;
};

inline std::vector<Case> all_cases() {
  const auto registry = secrets::register_all();
  std::vector<Case> out;
  for (const auto* source : registry.all()) {
    const auto before = out.size();
    for (auto& fixture : all_fixtures()) {
      const auto scheme = fixture.reference.substr(0, fixture.reference.find(':'));
      if (scheme == source->scheme()) out.push_back({std::string{scheme}, std::move(fixture)});
    }
    if (out.size() == before) out.push_back({std::string{source->scheme()}, std::nullopt});
  }
  return out;
}

inline void PrintTo(const Case& one, std::ostream* out) {
  *out << (one.fixture ? one.fixture->name : std::string_view{one.scheme});
}

inline std::string name_of_case(const testing::TestParamInfo<Case>& info) {
  std::string out{info.param.fixture ? std::string{info.param.fixture->name} : info.param.scheme};
  for (auto& c : out) c = c == '-' ? '_' : c;
  return out;
}

class SourceContract : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    ASSERT_TRUE(GetParam().fixture)
        << "the source " << GetParam().scheme
        << " is registered, but test/contract/source_fixtures.h has no world for it";
    ASSERT_NE(open_session(fixture().reference, fixture().purpose), nullptr) << fixture().reference;
  }

  [[nodiscard]] const SourceFixture& fixture() const { return *GetParam().fixture; }

  /// What the fixture's world gives.
  [[nodiscard]] bool is_its_secret(const Secret& secret) const {
    if (!fixture().signed_here) return secret.equals("canary-password");
    return secret.reveal().find("&X-Amz-Signature=") != std::string_view::npos;
  }

  [[nodiscard]] bool must_not_fail(std::string_view line) const {
    for (const auto beginning : fixture().may_fail) {
      if (line.starts_with(beginning)) return false;
    }
    return true;
  }

  /// Calls `check` for every step of every conversation, with its turn, its number and its request.
  template <class Check>
  void at_every_step(Check check) {
    for (const auto turn : all_turns) {
      Scene honest{fixture()};
      auto conversation = honest.begin(turn);
      if (conversation == nullptr) continue;
      const auto steps = run(honest.world, *conversation).steps;
      for (std::size_t step = 0; step < steps.size(); ++step) {
        SCOPED_TRACE("turn " + std::to_string(static_cast<int>(turn)) + ", " + steps[step]);
        check(turn, step, steps[step]);
      }
    }
  }

  /// Runs this turn in a fresh scene with tampered answers, checks its end, then that the session still works.
  Result<void> play(Turn turn, const Tamper& tamper, Afterwards afterwards = Afterwards::works) {
    Scene scene{fixture()};
    auto conversation = scene.begin(turn);
    const auto ended = run(scene.world, *conversation, tamper);
    check_end(scene, *conversation, ended);
    conversation.reset();
    if (afterwards == Afterwards::unknown) return ended.end;
    auto again = scene.session->fetch();
    const auto second = run(scene.world, *again);
    EXPECT_TRUE(second.end) << "the next fetch: " << describe(second.end.error());
    return ended.end;
  }

  /// Well: what it yields is whole. Badly: an error that says where, and no secret.
  void check_end(Scene& scene, Conversation& conversation, const Course& ended) {
    EXPECT_LT(ended.steps.size(), steps_max);
    for (const auto& warning : scene.session->warnings()) EXPECT_EQ(warning.find(canary), std::string::npos);
    if (!ended.end) return check_error(ended.end.error());
    if (auto* fetch = dynamic_cast<secrets::FetchConversation*>(&conversation)) {
      EXPECT_FALSE(fetch->take().credential.secret.empty());
    }
    if (auto* renew = dynamic_cast<secrets::RenewConversation*>(&conversation)) {
      EXPECT_GT(renew->take().duration, Duration::zero());
    }
  }

  void check_error(const Error& error) {
    const bool ours = error.hop == Hop::secret_source && error.where.starts_with(GetParam().scheme + ":");
    const bool environment = error.hop == Hop::environment && !error.where.empty();
    EXPECT_TRUE(ours || environment) << name_of(error.hop) << ": " << describe(error);
    EXPECT_FALSE(error.what.empty() || error.hint.empty()) << describe(error);
    for (const auto* text : {&error.where, &error.what, &error.hint, &error.sqlstate}) {
      EXPECT_EQ(text->find(canary), std::string::npos) << *text;
    }
  }
};

}  // namespace sallyport::contract
