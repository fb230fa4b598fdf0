// The `admin` part: where it listens, who may ask.
#include "test/config/parse.h"

#include <gtest/gtest.h>

namespace sallyport::config::admin_test {
namespace {

Admin admin_of(const std::string& text) {
  const auto parsed = parse_with("version: 1\nadmin: " + text + "\n", "f", test_machine());
  EXPECT_TRUE(parsed.has_value()) << parsed.error().front().what;
  return parsed.has_value() ? parsed->admin : Admin{};
}

std::vector<std::string> wrong(const std::string& text) {
  return errors_of("version: 1\nadmin: " + text + "\n");
}

TEST(ConfigAdmin, DefaultsAreUnixSocketsThatMayFail) {
  const auto config = parse_with("version: 1\n", "f", test_machine());
  EXPECT_EQ(config->admin.socket, "/run/sallyport/admin.sock");
  EXPECT_EQ(std::get<std::string>(config->admin.listen), "/run/sallyport/admin.http");
  EXPECT_FALSE(config->admin.socket_named || config->admin.listen_named);
}

TEST(ConfigAdmin, ListensOnTcpOnUnixOrNowhere) {
  EXPECT_EQ(std::get<TcpListen>(admin_of("{listen: 127.0.0.1:9090}").listen), (TcpListen{"127.0.0.1", 9090}));
  EXPECT_EQ(std::get<TcpListen>(admin_of("{listen: 'tcp:[::1]:9090'}").listen), (TcpListen{"::1", 9090}));
  EXPECT_EQ(std::get<std::string>(admin_of("{listen: 'unix:/run/a.http'}").listen), "/run/a.http");
  EXPECT_TRUE(std::holds_alternative<std::monostate>(admin_of("{listen: 'off'}").listen));
  EXPECT_EQ(admin_of("{socket: 'off'}").socket, "");
  EXPECT_TRUE(admin_of("{socket: /run/b.sock}").socket_named);
  EXPECT_EQ(admin_of("{token: 'file:/etc/t'}").token_file, "/etc/t");
  EXPECT_EQ(admin_of("{token: /etc/t}").token_file, "/etc/t");
  EXPECT_EQ(admin_of("{hosts: [A.example, b]}").hosts, (std::vector<std::string>{"a.example", "b"}));
}

TEST(ConfigAdmin, SaysWhatIsWrong) {
  for (const auto* listen :
       {"9090", "localhost:9090", "127.0.0.1", "127.0.0.1:0", "127.0.0.1:70000", "'unix:a'", "'unix:/'"}) {
    EXPECT_EQ(wrong("{listen: " + std::string{listen} + "}").size(), 1u) << listen;
  }
  EXPECT_EQ(wrong("{socket: admin.sock}").size(), 1u);
  EXPECT_EQ(wrong("{socket: /" + std::string(120, 'a') + "}").size(), 1u);
  EXPECT_EQ(wrong("{token: not-a-file}").size(), 1u);
  EXPECT_EQ(wrong("{token: 'hunter2/'}").size(), 1u);
  EXPECT_EQ(wrong("{hosts: 'http://x'}").size(), 1u);
}

TEST(ConfigAdmin, AnAddressOfTheNetworkIsAWarning) {
  EXPECT_EQ(warnings_of("version: 1\nadmin: {listen: 127.0.0.1:9090}\n").size(), 0u);
  const auto warnings = warnings_of("version: 1\nadmin: {listen: 0.0.0.0:9090}\n");
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_NE(warnings.front().find("2:17: admin.listen: 0.0.0.0 is no loopback address"), std::string::npos)
      << warnings.front();
}

}  // namespace
}  // namespace sallyport::config::admin_test
