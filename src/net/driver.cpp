#include "net/driver.h"

#include "net/conversation_run.h"
#include "net/pbkdf2_memo.h"

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

}  // namespace sallyport::net
