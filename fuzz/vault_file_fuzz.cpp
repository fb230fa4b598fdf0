// Any text as a file for `sallyport vault`: what is accepted is complete and without a password, what is refused is told
// with a place. Any text as SQL and as a connection_url.
#include "config/vault_file.h"
#include "config/vault_target.h"
#include "secrets/reference.h"
#include "secrets/vault/engine/advice.h"
#include "secrets/vault/engine/object.h"
#include "secrets/vault/engine/sql_words.h"
#include "secrets/vault/engine/statements.h"

#include <algorithm>
#include <cstdlib>

namespace {

using namespace sallyport;
namespace engine = secrets::vault::engine;

void require(bool holds) {
  if (!holds) std::abort();
}

bool is_text(const std::string& text) {
  return std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) < 0x20 || c == 0x7F; });
}

void check_url(std::string_view text) {
  for (const auto database : {engine::Database::postgresql, engine::Database::mysql}) {
    const auto url = config::templated_url(std::string{text}, database);
    if (!url) continue;
    const std::string_view templates = "{{username}}:{{password}}@";
    const auto at = url->find(templates);
    require(at != url->npos && url->find('@', at + templates.size()) == url->npos);
    const auto again = config::templated_url(*url, database);
    require(again && *again == *url);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view text{reinterpret_cast<const char*>(data), size};
  std::size_t bytes = 0;
  for (const auto& word : engine::sql_words(text)) bytes += word.text.size();
  require(bytes <= text.size());
  (void)engine::sets_literal_password(text);
  check_url(text);
  const config::Surroundings around{.now = {}, .uid_of = {}, .gid_of = {}, .check_file = {}};
  const auto parsed = config::parse_vault_file(text, "f", around);
  if (!parsed.has_value()) {
    require(!parsed.error().empty() && parsed.error().size() <= config::errors_max);
    for (const auto& error : parsed.error()) {
      require(error.where.starts_with("f:") && !error.what.empty() && is_text(error.what) &&
              is_text(error.hint));
    }
    return 0;
  }
  const auto& wanted = parsed->wanted;
  require(secrets::parse_reference(parsed->reference).has_value());
  for (const auto& [name, role] : wanted.roles) {
    require(wanted.connections.contains(role.connection) && !role.creation.empty() &&
            !role.revocation.empty());
    for (const auto& statement : role.creation) require(!engine::sets_literal_password(statement));
  }
  for (const auto& [name, role] : wanted.static_roles) require(wanted.connections.contains(role.connection));
  require(engine::objects_of(wanted).size() ==
          wanted.connections.size() + wanted.roles.size() + wanted.static_roles.size());
  (void)engine::advice_on(wanted);
  return 0;
}
