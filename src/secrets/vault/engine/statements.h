// The SQL behind `grants: read|write|owner` and `member_of`, as Vault's database plugins take it.
//
// PostgreSQL: a user has an end of its own (VALID UNTIL), also where Vault is away when the lease ends. What it makes
// belongs to the owner role, and what it was granted goes with it, so that it can be dropped. Its sessions end with it:
// DROP ROLE alone leaves them. Nothing needs a superuser: Vault's user has CREATEROLE and is a member of the owner role.
//
// Source  PostgreSQL manual: CREATE ROLE, ALTER DEFAULT PRIVILEGES, REASSIGN OWNED, DROP OWNED. Vault's documentation,
//         "Databases" (API): creation_statements and its like. A statement with END is passed on whole, others are cut
//         at semicolons.
#pragma once

#include "secrets/vault/engine/wanted.h"

#include <string_view>

namespace sallyport::secrets::vault::engine {

/// Fills the lists of statements that are empty. A role with `creation` of its own gets only what ends its users.
/// Names (owner, schemas, databases, member_of) are is_sql_name.
void complete_statements(DynamicRole& role, Database database);

/// A name that needs no escaping in quotes, in neither language, nor in Vault's templates: letters, digits, `_`, `-`,
/// `.`, `$`, at most 63 bytes.
bool is_sql_name(std::string_view text);

/// A statement that sets a password other than `{{password}}`.
bool sets_literal_password(std::string_view statement);

}  // namespace sallyport::secrets::vault::engine
