// What target_session_attrs wants, and how a host is written.
#include "policy/hosts.h"

#include <gtest/gtest.h>

namespace sallyport::hosts_test {
namespace {

using enum SessionAttributes;

constexpr ServerKind a_primary{false, false}, read_only_primary{false, true}, a_standby{true, false},
    asked_standby{true, true}, unknown{};

TEST(SessionAttributes, MeanWhatTheyMeanToLibpq) {
  struct Row {
    SessionAttributes wanted;
    bool primary, read_only_primary, standby;
  };
  for (const auto& row : {Row{any, true, true, true}, Row{read_write, true, false, false},
                          Row{read_only, false, true, true}, Row{primary, true, true, false},
                          Row{standby, false, false, true}, Row{prefer_standby, false, false, true}}) {
    EXPECT_EQ(unsuited(a_primary, row.wanted).empty(), row.primary) << name_of(row.wanted);
    EXPECT_EQ(unsuited(read_only_primary, row.wanted).empty(), row.read_only_primary) << name_of(row.wanted);
    EXPECT_EQ(unsuited(a_standby, row.wanted).empty(), row.standby) << name_of(row.wanted);
    EXPECT_EQ(unsuited(asked_standby, row.wanted).empty(), row.standby) << name_of(row.wanted);
  }
  EXPECT_TRUE(unsuited(unknown, any).empty());
}

TEST(SessionAttributes, SayWhyAServerWillNotDo) {
  EXPECT_EQ(unsuited(a_standby, read_write), "is a standby, target_session_attrs wants read-write");
  EXPECT_EQ(unsuited(read_only_primary, read_write),
            "has default_transaction_read_only on, target_session_attrs wants read-write");
  EXPECT_EQ(unsuited(a_primary, standby), "is no standby, target_session_attrs wants standby");
}

TEST(SessionAttributes, WhatASessionSetsItselfIsNotHeldAgainstTheServer) {
  EXPECT_FALSE(server_is_unsuited(read_only_primary, read_write));
  EXPECT_TRUE(server_is_unsuited(a_standby, read_write));
  EXPECT_FALSE(server_is_unsuited(read_only_primary, read_only));
  EXPECT_TRUE(server_is_unsuited(a_primary, prefer_standby));
}

TEST(SessionAttributes, EachNameIsReadBack) {
  for (const auto wanted : {any, read_write, read_only, primary, standby, prefer_standby}) {
    EXPECT_EQ(parse_session_attributes(name_of(wanted)), wanted);
    EXPECT_NE(session_attributes_names.find(name_of(wanted)), std::string_view::npos);
  }
  EXPECT_FALSE(parse_session_attributes("readwrite"));
}

TEST(Endpoint, IsReadWithItsPort) {
  struct Row {
    const char* text;
    const char* host;
    std::uint16_t port;
    const char* shown;
  };
  for (const auto& row :
       {Row{"db1", "db1", 5432, "db1:5432"}, Row{"db1:5433", "db1", 5433, "db1:5433"},
        Row{"10.0.0.1:1", "10.0.0.1", 1, "10.0.0.1:1"}, Row{"[::1]:5433", "::1", 5433, "[::1]:5433"},
        Row{"[::1]", "::1", 5432, "[::1]:5432"},
        Row{"2001:db8::1", "2001:db8::1", 5432, "[2001:db8::1]:5432"},
        Row{"/run/pg", "/run/pg", 5432, "/run/pg/.s.PGSQL.5432"}}) {
    const auto endpoint = parse_endpoint(row.text, 5432);
    ASSERT_TRUE(endpoint) << row.text;
    EXPECT_EQ(endpoint->host, row.host);
    EXPECT_EQ(endpoint->port, row.port);
    EXPECT_EQ(to_string(*endpoint), row.shown);
  }
  for (const auto* text : {"db1:", "db1:x", "db1:0", "db1:65536", "[::1", "[::1]x", "[::1]:"})
    EXPECT_FALSE(parse_endpoint(text, 5432)) << text;
}

}  // namespace
}  // namespace sallyport::hosts_test
