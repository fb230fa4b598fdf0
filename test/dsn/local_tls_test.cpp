// Who insists on TLS, and how the string for a local endpoint says so.
#include "dsn/local_tls.h"

#include "dsn/render.h"

#include <gtest/gtest.h>

namespace sallyport::dsn::local_tls_test {
namespace {

std::string demanded(std::string_view text) {
  const auto parsed = parse_postgres(text);
  return parsed ? demanded_tls(*parsed) : "(unread)";
}

TEST(LocalTls, AStringInsistsByTheLastModeThatItNames) {
  EXPECT_EQ(demanded("postgresql://u@h/d?sslmode=verify-full"), "verify-full");
  EXPECT_EQ(demanded("postgresql://u@h/d?sslmode=disable&sslmode=require"), "require");
  EXPECT_EQ(demanded("host=h dbname=d sslmode=verify-ca"), "verify-ca");
  EXPECT_EQ(demanded("jdbc:postgresql://h/d?sslmode=verify-full"), "verify-full");
  EXPECT_EQ(demanded("Host=h;Database=d;SSL Mode=VerifyFull"), "verify-full");
  for (const auto* text :
       {"postgresql://u@h/d", "postgresql://u@h/d?sslmode=prefer", "host=h sslmode=allow",
        "postgresql://u@h/d?sslmode=sometimes", "postgresql+asyncpg://u@h/d?ssl=require"}) {
    EXPECT_EQ(demanded(text), "") << text;
  }
}

TEST(LocalTls, TheLocalStringKeepsTheModeAndNamesTheAuthority) {
  const auto local = [](std::string_view text) {
    LocalTarget target;
    target.dialect = *dialect_of(text);
    target.endpoint = LocalTcp{"127.0.0.1", 6000};
    target.user = "app";
    target.database = "d";
    target.tls = LocalTls{"verify-full", "/run/x/ca.crt"};
    return *render(target);
  };
  EXPECT_EQ(local("postgresql://"),
            "postgresql://app@127.0.0.1:6000/d?sslmode=verify-full&sslrootcert=/run/x/ca.crt");
  EXPECT_EQ(local("host=x"),
            "host='127.0.0.1' port=6000 user='app' dbname='d' sslmode='verify-full' "
            "sslrootcert='/run/x/ca.crt'");
  EXPECT_EQ(local("jdbc:postgresql://"),
            "jdbc:postgresql://127.0.0.1:6000/d?user=app&sslmode=verify-full&sslrootcert="
            "/run/x/ca.crt&requireAuth=scram-sha-256");
  EXPECT_EQ(local("Host=x;Username=y"),
            "Host=127.0.0.1;Port=6000;Username=app;Database=d;SSL Mode=VerifyFull;Root "
            "Certificate=/run/x/ca.crt");
}

}  // namespace
}  // namespace sallyport::dsn::local_tls_test
