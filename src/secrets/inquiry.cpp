#include "secrets/inquiry.h"

#include "secrets/fallback_fix.h"

#include <algorithm>

namespace sallyport::secrets {

namespace {

constexpr std::size_t text_bytes_max = 4096;

/// A question without an answer yet. Caught in InquiryRun::resume() and nowhere else.
struct Unanswered {};

Error defect(const std::string& where, const char* what) {
  return {ErrorCode::internal, Hop::secret_source, where, what, "This is a defect.", {}};
}

/// Whether `event` can be an answer to the question of this index; a failure always can.
bool answers(std::size_t question, const Event& event) {
  if (std::holds_alternative<ActionFailed>(event)) return true;
  const auto is = [&]<class Asked, class Given>() {
    return question == Action{Asked{}}.index() && std::holds_alternative<Given>(event);
  };
  return is.operator()<HttpRequest, HttpReply>() || is.operator()<ReadFile, FileRead>() ||
         is.operator()<ReadVariable, VariableRead>() || is.operator()<RunProgram, ProgramEnded>() ||
         is.operator()<LookupTxt, TxtFound>() || is.operator()<WaitUntil, Woken>() ||
         is.operator()<ComputeRsaKey, Computed>();
}

template <class T>
const T* given(const Event& event) {
  return std::get_if<T>(&event);
}

}  // namespace

const Event& Inquiry::ask(Action action) {
  if (next_ == answers_.size()) {
    question_ = std::move(action);
    throw Unanswered{};  // NOLINT(hicpp-exception-baseclass): no error, and never leaves this file
  }
  const auto& answer = *answers_[next_++];
  if (answer.question != action.index()) out_of_step_ = true;
  now_ = answer.at;
  return answer.event;
}

template <class Wanted>
Result<const Wanted*> Inquiry::ask_for(Action action) {
  const auto& event = ask(std::move(action));
  if (const auto* failed = given<ActionFailed>(event)) return failed->error;
  if (const auto* wanted = given<Wanted>(event)) return wanted;
  return defect({}, "a step asks another question than before");
}

const Secret* Inquiry::variable(std::string_view name) {
  const auto& event = ask(ReadVariable{std::string{name}});
  const auto* read = given<VariableRead>(event);
  if (read == nullptr || !read->value || read->value->empty()) return nullptr;
  return &*read->value;
}

Result<std::string> Inquiry::text(std::string_view name) {
  const auto* value = variable(name);
  if (value == nullptr) return std::string{};
  const auto seen = value->reveal();
  const bool plain = std::all_of(seen.begin(), seen.end(),
                                 [](char c) { return static_cast<unsigned char>(c) >= 0x20 && c != 0x7F; });
  if (seen.size() > text_bytes_max || !plain) {
    return Error{ErrorCode::bad_config,  Hop::environment,
                 std::string{name},      "is longer than 4096 bytes or has control characters (not shown)",
                 "Correct the variable", {}};
  }
  return std::string{seen};
}

Result<const Secret*> Inquiry::file(ReadFile request) {
  auto read = ask_for<FileRead>(std::move(request));
  if (!read) return std::move(read).error();
  return &(*read)->content;
}

Result<const HttpReply*> Inquiry::http(HttpRequest request) { return ask_for<HttpReply>(std::move(request)); }

Result<const ProgramEnded*> Inquiry::program(RunProgram request) {
  return ask_for<ProgramEnded>(std::move(request));
}

Result<const TxtFound*> Inquiry::txt(std::string name) {
  LookupTxt request;
  request.name = std::move(name);
  return ask_for<TxtFound>(std::move(request));
}

Result<const Secret*> Inquiry::rsa_key() {
  auto made = ask_for<Computed>(ComputeRsaKey{});
  if (!made) return std::move(made).error();
  return &(*made)->value;
}

void Inquiry::wait(Duration duration) {
  const auto until = now_.mono + std::chrono::duration_cast<MonotonicTime::duration>(duration);
  (void)ask(WaitUntil{until});
}

Result<Action> InquiryRun::resume(Input input) {
  if (const auto* started = std::get_if<Started>(&input.event)) {
    inquiry_.random_ = started->random;
    inquiry_.started_ = input.now;
  } else {
    if (!inquiry_.question_) return defect(where_, "the driver answered what was not asked");
    const auto question = inquiry_.question_->index();
    if (!answers(question, input.event)) return defect(where_, "the driver answered what was not asked");
    inquiry_.question_.reset();
    if (inquiry_.answers_.size() == questions_max) {
      return with_fix({ErrorCode::peer_misbehaved, Hop::secret_source, where_, "it never ends", {}, {}});
    }
    inquiry_.answers_.push_back(
        std::make_unique<Inquiry::Answer>(Inquiry::Answer{question, input.now, std::move(input.event)}));
  }
  while (at_ < steps_.size()) {
    inquiry_.next_ = 0;
    inquiry_.now_ = inquiry_.started_;
    try {
      auto done = steps_[at_](inquiry_);
      if (inquiry_.out_of_step_) return defect(where_, "a step asks another question than before");
      if (!done) return with_fix(std::move(done).error());
      if (*done == Then::all_again && inquiry_.attempt_++ > 0)
        return defect(where_, "a step begins for ever");
      at_ = *done == Then::all_again ? 0 : at_ + 1;
    } catch (const Unanswered&) {
      return std::move(*inquiry_.question_);
    }
    inquiry_.answers_.clear();
    inquiry_.started_ = input.now;
  }
  return Action{Done{}};
}

InquiryFetch::InquiryFetch(std::vector<Step> steps, std::string where)
    : run_(
          [&] {
            std::vector<InquiryRun::Step> bound;
            bound.reserve(steps.size());
            for (auto& step : steps) {
              bound.emplace_back(
                  [step = std::move(step), fetched = fetched_](Inquiry& ask) { return step(ask, *fetched); });
            }
            return bound;
          }(),
          std::move(where)) {}

}  // namespace sallyport::secrets
