// What a conversation can ask for, each action in turn. Waiting for bytes is conversation_run.cpp's.
#include "crypto/rsa.h"
#include "net/conversation_run.h"
#include "net/file_reader.h"
#include "net/txt_lookup.h"

#include <algorithm>
#include <utility>

namespace sallyport::net {

void ConversationRun::perform(Send action) {
  if (stream_ == nullptr) {
    finish(Error{ErrorCode::internal, hop_, {}, "a conversation without a connection wants to send", {}, {}});
    return;
  }
  unsent_.insert(unsent_.end(), action.bytes.begin(), action.bytes.end());
  waiting_for_ = "the server's answer";
  seen_input_ = 0;  // what came meanwhile may already be the answer
  phase_ = Phase::waiting_for_input;
  flush();
  if (done_ && phase_ == Phase::waiting_for_input) deliver_input();
}

void ConversationRun::perform(NeedMore) {
  waiting_for_ = "the server's answer";
  seen_input_ = input_.size();
  phase_ = Phase::waiting_for_input;
  if (stream_ == nullptr) {
    finish(Error{ErrorCode::internal, hop_, {}, "a conversation without a connection wants to read", {}, {}});
  } else {
    deliver_input();
  }
}

void ConversationRun::perform(StartTls action) {
  if (dial_.tls == nullptr) {
    finish(Error{ErrorCode::bad_config,
                 Hop::tls,
                 dial_.host,
                 "TLS is switched off for this target",
                 "Set tls.mode: verify-full",
                 {}});
    return;
  }
  if (!input_.empty()) {
    finish(Error{ErrorCode::peer_misbehaved,
                 Hop::tls,
                 dial_.host,
                 "the server sent bytes before TLS began",
                 "Somebody may be tampering with the connection",
                 {}});
    return;
  }
  hop_ = Hop::tls;
  waiting_for_ = "the TLS handshake";
  auto ssl = dial_.tls->connect(dial_.host, action.alpn, dial_.credential.get());
  if (!ssl) {
    finish(ssl.error());
    return;
  }
  stream_->adopt_tls(std::move(*ssl));
  phase_ = Phase::handshaking;
  step_handshake();
}

void ConversationRun::on_lane(Lane& lane, const char* what, std::function<Event()> call) {
  phase_ = Phase::busy;
  auto self = shared_from_this();
  auto& loop = services_->loop;
  const auto accepted = lane.submit([self, &loop, asked = told_, call = std::move(call)] {
    auto event = std::make_shared<Event>(call());
    loop.post([self, asked, event] {
      if (self->resolved_) {
        self->on_resolved();
      } else if (asked == self->told_) {
        self->resume(std::move(*event));
      }
    });
  });
  if (!accepted) {
    finish(Error{ErrorCode::retry_later,
                 hop_,
                 {},
                 std::string{"too many "} + what + " are waiting already",
                 "Wait, and look for a source that does not answer",
                 {}});
  }
}

void ConversationRun::perform(HttpRequest action) {
  auto request = std::make_shared<HttpRequest>(std::move(action));
  waiting_for_ = "the secret manager's reply";
  on_lane(services_->http_lane, "requests to secret managers",
          [http = services_->http, connection = kept_connection_, request]() -> Event {
            auto reply = http->perform(*request, *connection);
            if (!reply) return ActionFailed{reply.error()};
            return std::move(*reply);
          });
}

void ConversationRun::perform(ReadFile action) {
  waiting_for_ = "the file " + action.path;
  on_lane(services_->file_lane, "file reads",
          [action = std::move(action), outside = services_->outside]() -> Event {
            auto content = read_file(action, outside);
            if (!content) return ActionFailed{content.error()};
            return FileRead{std::move(*content)};
          });
}

void ConversationRun::perform(ReadVariable action) { resume(VariableRead{services_->variable(action.name)}); }

void ConversationRun::perform(RunProgram action) {
  if (services_->helper == nullptr) {
    resume(ActionFailed{Error{ErrorCode::bad_config,
                              Hop::secret_source,
                              "exec",
                              "programs are not run here",
                              "Use -e VAR=exec:… or a configuration file",
                              {}}});
    return;
  }
  waiting_for_ = "the program " + (action.argv.empty() ? std::string{} : action.argv.front());
  on_lane(services_->helper_lane, "programs",
          [helper = services_->helper, action = std::move(action)]() -> Event {
            auto ended = helper->run(action);
            if (!ended) return ActionFailed{ended.error()};
            return std::move(*ended);
          });
}

void ConversationRun::perform(LookupTxt action) {
  waiting_for_ = "the name server";
  wake_ = services_->loop.after(action.deadline, [self = shared_from_this(), action] {
    self->resume(
        ActionFailed{Error{ErrorCode::timed_out,
                           Hop::dns,
                           action.name,
                           "the name server gave no answer within " + format_duration(action.deadline),
                           "Check the network and the name servers in /etc/resolv.conf",
                           {}}});
  });
  on_lane(services_->dns_lane, "name look-ups", [name = std::move(action.name)]() -> Event {
    auto records = txt_records(name);
    if (!records) return ActionFailed{records.error()};
    return TxtFound{std::move(*records)};
  });
}

void ConversationRun::perform(WaitUntil action) {
  const auto delay = action.moment - services_->clock.now().mono;
  wake_ = services_->loop.after(std::max<Duration>(delay, Duration::zero()),
                                [self = shared_from_this()] { self->resume(Woken{}); });
}

void ConversationRun::perform(ComputePbkdf2 action) {
  resume(Computed{memo_->compute(action, dial_.credential)});
}

void ConversationRun::perform(ComputeRsaKey) {
  waiting_for_ = "a new key";
  on_lane(services_->file_lane, "computations", []() -> Event {
    auto key = crypto::new_rsa_key();
    if (!key) return ActionFailed{key.error()};
    return Computed{std::move(*key)};
  });
}

void ConversationRun::perform(Done) {
  if (stream_ != nullptr && !input_.empty()) {
    finish(Error{ErrorCode::peer_misbehaved,
                 Hop::login,
                 dial_.host,
                 "the server sent more than its greeting",
                 {},
                 {}});
    return;
  }
  finish({});
}

}  // namespace sallyport::net
