#include "config/reference_check.h"

#include "secrets/reference.h"
#include "secrets/schemes.h"

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

Position moved(const Node& node, std::size_t offset) {
  if (!node.verbatim || offset > node.text.size()) return node.at;
  return {node.text_at.line, node.text_at.column + static_cast<int>(offset)};
}

}  // namespace

void check_reference(const Node& node, std::string_view key, Problems& problems) {
  if (!secrets::looks_like_reference(node.text)) {
    problems.add(node, "`" + std::string{key} + "` is not a reference (value not shown: it may be a secret)",
                 "Write where the secret is kept: `vault:database/creds/ROLE`, `file:/run/secrets/NAME`, "
                 "`systemd:NAME`, `env:NAME` or `exec:/PROGRAM ARGUMENTS`.");
    return;
  }
  const auto reference = secrets::parse_reference(node.text);
  if (!reference) {
    const auto& error = reference.error();
    node.wrong = true;
    std::string hint = error.hint;
    if (!hint.empty() && !hint.ends_with('.') && !hint.ends_with('?')) hint += '.';
    problems.add(moved(node, offset_of_caret(error.what, node.text)),
                 "`" + std::string{key} + "`: " + error.what.substr(0, error.what.find('\n')), hint);
    return;
  }
  const auto* scheme = secrets::find_scheme(reference->scheme);
  if (scheme == nullptr || !scheme->available) {
    problems.add(node, "references to `" + reference->scheme + ":` are not in this version",
                 "Use vault:, file:, systemd:, env: or exec:.");
  }
}

bool is_dynamic_credential(std::string_view text) {
  if (!text.starts_with("vault:")) return false;
  const auto reference = secrets::parse_reference(text);
  return reference && reference->locator.find("/creds/") != std::string::npos;
}

}  // namespace sallyport::config
