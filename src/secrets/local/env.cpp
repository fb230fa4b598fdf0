// `env:`. The variable is read from our own environment at fetch, and is among those that we do not hand on.
#include "base/limits.h"
#include "secrets/attributes.h"
#include "secrets/fetching_session.h"
#include "secrets/local/local.h"
#include "secrets/local/simple_fetch.h"

#include <algorithm>

namespace sallyport::secrets {

namespace {

constexpr auto own_attributes = std::to_array<Attribute>({{"shape", Effect::selects}});

bool is_variable_name(std::string_view name) {
  return !name.empty() && !(name.front() >= '0' && name.front() <= '9') &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
         });
}

class EnvFetch final : public SimpleFetch {
 public:
  EnvFetch(std::string name, ShapeOptions shape)
      : SimpleFetch(std::move(shape), "env:" + name), name_(std::move(name)) {}

  Result<Action> resume(Input input) override {
    if (std::holds_alternative<Started>(input.event)) return Action{ReadVariable{name_}};
    if (auto* read = std::get_if<VariableRead>(&input.event)) {
      if (!read->value) {
        return Error{ErrorCode::not_found,
                     Hop::secret_source,
                     where(),
                     "the variable is not set",
                     "Set it for Sallyport itself; its child does not get it",
                     {}};
      }
      return done_with(*read->value);
    }
    if (auto* failure = std::get_if<ActionFailed>(&input.event)) return failed(std::move(failure->error), "");
    return unexpected();
  }

 private:
  std::string name_;
};

class EnvSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "env"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return {}; }
  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    return {{reference.locator}, {}};
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    if (!is_variable_name(reference.locator)) {
      return Error{ErrorCode::bad_config,
                   Hop::reference,
                   "env:",
                   "this is no name of a variable",
                   "Write for example env:DB_PASSWORD",
                   {}};
    }
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    return std::make_unique<FetchingSession>(
        [name = reference.locator, options = *shape] { return std::make_unique<EnvFetch>(name, options); });
  }
};

}  // namespace

std::unique_ptr<Source> env_source() { return std::make_unique<EnvSource>(); }

}  // namespace sallyport::secrets
