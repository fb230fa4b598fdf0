// The grammar and the sources are of secrets/; here their errors get a line and a column.
#include "config/reference_check.h"

#include "secrets/attributes.h"
#include "secrets/reference.h"
#include "secrets/schemes.h"
#include "secrets/source.h"

#include <array>

namespace sallyport::config {
namespace {

/// parse_reference shows the text and a caret below the character (secrets/caret.h); in a file there is a
/// column for that. 0 when what was shown is masked or cut before the caret.
std::size_t offset_of_caret(std::string_view what, std::string_view reference) {
  constexpr std::size_t indent = 4;
  const auto text_at = what.find('\n');
  const auto caret_at = what.rfind('\n');
  if (text_at == caret_at || !what.ends_with('^')) return 0;
  const auto shown = what.substr(text_at + 1, caret_at - text_at - 1);
  const std::size_t column = what.size() - 1 - (caret_at + 1);
  if (column < indent || shown.size() < column) return 0;
  const std::size_t offset = column - indent;
  return reference.substr(0, offset) == shown.substr(indent, offset) ? offset : 0;
}

std::string first_line(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string sentence(std::string hint) {
  if (!hint.empty() && !hint.ends_with('.') && !hint.ends_with('?')) hint += '.';
  return hint;
}

/// What a reference in DATABASE_URL may say of its target: in a file the target says it, and two truths would
/// be one too many.
struct TargetAttribute {
  std::string_view attribute;
  std::string_view key;
};
constexpr auto target_attributes =
    std::to_array<TargetAttribute>({{"engine", "engine"},
                                    {"host", "host"},
                                    {"port", "port"},
                                    {"dbname", "database"},
                                    {"user", "user"},
                                    {"run_as", "run_as"},
                                    {"sslmode", "tls: {mode: …}"},
                                    {"sslrootcert", "tls: {roots: …}"},
                                    {"sslcrl", "tls: {crl: …}"},
                                    {"sslcert", "tls: {certificate: …}"},
                                    {"sslkey", "tls: {key: …}"},
                                    {"server_name", "tls: {server_name: …}"},
                                    {"tls_reason", "tls: {reason: …}"},
                                    {"tls_until", "tls: {until: …}"},
                                    {"login_methods", "login_methods"},
                                    {"login_reason", "login_reason"},
                                    {"target_session_attrs", "target_session_attrs"},
                                    {"load_balance_hosts", "load_balance"}});
static_assert(target_attributes.size() + 1 == secrets::target_attributes.size(), "all but dialect");

void check_attributes(const Node& node, const secrets::Reference& reference, Problems& problems) {
  for (const auto& [attribute, key] : target_attributes) {
    if (!reference.attributes.contains(std::string{attribute})) continue;
    problems.add(node, "the reference says `" + std::string{attribute} + "`, which the target says here",
                 "Remove it from the reference and write `" + std::string{key} + "`.");
  }
  if (reference.attributes.contains("dialect")) {
    problems.add(node, "the reference says `dialect`, which is for a variable of `exec`",
                 "Remove it: `-e VAR=TARGET` keeps the dialect of what VAR held.");
  }
}

void warn_of_weakening(const Node& node, const secrets::Reference& reference, const secrets::Source& source,
                       Problems& problems) {
  for (const auto& attribute : source.attributes()) {
    if (!attribute.weakens(secrets::attribute_of(reference, attribute.name))) continue;
    problems.warn(node.at, "the reference has `" + std::string{attribute.name} +
                               "`, which weakens a check. Remove it as soon as you can");
  }
}

Position moved(const Node& node, std::size_t offset) {
  if (!node.verbatim || offset > node.text.size()) return node.at;
  return {node.text_at.line, node.text_at.column + static_cast<int>(offset)};
}

}  // namespace

void check_reference(const Node& node, std::string_view key, Problems& problems) {
  if (!secrets::looks_like_reference(node.text)) {
    problems.add(
        node, "`" + std::string{key} + "` is not a reference (value not shown: it may be a secret)",
        "Write where the secret is kept, such as `vault:database/creds/ROLE` or `file:/run/secrets/NAME`. "
        "This version has " +
            secrets::list_of_schemes() + ".");
    return;
  }
  const auto reference = secrets::parse_reference(node.text);
  if (!reference) {
    const auto& error = reference.error();
    node.wrong = true;
    problems.add(moved(node, offset_of_caret(error.what, node.text)),
                 "`" + std::string{key} + "`: " + first_line(error.what), sentence(error.hint));
    return;
  }
  const auto* scheme = secrets::find_scheme(reference->scheme);
  if (scheme == nullptr || !scheme->available) {
    problems.add(node, "references to `" + reference->scheme + ":` are not in this version",
                 "docs/configuration.md lists those that are.");
    return;
  }
  check_attributes(node, *reference, problems);
  // What a source can check without IO, it checks now and not at the first connection.
  const auto sources = secrets::register_all();
  const auto* source = sources.find(reference->scheme);
  if (source == nullptr) return;
  warn_of_weakening(node, *reference, *source, problems);
  if (auto opened = source->open(*reference, {}); !opened) {
    problems.add(node, "`" + std::string{key} + "`: " + first_line(opened.error().what),
                 sentence(opened.error().hint));
  }
}

bool is_dynamic_credential(std::string_view text) {
  if (!text.starts_with("vault:")) return false;
  const auto reference = secrets::parse_reference(text);
  return reference && reference->locator.find("/creds/") != std::string::npos;
}

}  // namespace sallyport::config
