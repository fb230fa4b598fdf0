// `systemd:`. LoadCredential= and SetCredential= put files into a directory that only the unit can read, and
// name it in $CREDENTIALS_DIRECTORY (systemd.exec(5), "Credentials").
#include "base/limits.h"
#include "secrets/attributes.h"
#include "secrets/fetching_session.h"
#include "secrets/local/local.h"
#include "secrets/local/simple_fetch.h"

namespace sallyport::secrets {

namespace {

constexpr auto own_attributes = std::to_array<Attribute>({{"shape", Effect::selects}});
constexpr std::string_view directory_variable = "CREDENTIALS_DIRECTORY";

/// systemd sets it; anybody else who does must name a plain absolute path.
bool is_plain_directory(std::string_view path) {
  const std::string inside = std::string{path} + "/";
  return path.starts_with('/') && path.size() <= 4096 && path.find('\0') == std::string_view::npos &&
         inside.find("/../") == std::string::npos && inside.find("/./") == std::string::npos;
}

class SystemdFetch final : public SimpleFetch {
 public:
  SystemdFetch(std::string name, ShapeOptions shape)
      : SimpleFetch(std::move(shape), "systemd:" + name), name_(std::move(name)) {}

  Result<Action> resume(Input input) override {
    if (std::holds_alternative<Started>(input.event))
      return Action{ReadVariable{std::string{directory_variable}}};
    if (auto* read = std::get_if<VariableRead>(&input.event); read && !asked_file_)
      return on_directory(*read);
    if (auto* read = std::get_if<FileRead>(&input.event); read && asked_file_)
      return done_with(read->content);
    if (auto* failure = std::get_if<ActionFailed>(&input.event)) {
      return failed(std::move(failure->error), "Add LoadCredential=" + name_ + ":/path/to/file to the unit");
    }
    return unexpected();
  }

 private:
  Result<Action> on_directory(const VariableRead& read) {
    if (!read.value || read.value->empty()) {
      return Error{ErrorCode::not_found,
                   Hop::secret_source,
                   where(),
                   "$CREDENTIALS_DIRECTORY is not set",
                   "Run as a systemd unit with LoadCredential=" + name_ + ":/path/to/file",
                   {}};
    }
    const std::string directory{read.value->reveal()};
    if (!is_plain_directory(directory)) {
      return Error{ErrorCode::bad_config,
                   Hop::secret_source,
                   where(),
                   "$CREDENTIALS_DIRECTORY is no plain absolute path",
                   "Leave it to systemd to set it",
                   {}};
    }
    asked_file_ = true;
    return Action{ReadFile{directory + "/" + name_, limits::secret_bytes_max, FileTrust::is_private}};
  }

  std::string name_;
  bool asked_file_ = false;
};

class SystemdSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "systemd"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return {{std::string{directory_variable}}, {}}; }
  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    return {authority().variables, {"$" + std::string{directory_variable} + "/" + reference.locator}};
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    return std::make_unique<FetchingSession>([name = reference.locator, options = *shape] {
      return std::make_unique<SystemdFetch>(name, options);
    });
  }
};

}  // namespace

std::unique_ptr<Source> systemd_source() { return std::make_unique<SystemdSource>(); }

}  // namespace sallyport::secrets
