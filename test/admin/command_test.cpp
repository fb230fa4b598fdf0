// The admin socket's lines.
#include "admin/command.h"

#include <gtest/gtest.h>

namespace sallyport::admin::command_test {
namespace {

TEST(AdminCommand, IsReadAsItIsWritten) {
  for (const auto verb :
       {Verb::status, Verb::pause, Verb::resume, Verb::drain, Verb::reload, Verb::reconnect}) {
    const bool takes_target = verb != Verb::status && verb != Verb::reload;
    const auto read = parse_command(encode_command({verb, takes_target ? "db-1.eu" : ""}));
    ASSERT_TRUE(read);
    EXPECT_EQ(read->verb, verb);
    EXPECT_EQ(read->target, takes_target ? "db-1.eu" : "");
  }
  EXPECT_EQ(parse_command(R"({"command":"drain"})")->target, "") << "all of them";
}

TEST(AdminCommand, RefusesWhatIsNone) {
  for (const std::string line :
       {R"({"command":"stop"})", R"({"command":5})", R"({})", R"([])", R"("pause")", "", "pause db",
        R"({"command":"pause","target":""})", R"({"command":"pause","target":"a b"})",
        R"({"command":"pause","target":"a\u001b"})", R"({"command":"status","target":"db"})",
        R"({"command":"reload","target":"db"})", R"({"command":"pause","force":"yes"})",
        R"({"command":"pause"} x)"}) {
    const auto read = parse_command(line);
    ASSERT_FALSE(read) << line;
    EXPECT_EQ(read.error().code, ErrorCode::invalid_message);
  }
  EXPECT_FALSE(parse_command(R"({"command":"pause","target":")" + std::string(64, 'a') + "\"}"));
  EXPECT_FALSE(parse_command(std::string(command_bytes_max + 1, '[')));
}

}  // namespace
}  // namespace sallyport::admin::command_test
