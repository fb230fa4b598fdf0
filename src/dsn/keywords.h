// The names that connection strings use, and what each is about: who, where, how it is protected, or none
// of these. What a secret may supply, what is printed, and what is kept when a string is rewritten to point at
// a local endpoint all follow from this one table.
#pragma once

#include <string>
#include <string_view>

namespace sallyport::dsn {

enum class Meaning {
  user,
  password,
  host,
  host_address,  ///< hostaddr: connects elsewhere than the host says
  port,
  database,
  protection,      ///< TLS, authentication requirements, Kerberos
  secret,          ///< carries a secret other than the password: sslpassword, oauth_client_secret
  indirection,     ///< reads more settings from a file: service, passfile
  server_setting,  ///< options: settings of the session in the server
  other,           ///< harmless and known: application_name, time-outs
  unknown,
};

/// Of a name in a URI's query or among libpq's keywords (exact case) or JDBC's properties.
Meaning meaning_of(std::string_view name);

/// Of a name in an ADO string (any case, spaces as Npgsql has them).
Meaning ado_meaning_of(std::string_view name);

bool is_libpq_keyword(std::string_view name);
bool is_ado_keyword(std::string_view name);

/// The text before the first `=`, without spaces around it; empty when it is no plausible name.
std::string_view first_keyword(std::string_view text);

/// True when behind the first `;` outside quotes stands another ADO name, or nothing: a `;` alone may be part of
/// a password in libpq's form.
bool has_ado_separator(std::string_view text);

}  // namespace sallyport::dsn
