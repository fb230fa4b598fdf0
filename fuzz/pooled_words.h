// Frames that pass for real ones, so that the input need not find their lengths.
#pragma once

#include "pooled_servers.h"

namespace sallyport::fuzz {

inline std::string known(std::uint8_t number, unsigned session) {
  const auto sql = [&](const std::string& text) { return text + " -- " + mark_of(session); };
  const auto bind_to = [](const std::string& name) {
    return test::frame('B', '\0' + test::zero(name) + std::string(6, '\0'));
  };
  const auto describe = [](const std::string& name) { return test::frame('D', 'S' + test::zero(name)); };
  const auto close = [](const std::string& name) { return test::frame('C', 'S' + test::zero(name)); };
  switch (number % 30) {
    case 0: return test::query(sql("select 1"));
    case 1: return test::query(sql("BEGIN"));
    case 2: return test::query(sql("COMMIT"));
    case 3: return test::query(sql("fail"));
    case 4: return test::query(sql("SET TimeZone = 'M'"));
    case 5: return test::query(sql("SET TimeZone = 'V'"));
    case 6: return test::query(sql("LISTEN c"));
    case 7: return test::query(sql("select hide()"));
    case 8: return test::query(sql("DISCARD ALL"));
    case 9: return test::query(sql("COPY t FROM STDIN"));
    case 10: return test::query(sql("COPY t TO STDOUT"));
    case 11: return test::frame('d', "data");
    case 12: return test::frame('c');
    case 13: return test::frame('f', test::zero("no"));
    case 14: return test::parse("s", sql("select own"));
    case 15: return test::parse("s", "select shared");
    case 16: return test::parse("t", sql("select other"));
    case 17: return test::parse("", sql("select unnamed"));
    case 18: return bind_to("s") + test::execute();
    case 19: return bind_to("t") + test::execute();
    case 20: return bind_to("") + test::execute();
    case 21: return describe("s");
    case 22: return close("s");
    case 23: return test::sync();
    case 24: return test::frame('H');
    case 25: return test::frame('F', std::string(10, '\0'));
    case 26: return test::parse("l", sql("LISTEN c")) + bind_to("l") + test::execute() + test::sync();
    case 27: return test::query("DEALLOCATE ALL");
    case 28: return test::query("");
    default: return test::frame('X');
  }
}

inline std::string server_says(std::uint8_t number) {
  switch (number % 16) {
    case 0: return test::ready();
    case 1: return test::ready('T');
    case 2: return test::ready('E');
    case 3: return test::complete("SELECT 1");
    case 4:
      return test::error("22P02",
                         "\"listen is not available in transaction pooling (on_session_state: refuse)\"");
    case 5: return test::error("0A000", "cached plan must not change result type");
    case 6: return test::error("26000");
    case 7: return test::frame('1');
    case 8: return test::frame('2');
    case 9: return test::frame('3');
    case 10: return test::row({"0", "0", "0", "0", "0", "0", "none", "user", "0"});
    case 11: return test::row({"1", "0", "0", "0", "1", "0", "other", "user", "2"});
    case 12: return test::parameter("TimeZone", "M");
    case 13: return test::parameter("application_name", "x");
    case 14: return test::frame('G', std::string(3, '\0'));
    default: return test::frame('N', "notice");
  }
}

}  // namespace sallyport::fuzz
