// One conversation on its way: internal to the driver.
#pragma once

#include "net/driver.h"
#include "net/kept_connection.h"
#include "net/pbkdf2_memo.h"

namespace sallyport::net {

class ConversationRun final : public std::enable_shared_from_this<ConversationRun>, private StreamEvents {
 public:
  ConversationRun(std::shared_ptr<DriverServices> services, std::shared_ptr<Pbkdf2Memo> memo,
                  std::unique_ptr<Conversation> conversation, Driver::DoneCallback done);

  /// Both are called once, on the login loop.
  void start(Duration deadline);
  void start_connected(Dial dial, Duration deadline);

 private:
  void arm(Duration deadline);
  void wait_on();
  void resolve();
  void on_resolved();
  void connect_next();
  void on_connect_ended();
  void on_connected();
  void begin_conversation();
  void resume(Event event);
  void act(Action action);

  void perform(Send action);
  void perform(NeedMore action);
  void perform(StartTls action);
  void perform(HttpRequest action);
  void perform(ReadFile action);
  void perform(ReadVariable action);
  void perform(RunProgram action);
  void perform(LookupTxt action);
  void perform(WaitUntil action);
  void perform(ComputePbkdf2 action);
  void perform(ComputeRsaKey action);
  void perform(Done action);

  void on_lane(Lane& lane, const char* what, std::function<Event()> call);
  void step_handshake();
  void flush();
  void read_more();
  void deliver_input();
  void finish(Result<void> outcome);
  void on_readable() override;
  void on_writable() override;

  enum class Phase { idle, connecting, handshaking, waiting_for_input, busy };

  std::shared_ptr<DriverServices> services_;
  std::shared_ptr<Pbkdf2Memo> memo_;
  std::unique_ptr<Conversation> conversation_;
  Driver::DoneCallback done_;
  Dial dial_;
  std::shared_ptr<Result<std::vector<Address>>> resolved_;  // set while a look-up is under way
  std::vector<Address> addresses_;
  std::size_t next_address_ = 0;
  std::optional<Error> last_connect_error_;
  std::unique_ptr<SocketStream> stream_;
  std::shared_ptr<KeptConnection> kept_connection_ = std::make_shared<KeptConnection>();
  InputBuffer input_;
  WipedBytes unsent_;
  std::size_t sent_ = 0;
  bool peer_closed_ = false, cut_ = false;
  std::size_t seen_input_ = 0;  // unread bytes when the conversation last asked for more
  std::uint64_t told_ = 0;      // events so far: what a lane answers to an earlier one comes too late
  Phase phase_ = Phase::idle;
  std::string waiting_for_;  // named by the deadline's message
  Hop hop_ = Hop::secret_source;
  TimerId deadline_;
  TimerId wake_;
  Duration deadline_length_{};
  Duration left_{};  // of it
};

}  // namespace sallyport::net
