// Connection strings in, fields out; and what must be refused because drivers would disagree.
#include "dsn/postgres.h"

#include <gtest/gtest.h>

namespace sallyport::postgres_test {
namespace {

using dsn::Driver;
using dsn::Form;
using dsn::parse_postgres;

dsn::PostgresTarget parsed(std::string_view text) {
  auto target = parse_postgres(text);
  EXPECT_TRUE(target) << text << ": " << (target ? "" : describe(target.error()));
  return target ? std::move(*target) : dsn::PostgresTarget{};
}

std::string hosts_of(const dsn::PostgresTarget& target) {
  std::string out;
  for (const auto& h : target.hosts) out += (out.empty() ? "" : " ") + h.host + "|" + std::to_string(h.port);
  return out;
}

std::string parameters_of(const dsn::PostgresTarget& target) {
  std::string out;
  for (const auto& p : target.parameters) out += (out.empty() ? "" : " ") + p.name + "=" + p.value;
  return out;
}

struct Row {
  const char* text;
  const char* hosts;
  const char* database;
  const char* user;
  const char* password;  ///< null: none
  const char* parameters;
};

TEST(PostgresDsn, TakesEveryFormApart) {
  for (const auto& row : {
           Row{"postgresql://", "", "", "", nullptr, ""},
           Row{"postgres://u:p@h:1/d", "h|1", "d", "u", "p", ""},
           Row{"postgresql://u%40x:a%2Fb%3a:c@h/d%20b?application_name=a%26b", "h|0", "d b", "u@x", "a/b::c",
               "application_name=a&b"},
           Row{"postgresql://u@h1:1,h2,[::1]:3/d", "h1|1 h2|0 ::1|3", "d", "u", nullptr, ""},
           Row{"postgresql:///d?host=/run/pg&port=6000&user=u&password=p%2B+", "/run/pg|6000", "d", "u",
               "p++", ""},
           Row{"postgresql://u@%2Frun%2Fpg:6000/d", "/run/pg|6000", "d", "u", nullptr, ""},
           Row{"postgresql://h/d?host=a,b&port=1,2", "a|1 b|2", "d", "", nullptr, ""},
           Row{"postgresql://h:6/d?host=a,b", "a|6 b|6", "d", "", nullptr, ""},
           Row{"postgresql://h1:6,h2/d?host=a,b", "a|6 b|0", "d", "", nullptr, ""},
           Row{"postgresql://h/d?host=a", "a|0", "d", "", nullptr, ""},
           Row{"postgresql://h1,h2/d?port=7", "h1|7 h2|7", "d", "", nullptr, ""},
           Row{"postgresql://u:@h:/d?", "h|0", "d", "u", "", ""},
           Row{"postgresql+asyncpg://u:p@h/d?ssl=verify-full", "h|0", "d", "u", "p", "ssl=verify-full"},
           Row{"postgis://u:p@h/d", "h|0", "d", "u", "p", ""},
           Row{"r2dbc:postgresql://u:p@h/d", "h|0", "d", "u", "p", ""},
           Row{"jdbc:postgresql://h1:1,h2/d?user=u&password=a+b%2Bc&ssl", "h1|1 h2|0", "d", "u", "a b+c",
               "ssl="},
           Row{"jdbc:postgresql:d", "", "d", "", nullptr, ""},
           Row{"jdbc:postgresql:/", "", "", "", nullptr, ""},
           Row{"jdbc:postgresql://h/", "h|0", "", "", nullptr, ""},
           Row{"host=h port=1 dbname=d user=u password='a \\'b\\\\' sslmode=require", "h|1", "d", "u",
               "a 'b\\", "sslmode=require"},
           Row{"user = u  password=a\\ b host=''", "|0", "", "u", "a b", ""},
           Row{"host=h password=a;b user=u", "h|0", "", "u", "a;b", ""},
           Row{"host=h user=u dbname='a\\'b;Port=1'", "h|0", "a'b;Port=1", "u", nullptr, ""},
           Row{"Host=h;Port=1;Username=u;Password=\"a;\"\"b\";Database=d;SSL Mode=VerifyFull", "h|1", "d",
               "u", "a;\"b", "SSL Mode=VerifyFull"},
           Row{"host=h;user id=u;pwd= a b ;", "h|0", "", "u", "a b", ""},
       }) {
    const auto target = parsed(row.text);
    EXPECT_EQ(hosts_of(target), row.hosts) << row.text;
    EXPECT_EQ(target.database, row.database) << row.text;
    EXPECT_EQ(target.user, row.user) << row.text;
    EXPECT_EQ(target.has_password, row.password != nullptr) << row.text;
    EXPECT_TRUE(target.password.equals(row.password == nullptr ? "" : row.password)) << row.text;
    EXPECT_EQ(parameters_of(target), row.parameters) << row.text;
  }
}

TEST(PostgresDsn, RefusesAndNeverQuotes) {
  const std::string canary = "hunter2canary";
  for (const auto& text : std::initializer_list<std::string>{
           "postgres://u:" + canary + "@x@h/d",
           "postgres://u:" + canary + "/@h/d",
           "postgres://u:" + canary + "?x@h/d",
           "postgres://u:" + canary + "#x@h/d",
           "postgres://u:" + canary + "%zz@h/d",
           "postgres://u:12/" + canary + "@h/d",
           "postgres://u:x@h:" + canary + "/d",
           "postgres://u:x@h:0/d",
           "postgres://u:x@h:65536/d",
           "postgres://u:x@[::1/d" + canary,
           "postgres://u:x@[::1]" + canary + "/d",
           "postgres://u:x@h/d?" + canary,
           "postgres://u:x@h/d?user=" + canary + "%0a",
           "postgres://h1,h2/d?port=1,2,3",
           "postgres://h1:1,h2:2/d?host=a,b,c",
           "mysql://u:" + canary + "@h/d",
           "jdbc:mysql://u:" + canary + "@h/d",
           "jdbc:postgresql://u:" + canary + "@h/d",
           "jdbc:postgresql://h" + canary,
           "host=h password='" + canary,
           "host=h password=" + canary + " two",
           "host=h " + canary + "=x",
           "Host=h;" + canary,
           "Host=h;Password=\"" + canary,
           "Host=h;Password='a'" + canary,
           canary,
           std::string("postgres://u:x@h/\0", 18),
       }) {
    const auto target = parse_postgres(text);
    ASSERT_FALSE(target) << text;
    EXPECT_EQ(describe(target.error()).find(canary), std::string::npos) << describe(target.error());
    EXPECT_EQ(target.error().code, ErrorCode::bad_config) << text;
    EXPECT_NE(target.error().what, "") << text;
  }
}

TEST(PostgresDsn, DropsSecretsThatAreNotThePassword) {
  const auto target =
      parsed("postgres://h/d?sslpassword=hunter2&my_api_key=hunter2&oauth_client_secret=hunter2");
  ASSERT_EQ(target.parameters.size(), 3U);
  for (const auto& parameter : target.parameters) {
    EXPECT_EQ(parameter.value, "") << parameter.name;
    EXPECT_EQ(parameter.meaning, dsn::Meaning::secret) << parameter.name;
  }
}

TEST(PostgresDsn, HasLimits) {
  std::string hosts = "postgres://h";
  for (std::size_t i = 1; i < dsn::hosts_max; ++i) hosts += ",h";
  EXPECT_TRUE(parse_postgres(hosts + "/d"));
  EXPECT_EQ(parse_postgres(hosts + ",h/d").error().code, ErrorCode::limit_exceeded);

  std::string parameters = "postgres://h/d?a=b";
  for (std::size_t i = 1; i < dsn::parameters_max; ++i) parameters += "&a=b";
  EXPECT_TRUE(parse_postgres(parameters));
  EXPECT_EQ(parse_postgres(parameters + "&a=b").error().code, ErrorCode::limit_exceeded);

  EXPECT_EQ(parse_postgres("postgres://" + std::string(dsn::text_bytes_max, 'a')).error().code,
            ErrorCode::limit_exceeded);
}

TEST(PostgresDialect, IsToldByTheBeginning) {
  struct Expected {
    const char* text;
    Form form;
    const char* scheme;
    Driver driver;
  };
  for (const auto& row : {
           Expected{"postgres://x", Form::uri, "postgres", Driver::unknown},
           Expected{"postgresql+pg8000://x", Form::uri, "postgresql+pg8000", Driver::pg8000},
           Expected{"postgresql+psycopg2://x", Form::uri, "postgresql+psycopg2", Driver::libpq},
           Expected{"timescale://x", Form::uri, "timescale", Driver::libpq},
           Expected{"jdbc:postgresql://x/y", Form::jdbc, "jdbc:postgresql", Driver::pgjdbc},
           Expected{"dbname=x", Form::keywords, "", Driver::unknown},
           Expected{"Username=x", Form::ado, "", Driver::npgsql},
           Expected{"user=x;password=y", Form::ado, "", Driver::npgsql},
       }) {
    const auto dialect = dsn::dialect_of(row.text);
    ASSERT_TRUE(dialect) << row.text;
    EXPECT_EQ(*dialect, (dsn::Dialect{row.form, row.scheme, row.driver})) << row.text;
  }
  for (const auto* text : {"", "x", "=", "a=b", "mysql://h", "jdbc:mysql://h", "postgresql:h", "a b=c"}) {
    EXPECT_FALSE(dsn::dialect_of(text)) << text;
  }
}

TEST(PostgresDialect, OnlyNamedDriversGetOneIteration) {
  EXPECT_EQ(dsn::scram_iterations(*dsn::dialect_of("postgresql://h")), 4096U);
  EXPECT_EQ(dsn::scram_iterations(*dsn::dialect_of("host=h")), 4096U);
  EXPECT_EQ(dsn::scram_iterations(*dsn::dialect_of("postgresql+pg8000://h")), 4096U);
  EXPECT_EQ(dsn::scram_iterations(*dsn::dialect_of("postgresql+psycopg://h")), 1U);
  EXPECT_EQ(dsn::scram_iterations(*dsn::dialect_of("postgresql+asyncpg://h")), 1U);
  EXPECT_EQ(dsn::scram_iterations(*dsn::dialect_of("jdbc:postgresql://h/d")), 1U);
}

}  // namespace
}  // namespace sallyport::postgres_test
