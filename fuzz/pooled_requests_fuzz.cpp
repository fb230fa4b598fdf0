// What two clients send on one borrowed connection, byte by byte, before a model server: no crash, no growth, whole
// frames for the server; and SQL read whole or in pieces leaves the same state behind.
#include "test/wire/model_server.h"
#include "wire/postgres/pooled_requests.h"

#include <algorithm>
#include <cstdlib>

using namespace sallyport;
using namespace sallyport::postgres;

namespace {

class Reported final : public ReportedNames {
 public:
  [[nodiscard]] bool is_reported(std::string_view name) const override { return name == "timezone"; }
  [[nodiscard]] std::string reading() const override { return {}; }
};

struct Client {
  explicit Client(StatementRegistry& registry, bool refuses)
      : requests(tracker, registry,
                 {.refuses_state = refuses, .guards_values = !refuses, .statements_max = 10}) {}
  SessionTracker tracker;
  PooledRequests requests;
  std::string held;
};

void see(Client& client, const postgres::test::ModelFrame& frame) {
  if (frame.type == 'Z' || frame.type == 'C') {
    client.tracker.on_server_body(frame.type, as_bytes(frame.body));
  } else {
    client.tracker.on_server_frame(frame.type);
  }
}

void send(Client& client, postgres::test::ModelServer& server, std::string bytes) {
  client.held += bytes;
  for (int rounds = 0; rounds < 4; ++rounds) {
    WipedBytes out;
    const auto taken = client.requests.take(as_bytes(client.held), out);
    if (!taken) {
      client.held.clear();
      return;
    }
    if (taken->consumed > client.held.size()) std::abort();
    const auto sent =
        taken->rewritten ? std::string{as_text(Bytes{out})} : client.held.substr(0, taken->consumed);
    client.held.erase(0, taken->consumed);
    for (const auto& frame : server.feed(sent)) see(client, frame);
    if (!taken->waits) break;
  }
  if (client.held.size() > 70'000) client.held.clear();
}

void check_pieces(Bytes sql) {
  const Reported reported;
  StateScanner whole, pieces;
  whole.start(reported, false);
  whole.look_at(sql);
  pieces.start(reported, false);
  for (std::size_t i = 0; i < sql.size(); ++i) pieces.look_at(sql.subspan(i, 1));
  if (!(whole.found() == pieces.found())) std::abort();
  if (whole.reads_value() != pieces.reads_value() || whole.may_draw() != pieces.may_draw()) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 20'000) return 0;
  check_pieces({data, size});
  const Reported reported;
  StatementRegistry registry;
  UpstreamStatements statements;
  postgres::test::ModelServer server;
  Client one{registry, (data[0] & 1) != 0}, two{registry, (data[0] & 2) != 0};
  auto* turn = &one;
  turn->requests.attach(statements, reported, (data[0] & 4) != 0);
  for (std::size_t at = 1; at < size;) {
    const auto piece = std::min<std::size_t>(1 + data[at] % 64, size - at);
    send(*turn, server, std::string{reinterpret_cast<const char*>(data + at), piece});
    at += piece;
    if (!turn->tracker.at_boundary() || !turn->held.empty() || !turn->requests.at_boundary()) continue;
    turn->requests.detach();
    turn = turn == &one ? &two : &one;
    turn->requests.attach(statements, reported, false);
  }
  return 0;
}
