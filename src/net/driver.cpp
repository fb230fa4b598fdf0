#include "net/driver.h"

#include "net/conversation_run.h"
#include "net/pbkdf2_memo.h"

#include <utility>

namespace sallyport::net {

Driver::Driver(DriverServices services)
    : services_(std::make_shared<DriverServices>(std::move(services))),
      memo_(std::make_shared<Pbkdf2Memo>()) {}

Driver::~Driver() = default;

void Driver::run(std::unique_ptr<Conversation> conversation, Duration deadline, DoneCallback done) {
  auto run = std::make_shared<ConversationRun>(services_, memo_, std::move(conversation), std::move(done));
  services_->loop.post([run = std::move(run), deadline] { run->start(deadline); });
}

void Driver::run_connected(Dial dial, std::unique_ptr<Conversation> conversation, Duration deadline,
                           DoneCallback done) {
  auto run = std::make_shared<ConversationRun>(services_, memo_, std::move(conversation), std::move(done));
  auto where = std::make_shared<Dial>(std::move(dial));
  services_->loop.post(
      [run = std::move(run), where, deadline] { run->start_connected(std::move(*where), deadline); });
}

namespace {

/// One look-up: whichever comes first, its answer or its deadline, is told.
struct Lookup {
  std::function<void(Result<std::vector<Address>>)> done;
  TimerId deadline;
};

}  // namespace

void Driver::resolve(const std::string& host, std::uint16_t port, Duration deadline,
                     std::function<void(Result<std::vector<Address>>)> done) {
  auto lookup = std::make_shared<Lookup>(Lookup{std::move(done), {}});
  auto answer = [lookup, services = services_](Result<std::vector<Address>> result) {
    services->loop.cancel(lookup->deadline);
    if (auto told = std::exchange(lookup->done, nullptr)) told(std::move(result));
  };
  services_->loop.post([=, services = services_] {
    lookup->deadline = services->loop.after(deadline, [=] {
      answer(Error{ErrorCode::timed_out,
                   Hop::dns,
                   host,
                   "no answer within " + format_duration(deadline) + " while waiting for the name server",
                   "Check the network and the name servers in /etc/resolv.conf",
                   {}});
    });
    const auto accepted = services->dns_lane.submit([=, &loop = services->loop] {
      auto found = std::make_shared<Result<std::vector<Address>>>(net::resolve(host, port));
      loop.post([answer, found] { answer(std::move(*found)); });
    });
    if (!accepted) {
      answer(Error{ErrorCode::retry_later,
                   Hop::dns,
                   host,
                   "too many name look-ups are waiting already",
                   "Wait, and look for a name server that does not answer",
                   {}});
    }
  });
}

}  // namespace sallyport::net
