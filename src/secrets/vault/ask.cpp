// A Call inside an Inquiry: its actions become questions, so that retries and the one redirect are the same for both.
#include "secrets/vault/login.h"

namespace sallyport::secrets::vault {

Result<Reply> ask_vault(Inquiry& ask, const State& state, Request request) {
  Call call;
  std::array<std::uint8_t, 64> random{};
  std::copy(ask.random().begin(), ask.random().end(), random.begin());
  call.seed(random);
  auto action = call.start(state, std::move(request), ask.now());
  while (action) {
    std::optional<Event> event;
    if (auto* http = std::get_if<HttpRequest>(&*action)) {
      const auto answer = ask.http(std::move(*http));
      if (answer) {
        event.emplace(HttpReply{(*answer)->status, (*answer)->headers, (*answer)->body.clone()});
      } else {
        event.emplace(ActionFailed{answer.error()});
      }
    } else {
      ask.wait(std::get<WaitUntil>(*action).moment - ask.now().mono);
      event.emplace(Woken{});
    }
    auto step = call.resume(state, {ask.now(), std::move(*event)});
    if (!step) return std::move(step).error();
    if (auto* reply = std::get_if<Reply>(&*step)) return std::move(*reply);
    action = std::move(std::get<Action>(*step));
  }
  return std::move(action).error();
}

}  // namespace sallyport::secrets::vault
