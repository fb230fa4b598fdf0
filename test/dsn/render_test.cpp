// What the application's variable holds in the end. The Unix and TCP forms were fed to the drivers' own parsers
// (asyncpg 0.32, psycopg 3.3, psycopg2 2.9, SQLAlchemy 2, pg8000 1.31, dj-database-url 3.1, node-postgres, pgx,
// tokio-postgres): these are the texts that they took.
#include "dsn/render.h"

#include <gtest/gtest.h>

namespace sallyport::render_test {
namespace {

dsn::LocalTarget local(const char* dialect, dsn::LocalEndpoint endpoint) {
  return {*dsn::dialect_of(dialect), std::move(endpoint), "app@x", "d b", {}};
}

const dsn::LocalUnix unix_end{"/tmp/s d", 6000};
const dsn::LocalTcp tcp_end{"127.0.0.1", 6000};

std::string rendered(const dsn::LocalTarget& target) {
  auto text = dsn::render(target);
  EXPECT_TRUE(text) << (text ? "" : describe(text.error()));
  return text ? *text : std::string{};
}

std::string with_token(const dsn::LocalTarget& target) {
  auto text = dsn::render_with_token(target, Secret::copy_of("tok-EN_1"));
  EXPECT_TRUE(text) << (text ? "" : describe(text.error()));
  return text ? std::string{text->reveal()} : std::string{};
}

TEST(DsnRender, PointsAtAUnixSocket) {
  EXPECT_EQ(rendered(local("postgresql://", unix_end)),
            "postgresql://app%40x@/d%20b?host=/tmp/s%20d&port=6000&sslmode=disable");
  EXPECT_EQ(rendered(local("postgres://", unix_end)),
            "postgres://app%40x@/d%20b?host=/tmp/s%20d&port=6000&sslmode=disable");
  EXPECT_EQ(rendered(local("postgresql+asyncpg://", unix_end)),
            "postgresql+asyncpg://app%40x@/d%20b?host=/tmp/s%20d&port=6000&ssl=disable");
  EXPECT_EQ(rendered(local("postgresql+pg8000://", unix_end)),
            "postgresql+pg8000://app%40x@/d%20b?unix_sock=/tmp/s%20d/.s.PGSQL.6000");
  EXPECT_EQ(rendered(local("host=h", unix_end)),
            "host='/tmp/s d' port=6000 user='app@x' dbname='d b' sslmode=disable");
  EXPECT_EQ(rendered(local("Host=h;Port=1", unix_end)),
            "Host=\"/tmp/s d\";Port=6000;Username=app@x;Database=\"d b\";SSL Mode=Disable");
}

TEST(DsnRender, PointsAtTcpWithTheToken) {
  EXPECT_EQ(with_token(local("postgresql://", tcp_end)),
            "postgresql://app%40x:tok-EN_1@127.0.0.1:6000/d%20b?sslmode=disable");
  EXPECT_EQ(with_token(local("postgresql+pg8000://", tcp_end)),
            "postgresql+pg8000://app%40x:tok-EN_1@127.0.0.1:6000/d%20b");
  EXPECT_EQ(with_token(local("jdbc:postgresql://h/", tcp_end)),
            "jdbc:postgresql://127.0.0.1:6000/d%20b?user=app%40x&sslmode=disable&requireAuth=scram-sha-256"
            "&password=tok-EN_1");
  EXPECT_EQ(with_token(local("host=h", tcp_end)),
            "host='127.0.0.1' port=6000 user='app@x' dbname='d b' sslmode=disable password=tok-EN_1");
  EXPECT_EQ(with_token(local("Host=h;", dsn::LocalTcp{"::1", 6000})),
            "Host=::1;Port=6000;Username=app@x;Database=\"d b\";SSL Mode=Disable;Password=tok-EN_1");
  EXPECT_EQ(with_token(local("postgres://", dsn::LocalTcp{"::1", 6000})),
            "postgres://app%40x:tok-EN_1@[::1]:6000/d%20b?sslmode=disable");
  EXPECT_EQ(with_token(local("ecto://", tcp_end)), "ecto://app%40x:tok-EN_1@127.0.0.1:6000/d%20b?ssl=false");
  EXPECT_EQ(with_token(local("r2dbc:postgresql://", tcp_end)),
            "r2dbc:postgresql://app%40x:tok-EN_1@127.0.0.1:6000/d%20b?sslMode=disable");
}

TEST(DsnRender, KeepsTheApplicationsOwnParametersAndNothingElse) {
  auto app = dsn::parse_postgres(
      "postgresql://u:p@h/d?application_name=a%26b&sslmode=verify-full&sslrootcert=/"
      "x&channel_binding=require&"
      "require_auth=md5&service=s&passfile=/y&hostaddr=1.2.3.4&sslpassword=z&my_token=t&options=-c%20a%3Db&"
      "pgbouncer=true&connect_timeout=3&requirepeer=postgres&gssencmode=require");
  ASSERT_TRUE(app);
  auto target = local("postgresql://", unix_end);
  target.parameters = std::move(app->parameters);
  EXPECT_EQ(rendered(target),
            "postgresql://app%40x@/d%20b?host=/tmp/s%20d&port=6000&sslmode=disable&application_name=a%26b&"
            "options=-c%20a%3Db&pgbouncer=true&connect_timeout=3");
}

// Found by the fuzzer.
TEST(DsnRender, ANameThatBeginsOrEndsInASpaceIsNotWrittenForNpgsql) {
  auto uri = dsn::parse_postgres("postgres:///d?%20=a&%20b=c&d%20=e&SSL%20x=f");
  ASSERT_TRUE(uri);
  auto target = local("Host=h;", tcp_end);
  target.parameters = std::move(uri->parameters);
  const auto text = with_token(target);
  EXPECT_TRUE(dsn::parse_postgres(text)) << text;
  EXPECT_NE(text.find(";SSL x="), std::string::npos) << text;
}

// Found by the fuzzer: a name without meaning in a URL, which Npgsql takes for the host.
TEST(DsnRender, AParameterOfOneDialectIsNoHostInAnother) {
  auto uri = dsn::parse_postgres("postgres:///d?Host=evil&Server=evil&UserName=evil&Pooling=true");
  ASSERT_TRUE(uri);
  auto ado = dsn::parse_postgres("Host=h;hostaddr=evil;service=evil;sslfactory=evil;application_name=a");
  ASSERT_TRUE(ado);
  auto jdbc = dsn::parse_postgres("jdbc:postgresql://h/d?PGHOST=evil&socketFactory=evil&currentSchema=a");
  ASSERT_TRUE(jdbc);
  for (const auto* source : {&*uri, &*ado, &*jdbc}) {
    for (const auto* dialect : {"postgresql://", "host=h", "Host=h;", "jdbc:postgresql://h/"}) {
      auto target = local(dialect, tcp_end);
      for (const auto& parameter : source->parameters) target.parameters.push_back(parameter);
      const auto text = with_token(target);
      auto back = dsn::parse_postgres(text);
      ASSERT_TRUE(back) << text;
      EXPECT_EQ(back->hosts, (std::vector<dsn::HostPort>{{"127.0.0.1", 6000}})) << text;
      EXPECT_EQ(back->user, target.user) << text;
      // A name that is nothing where it was read and where it is written may stay.
      const bool meant_nothing = (source == &*uri && *dialect != 'H') || (source == &*ado && *dialect == 'H');
      EXPECT_TRUE(meant_nothing || text.find("evil") == std::string::npos) << text;
    }
  }
}

TEST(DsnRender, ReadsBackWhatItWrote) {
  for (const auto* dialect :
       {"postgresql://", "host=h", "Host=h;", "jdbc:postgresql://h/", "postgresql+asyncpg://"}) {
    auto target = local(dialect, tcp_end);
    target.user = "a'b\\c\"d;e f=+%";
    target.database = "x y'z\\\";=&?#%";
    const auto text = with_token(target);
    auto back = dsn::parse_postgres(text);
    ASSERT_TRUE(back) << text << ": " << describe(back.error());
    EXPECT_EQ(back->user, target.user) << text;
    EXPECT_EQ(back->database, target.database) << text;
    EXPECT_TRUE(back->password.equals("tok-EN_1")) << text;
    ASSERT_EQ(back->hosts.size(), 1U);
    EXPECT_EQ(back->hosts[0], (dsn::HostPort{"127.0.0.1", 6000}));
  }
}

TEST(DsnRender, RefusesAUnixSocketWhereTheDriverHasNone) {
  for (const auto* dialect : {"jdbc:postgresql://h/", "r2dbc:postgresql://", "ecto://"}) {
    const auto text = dsn::render(local(dialect, unix_end));
    ASSERT_FALSE(text) << dialect;
    EXPECT_EQ(text.error().code, ErrorCode::bad_config);
    EXPECT_NE(text.error().hint.find("--listen tcp"), std::string::npos);
  }
  EXPECT_FALSE(dsn::render(local("postgres://", dsn::LocalUnix{"tmp", 1})));
}

TEST(DsnRender, RefusesATokenThatWouldNeedQuoting) {
  for (const auto* token : {"", "a b", "a'b", "a%b", "a;b"}) {
    EXPECT_FALSE(dsn::render_with_token(local("postgres://", tcp_end), Secret::copy_of(token))) << token;
  }
}

}  // namespace
}  // namespace sallyport::render_test
