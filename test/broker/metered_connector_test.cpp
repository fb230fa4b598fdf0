// What the log hears of logins.
#include "test/broker/running.h"

#include <gtest/gtest.h>

namespace sallyport::metered_connector_test {
namespace {

using namespace sallyport::test;
using namespace std::chrono_literals;

const Error down{ErrorCode::retry_later, Hop::tcp, "db", "connection refused", {}, {}};
const Error untrusted{ErrorCode::denied, Hop::tls, "db", "another authority", {}, {}};
const Error no_such_role{ErrorCode::bad_config, Hop::login, "db", "no such setting", {}, "42704"};

std::size_t said(const World& world, std::string_view line) {
  return static_cast<std::size_t>(std::ranges::count(world.logger.lines, line));
}
constexpr auto fails = "the database cannot be logged in to",
               works = "the database can be logged in to again";

TEST(MeteredConnector, TellsOnceForEachWayInWhichLoginsFailAndWhenTheyWorkAgain) {
  Running it;
  it.enter();
  EXPECT_EQ(said(it.world, fails) + said(it.world, works), 0u);
  it.world.connector.failures = {down, down, untrusted};
  for (int i = 0; i < 3; ++i) {
    it.enter();
    it.world.loop.advance(10s);
  }
  EXPECT_EQ(said(it.world, fails), 2u);
  EXPECT_EQ(said(it.world, works), 0u);
  it.enter();
  EXPECT_EQ(said(it.world, works), 1u);
}

TEST(MeteredConnector, WhatAClientHasAskedForIsNotTold) {
  Running it;
  it.world.connector.failures = {no_such_role};
  it.enter();
  EXPECT_EQ(said(it.world, fails), 0u);
}

}  // namespace
}  // namespace sallyport::metered_connector_test
