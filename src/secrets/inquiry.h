// A fetch written as one function that asks questions.
//
// Chains of providers (AWS, GCP, Azure) ask a dozen things of the machine, most of them only if another answer was
// empty. Written as states of a machine they cannot be read. Here a step is a plain function that asks `Inquiry` and
// goes on with the answer; it stays without IO all the same: the first question that has no answer yet ends the
// function (by the one exception that this folder throws), the driver performs it, and the function runs again from its
// beginning with one answer more. Coroutines would do that without repetition, but the compilers of Debian 12 cannot
// fuzz them; repeating a few microseconds between requests that take milliseconds costs nothing.
//
// A step therefore asks the same questions each time that it runs: it may read what outlives it (a session's cache),
// and writes there only when it has no more questions. A conversation has several steps so that what one has found
// (the cloud's credentials) is kept although the next one fails.
#pragma once

#include "base/conversation.h"
#include "secrets/source.h"

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets {

class Inquiry {
 public:
  /// Null when unset or empty. Answers live until the step ends: the next one gets a copy or nothing.
  const Secret* variable(std::string_view name);

  /// A variable that is no secret (a path, a name, a URL); empty when unset.
  /// Errors  bad_config, hop environment: longer than 4096 bytes or with control characters; not quoted.
  Result<std::string> text(std::string_view name);

  Result<const Secret*> file(ReadFile request);
  Result<const HttpReply*> http(HttpRequest request);
  Result<const ProgramEnded*> program(RunProgram request);
  /// The TXT records of a name: a stranger's bytes, bounded (base/conversation.h).
  Result<const TxtFound*> txt(std::string name);
  /// A fresh RSA key of 2048 bits, its private half as PKCS #8 PEM.
  Result<const Secret*> rsa_key();
  void wait(Duration duration);

  /// When the last answer came. The same again when the step runs again.
  [[nodiscard]] Moment now() const { return now_; }

  /// 64 bytes fit for keys, the same in all steps and attempts.
  [[nodiscard]] Bytes random() const { return random_; }

  /// 0, or 1 when a step has asked for all to begin again.
  [[nodiscard]] int attempt() const { return attempt_; }

 private:
  friend class InquiryRun;

  struct Answer {
    std::size_t question = 0;  ///< index of the action
    Moment at;
    Event event;
  };

  const Event& ask(Action action);
  template <class Wanted>
  Result<const Wanted*> ask_for(Action action);

  std::vector<std::unique_ptr<Answer>> answers_;
  std::size_t next_ = 0;
  std::optional<Action> question_;
  Moment started_{};
  Moment now_{};
  std::array<std::uint8_t, 64> random_{};
  int attempt_ = 0;
  bool out_of_step_ = false;  ///< a step asked another question than before: a defect
};

/// Questions of one step; more are a defect or a hostile peer.
inline constexpr std::size_t questions_max = 128;

/// What follows a step.
enum class Then { next_step, all_again };

/// Runs steps one after the other inside a conversation.
class InquiryRun {
 public:
  using Step = std::function<Result<Then>(Inquiry&)>;

  InquiryRun(std::vector<Step> steps, std::string where)
      : steps_(std::move(steps)), where_(std::move(where)) {}

  /// Done after the last step. `all_again` counts once; a second time it is an error.
  Result<Action> resume(Input input);

 private:
  std::vector<Step> steps_;
  std::string where_;
  Inquiry inquiry_;
  std::size_t at_ = 0;
};

/// A fetch out of steps; the last one calls `yield`.
class InquiryFetch final : public FetchConversation {
 public:
  using Step = std::function<Result<Then>(Inquiry&, Fetched& yield)>;

  InquiryFetch(std::vector<Step> steps, std::string where);
  Result<Action> resume(Input input) override { return run_.resume(std::move(input)); }
  Fetched take() override { return std::move(*fetched_); }

 private:
  std::shared_ptr<Fetched> fetched_ = std::make_shared<Fetched>();
  InquiryRun run_;
};

}  // namespace sallyport::secrets
