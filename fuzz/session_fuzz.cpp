// A whole session with its pool, slot and trail, over in-memory streams: the input is what the client and the
// server say, how it is cut, and what happens meanwhile (time, rotation, drain). No crash, no hang, and in the end
// nobody holds a connection.
#include "../test/broker/world.h"
#include "script.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace sallyport;
using fuzz::Script;
using namespace std::chrono_literals;

void require(bool holds) {
  if (!holds) std::abort();
}

// Frames that pass for real ones, so that the input need not find their lengths.
std::string known(std::uint8_t number) {
  switch (number % 20) {
    case 0: return test::query("select 1");
    case 1: return test::query("BEGIN");
    case 2: return test::query("COMMIT");
    case 3: return test::parse("s", "select 1") + test::bind() + test::execute();
    case 4: return test::sync();
    case 5: return test::frame('H');
    case 6: return test::frame('d', "data");
    case 7: return test::frame('c');
    case 8: return test::frame('X');
    case 9: return test::ready();
    case 10: return test::ready('T');
    case 11: return test::complete("SELECT 1");
    case 12: return test::error("22012");
    case 13: return test::frame('G', std::string(3, '\0'));
    case 14: return test::parameter("TimeZone", "UTC");
    case 15: return test::row({"0", "0", "0", "0", "0", "none", "user"});
    case 16: return test::frame('1') + test::frame('2');
    case 17: return test::frame('3');
    case 18: return test::complete("DISCARD ALL");
    default: return test::frame('N', "notice");
  }
}

class Play {
 public:
  Play(const std::uint8_t* data, std::size_t size) : script_(data, size) {
    world_.connector.prepare = [this](test::FakeBackend& backend) { backend.manual = manual_; };
    open();
  }
  void run() {
    while (!script_.over()) {
      step();
      require(world_.loop.settle());
    }
    end();
  }

 private:
  std::shared_ptr<test::Wire> server() {
    return world_.connector.backends.empty() ? nullptr : world_.connector.newest().wire;
  }
  void step() {
    switch (script_.byte() % 18) {
      case 0: return client_.wire->push(script_.bytes(script_.byte()));
      case 1: return client_.wire->push(test::World::hello(script_.byte() % 2 == 0 ? "" : "app"));
      case 2:
      case 3: return client_.wire->push(known(script_.byte()));
      case 4:
        if (auto wire = server()) wire->push(script_.bytes(script_.byte()));
        return;
      case 5:
      case 6:
        if (auto wire = server()) wire->push(known(script_.byte()));
        return;
      case 7: return client_.wire->close_write();
      case 8: return client_.wire->break_off();
      case 9:
        if (auto wire = server()) wire->close_write();
        return;
      case 10: {
        const auto room = script_.byte();
        client_.wire->set_room(room % 2 == 0 ? room : 1U << 30);
        (void)client_.wire->take();
        return;
      }
      case 11:
        if (auto wire = server()) {
          const auto room = script_.byte();
          wire->set_room(room % 2 == 0 ? room : 1U << 30);
          (void)wire->take();
        }
        return;
      case 12: return client_.wire->set_read_max(1 + script_.byte());
      case 13: require(world_.loop.advance(std::chrono::milliseconds{100 * script_.byte()})); return;
      case 14:
        if (rotations_++ < 3) world_.rotate();
        return world_.ending(generation(), std::chrono::milliseconds{50 * script_.byte()});
      case 15:
        if (world_.alive(client_))
          script_.byte() % 2 == 0 ? client_.session->drain() : client_.session->stop();
        return;
      case 16:
        manual_ = script_.byte() % 2 == 0;
        for (auto& backend : world_.connector.backends) backend->manual = manual_;
        return;
      default: another_client();
    }
  }
  [[nodiscard]] std::uint64_t generation() const { return rotations_; }
  void another_client() {
    client_.wire->close_write();
    require(world_.loop.settle());
    if (wires_.size() < 8) open();
  }
  void open() {
    client_ = world_.open();
    wires_.push_back(client_.wire);
  }
  void end() {
    for (auto& wire : wires_) wire->break_off();
    for (auto& backend : world_.connector.backends) {
      backend->manual = true;
      backend->wire->break_off();
    }
    require(world_.loop.advance(2min));
    const auto status = world_.pool->status();
    require(world_.sessions() == 0);
    require(status.waiting == 0 && status.connecting == 0 && status.resetting == 0);
    require(status.in_use == 0);
  }

  Script script_;
  test::World world_;
  test::FakeClient client_;
  std::vector<std::shared_ptr<test::Wire>> wires_;  // of all clients
  bool manual_ = false;
  unsigned rotations_ = 0;
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size > 4096) return 0;
  Play{data, size}.run();
  return 0;
}
