// `exec:`. The program's words are split without a shell (words.h); its output is the secret, its exit status the
// only thing an error tells.
#include "base/limits.h"
#include "secrets/attributes.h"
#include "secrets/fetching_session.h"
#include "secrets/local/local.h"
#include "secrets/local/simple_fetch.h"
#include "secrets/words.h"

namespace sallyport::secrets {

namespace {

constexpr auto own_attributes = std::to_array<Attribute>({{"shape", Effect::selects}});

class ExecFetch final : public SimpleFetch {
 public:
  ExecFetch(std::vector<std::string> argv, ShapeOptions shape)
      : SimpleFetch(std::move(shape), "exec:" + argv.front()), argv_(std::move(argv)) {}

  Result<Action> resume(Input input) override {
    if (std::holds_alternative<Started>(input.event)) {
      return Action{RunProgram{argv_, limits::program_deadline, limits::secret_bytes_max}};
    }
    if (auto* ended = std::get_if<ProgramEnded>(&input.event)) return on_end(*ended);
    if (auto* failure = std::get_if<ActionFailed>(&input.event)) return failed(std::move(failure->error), "");
    return unexpected();
  }

 private:
  /// Retried later: helpers fail when their own session with a manager has run out, and work again after it.
  Result<Action> on_end(const ProgramEnded& ended) {
    if (ended.exit_status != 0) {
      return Error{ErrorCode::retry_later,
                   Hop::secret_source,
                   where(),
                   "the program ended with status " + std::to_string(ended.exit_status),
                   "Run it by hand with an empty environment to see why",
                   {}};
    }
    if (ended.output.size() > limits::secret_bytes_max) {
      return Error{ErrorCode::limit_exceeded,
                   Hop::secret_source,
                   where(),
                   "it printed more than 65536 bytes",
                   "Have it print the secret alone",
                   {}};
    }
    return done_with(ended.output);
  }

  std::vector<std::string> argv_;
};

class ExecSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "exec"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return {}; }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    WordsError error;
    auto argv = split_words(reference.locator, error);
    if (!error.what.empty() || argv.front().empty() || argv.front().front() != '/') {
      return Error{ErrorCode::bad_config,
                   Hop::reference,
                   "exec:",
                   error.what.empty() ? "the program is not an absolute path" : std::string{error.what},
                   "Write for example exec:/usr/bin/pass show db",
                   {}};
    }
    return std::make_unique<FetchingSession>(
        [words = std::move(argv), options = *shape] { return std::make_unique<ExecFetch>(words, options); });
  }
};

}  // namespace

std::unique_ptr<Source> exec_source() { return std::make_unique<ExecSource>(); }

}  // namespace sallyport::secrets
