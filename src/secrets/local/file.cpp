// `file:`. A secret that every user of the machine can read is none: the driver refuses such a file unless the
// reference says allow_world_readable=true.
#include "base/limits.h"
#include "secrets/attributes.h"
#include "secrets/fetching_session.h"
#include "secrets/local/local.h"
#include "secrets/local/simple_fetch.h"

namespace sallyport::secrets {

namespace {

constexpr auto own_attributes =
    std::to_array<Attribute>({{"allow_world_readable", Effect::weakens}, {"shape", Effect::selects}});

class FileFetch final : public SimpleFetch {
 public:
  FileFetch(std::string path, bool must_be_private, ShapeOptions shape)
      : SimpleFetch(std::move(shape), "file:" + path),
        path_(std::move(path)),
        must_be_private_(must_be_private) {}

  Result<Action> resume(Input input) override {
    if (std::holds_alternative<Started>(input.event)) {
      return Action{ReadFile{path_, limits::secret_bytes_max, private_if(must_be_private_)}};
    }
    if (auto* read = std::get_if<FileRead>(&input.event)) {
      if (read->content.size() > limits::secret_bytes_max) {
        return Error{ErrorCode::limit_exceeded,
                     Hop::secret_source,
                     where(),
                     "longer than 65536 bytes",
                     "Put the secret alone into it",
                     {}};
      }
      return done_with(read->content);
    }
    if (auto* failure = std::get_if<ActionFailed>(&input.event)) {
      return failed(std::move(failure->error),
                    must_be_private_
                        ? "chmod o-rwx the file; or allow_world_readable=true if its secret is public"
                        : "");
    }
    return unexpected();
  }

 private:
  std::string path_;
  bool must_be_private_;
};

class FileSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "file"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return {}; }
  [[nodiscard]] Authority authority_for(const Reference& reference) const override {
    return {{}, {reference.locator}};
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    auto world_readable = flag_of(reference, "allow_world_readable");
    if (!world_readable) return std::move(world_readable).error();
    return std::make_unique<FetchingSession>(
        [path = reference.locator, must_be_private = !*world_readable, options = *shape] {
          return std::make_unique<FileFetch>(path, must_be_private, options);
        });
  }
};

}  // namespace

std::unique_ptr<Source> file_source() { return std::make_unique<FileSource>(); }

}  // namespace sallyport::secrets
