// A session that moves to a new credential, and an old and a new server that answer its questions as they like: rows of
// any shape, errors, answers to nothing. The session goes on or is told that it ends, and no connection is lost.
#include "../test/broker/world.h"
#include "broker/move_questions.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdio>
#include <cstdlib>

namespace {

using namespace sallyport;
using namespace std::chrono_literals;

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

std::string any_row(FuzzedDataProvider& input) {
  if (input.ConsumeBool()) return test::frame('D', input.ConsumeRandomLengthString(80));
  std::vector<std::string> columns(input.ConsumeIntegralInRange<std::size_t>(0, 9));
  for (auto& column : columns) column = input.ConsumeRandomLengthString(12);
  return test::row(columns);
}

std::string answer(FuzzedDataProvider& input) {
  switch (input.ConsumeIntegralInRange<int>(0, 14)) {
    case 0: return any_row(input);
    case 1: return test::row({"0", "0", "0", "0", "0", "0", "none", "user"});
    case 2: return test::row({"0", "0", "0", "1", "0", "0", "none", "user"});
    case 3: return test::row({"TimeZone", input.ConsumeRandomLengthString(20)});
    case 4: return test::row({"s"});
    case 5: return test::complete("SELECT 1");
    case 6: return test::ready(input.ConsumeBool() ? 'I' : 'T');
    case 7: return test::frame('3') + test::frame('1') + test::frame('2');
    case 8: return test::frame('T', std::string(2, '\0'));
    case 9: return test::frame('n');
    case 10: return test::error("57014");
    case 11: return test::parameter("TimeZone", "M");
    case 12: return test::frame('N', input.ConsumeRandomLengthString(20));
    case 13: {
      std::string many;
      for (int i = 0; i < 700; ++i) many += test::row({"s" + std::to_string(i)});
      return many;
    }
    default: return input.ConsumeRandomLengthString(60);
  }
}

void play(FuzzedDataProvider& input) {
  test::World world{test::World::small(), input.ConsumeBool() ? "owner" : ""};
  auto client = world.enter(input.ConsumeBool() ? "app" : "");
  require(world.connector.backends.size() == 1);
  auto& old = *world.connector.backends[0];
  client.wire->push(test::parse("s", "select 1") + test::parse("", "select 2") + test::sync());
  require(world.loop.settle());
  world.rotate();
  old.manual = true;
  const bool new_is_slow = input.ConsumeBool();
  world.connector.prepare = [new_is_slow](test::FakeBackend& backend) { backend.manual = new_is_slow; };
  world.ending(1, 20s);
  while (input.remaining_bytes() > 0 && world.alive(client)) {
    auto& server = input.ConsumeBool() ? old : world.connector.newest();
    const auto kind = input.ConsumeIntegralInRange<int>(0, 15);
    if (kind == 0) server.wire->close_write();
    if (kind == 1) server.wire->break_off();
    if (kind == 2) client.wire->push(test::query("select 3"));
    if (kind == 3) require(world.loop.advance(std::chrono::seconds{input.ConsumeIntegralInRange<int>(0, 8)}));
    if (kind == 4) server.wire->set_read_max(input.ConsumeIntegralInRange<std::size_t>(1, 40));
    if (kind == 5) server.wire->set_room(input.ConsumeIntegralInRange<std::size_t>(0, 300));
    if (kind == 6) server.manual = false, server.serve();
    if (kind > 6) server.wire->push(answer(input));
    require(world.loop.settle());
    (void)client.wire->take();
    require(world.pool->connections() == world.connector.open());
  }
  require(world.moved <= 1);
  require(world.loop.advance(25s));
  // Who is still there has a connection: one that is in the middle of something keeps its old one.
  if (world.alive(client) && !client.wire->broker_shut()) require(world.pool->status().in_use >= 1);
  client.wire->break_off();
  for (auto& backend : world.connector.backends) backend->manual = true, backend->wire->break_off();
  require(world.loop.advance(2min));
  require(world.sessions() == 0 && world.pool->connections() == world.connector.open());
  require(world.pool->status().in_use == 0 && world.pool->status().waiting == 0);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  WipedBytes questions;
  broker::encode_move_questions(questions);
  FuzzedDataProvider input{data, size};
  play(input);
  return 0;
}
