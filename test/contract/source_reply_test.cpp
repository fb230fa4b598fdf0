// The contract of a source, over every registered one: what comes back, cut, as large as it may be, too large, or the
// answer to a question that was not asked.
#include "test/contract/source_suite.h"

#include <algorithm>

namespace sallyport::contract::source_reply_test {
namespace {

/// The bytes of an answer, and the most that it may have; null for what has none.
Secret* bytes_of(Event& event) {
  if (auto* file = std::get_if<FileRead>(&event)) return &file->content;
  if (auto* program = std::get_if<ProgramEnded>(&event)) return &program->output;
  if (auto* reply = std::get_if<HttpReply>(&event)) return &reply->body;
  auto* variable = std::get_if<VariableRead>(&event);
  return variable != nullptr && variable->value ? &*variable->value : nullptr;
}

std::size_t bytes_max(const Event& event) {
  return std::holds_alternative<HttpReply>(event) ? limits::secret_reply_bytes_max : limits::secret_bytes_max;
}

/// With spaces behind it, which JSON and tokens may have.
void pad(Secret& text, std::size_t size) {
  std::string padded{text.reveal()};
  padded.resize(size, ' ');
  text = Secret::copy_of(padded);
}

bool holds_the_secret(const Secret& text) {
  return text.reveal().find("canary-password") != std::string_view::npos;
}

TEST_P(SourceContract, AReplyMayBeCutAnywhere) {
  at_every_step([this](Turn turn, std::size_t at, const std::string& line) {
    std::size_t size = 0;
    for (std::size_t cut = 0; cut == 0 || cut < size; cut += std::max<std::size_t>(1, size / 101)) {
      SCOPED_TRACE(cut);
      bool secret_was_cut = false;
      const auto end = play(
          turn,
          [&](std::size_t step, const std::string&, Event honest) {
            auto* text = bytes_of(honest);
            if (step != at || text == nullptr) return honest;
            size = text->size();
            secret_was_cut = cut < size && holds_the_secret(*text);
            text->shrink(cut);
            return honest;
          },
          after(line));
      if (secret_was_cut) {
        EXPECT_FALSE(end);
      }
    }
  });
}

TEST_P(SourceContract, AReplyOfTheLargestSizeIsReadAndOneByteMoreIsAnError) {
  at_every_step([this](Turn turn, std::size_t at, const std::string& line) {
    for (const std::size_t over : {0, 1}) {
      SCOPED_TRACE(over);
      bool json = false;
      bool secret = false;
      const auto end = play(
          turn,
          [&](std::size_t step, const std::string&, Event honest) {
            auto* text = bytes_of(honest);
            if (step != at || text == nullptr) return honest;
            json = text->reveal().starts_with('{');
            secret = holds_the_secret(*text);
            pad(*text, bytes_max(honest) + over);
            return honest;
          },
          after(line));
      if (over == 0 && json) {
        EXPECT_TRUE(end) << describe(end.error());
      }
      if (over == 1 && secret) {
        ASSERT_FALSE(end);
        EXPECT_EQ(end.error().code, ErrorCode::limit_exceeded) << describe(end.error());
      }
    }
  });
}

TEST_P(SourceContract, AReplyOfOtherBytesEndsIt) {
  const std::string texts[] = {std::string(64, '\0'),
                               std::string(4'096, '['),
                               std::string(64, '\xff'),
                               "{\"canary\":",
                               "\x1b[31mcanary\n",
                               "null",
                               "{}"};
  at_every_step([&](Turn turn, std::size_t at, const std::string& line) {
    for (const auto& other : texts) {
      (void)play(
          turn,
          [&](std::size_t step, const std::string&, Event honest) {
            auto* text = bytes_of(honest);
            if (step == at && text != nullptr) *text = Secret::copy_of(other);
            return honest;
          },
          after(line));
    }
  });
}

/// One of each kind of answer, with the secret in each that can carry one. A wake-up has a test of its own.
std::vector<Event> other_answers() {
  std::vector<Event> out;
  out.emplace_back(PeerClosed{});
  out.emplace_back(TlsEstablished{});
  out.emplace_back(HttpReply{200, {}, Secret::copy_of(pair)});
  out.emplace_back(FileRead{Secret::copy_of(pair)});
  out.emplace_back(VariableRead{Secret::copy_of(pair)});
  out.emplace_back(ProgramEnded{0, Secret::copy_of(pair)});
  out.emplace_back(Computed{Secret::copy_of(pair)});
  return out;
}

TEST_P(SourceContract, AnAnswerToAnotherQuestionIsAnErrorOfOurs) {
  at_every_step([this](Turn turn, std::size_t at, const std::string& line) {
    for (std::size_t kind = 0; kind < other_answers().size(); ++kind) {
      SCOPED_TRACE(kind);
      bool tampered = false;
      const auto end = play(turn, [&](std::size_t step, const std::string&, Event honest) {
        auto other = std::move(other_answers()[kind]);
        if (step != at || other.index() == honest.index()) return honest;
        tampered = true;
        return other;
      });
      if (!tampered || !must_not_fail(line)) continue;
      ASSERT_FALSE(end);
      EXPECT_EQ(end.error().code, ErrorCode::internal) << describe(end.error());
    }
  });
}

TEST_P(SourceContract, AWakeUpThatWasNotAskedForIsAnErrorOfOurs) {
  at_every_step([this](Turn turn, std::size_t at, const std::string& line) {
    const auto end = play(turn, [&](std::size_t step, const std::string&, Event honest) {
      return step == at ? Event{Woken{}} : std::move(honest);
    });
    if (!must_not_fail(line)) return;
    ASSERT_FALSE(end);
    EXPECT_EQ(end.error().code, ErrorCode::internal) << describe(end.error());
  });
}

}  // namespace
}  // namespace sallyport::contract::source_reply_test
