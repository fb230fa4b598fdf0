// The fields of a secret, one by one: what may be in each, and which of them a secret may supply at all.
// Private to this folder; shape.h decides where the fields come from.
#pragma once

#include "dsn/keywords.h"
#include "secrets/shape.h"

namespace sallyport::secrets {

/// An error about a secret's text, which is never quoted.
Error wrong_secret(ErrorCode code, std::string_view where, std::string what, std::string_view hint);

/// Notes a field that a secret may not supply. Only names from our own tables: an unknown name might be a
/// piece of a mistyped password.
void ignore_field(Fetched& fetched, std::string_view name);

/// `name` if it is one of our tables' own, else what kind of thing it is.
std::string_view shown_name(std::string_view name, dsn::Meaning meaning);

/// Each checks a value and puts it in its place. Limits: user_bytes_max and its like in shape.h.
/// Errors  invalid_message.
Result<void> set_user(Fetched& fetched, std::string_view user, std::string_view where);
Result<void> set_password(Fetched& fetched, std::string_view password, std::string_view where);
Result<void> set_host(Fetched& fetched, std::string_view host, std::string_view where);
Result<void> set_database(Fetched& fetched, std::string_view database, std::string_view where);

/// What a member of a managers' JSON object is about. The cloud managers' names, and CloudNativePG's.
dsn::Meaning member_meaning(std::string_view name);

/// One member of such an object: set, ignored with a note, or passed over.
Result<void> take_member(Fetched& fetched, std::string_view name, JsonView value, std::string_view where);

/// A client certificate, as Vault's database engine hands out: certificate and private key as PEM. False: the
/// object has none.
Result<bool> take_certificate(Fetched& fetched, JsonView object, std::string_view where);

}  // namespace sallyport::secrets
