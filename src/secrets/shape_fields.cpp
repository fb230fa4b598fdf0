#include "secrets/shape_fields.h"

#include "base/ascii.h"
#include "base/limits.h"

#include <algorithm>

namespace sallyport::secrets {

namespace {

bool printable(std::string_view text) {
  return std::none_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7F;
  });
}

Result<void> set_engine(Fetched& fetched, std::string_view engine, std::string_view where) {
  auto lower = to_lower(engine);
  for (const std::string_view name : {"postgres", "postgresql", "pg", "pgsql", "aurora-postgresql"}) {
    if (lower == name) lower = "postgresql";
  }
  const bool plain = lower.size() <= 32 && std::all_of(lower.begin(), lower.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
                     });
  if (!plain) return wrong_secret(ErrorCode::invalid_message, where, "an engine that is no name", {});
  fetched.endpoint.engine = lower;
  return {};
}

}  // namespace

Error wrong_secret(ErrorCode code, std::string_view where, std::string what, std::string_view hint) {
  return {code,
          Hop::secret_source,
          std::string{where},
          std::move(what),
          hint.empty() ? "Correct the secret where it is kept" : std::string{hint},
          {}};
}

void ignore_field(Fetched& fetched, std::string_view name) {
  auto& names = fetched.ignored_fields;
  if (names.size() < ignored_fields_max && std::find(names.begin(), names.end(), name) == names.end()) {
    names.emplace_back(name);
  }
}

std::string_view shown_name(std::string_view name, dsn::Meaning meaning) {
  if (meaning == dsn::Meaning::unknown) return "an unknown parameter";
  if (meaning == dsn::Meaning::secret && !dsn::is_libpq_keyword(name)) return "another secret";
  return name;
}

Result<void> set_user(Fetched& fetched, std::string_view user, std::string_view where) {
  if (user.size() > user_bytes_max || !printable(user)) {
    return wrong_secret(ErrorCode::invalid_message, where,
                        "a user name that is too long or holds control characters", {});
  }
  fetched.credential.user = user;
  return {};
}

Result<void> set_password(Fetched& fetched, std::string_view password, std::string_view where) {
  if (password.empty())
    return wrong_secret(ErrorCode::invalid_message, where, "an empty password",
                        "Write the password there; PostgreSQL takes no empty one.");
  if (password.find('\0') != std::string_view::npos) {
    return wrong_secret(ErrorCode::invalid_message, where, "a password with a NUL in it", {});
  }
  fetched.credential.secret = Secret::copy_of(password);
  return {};
}

/// A path (directory of Unix sockets) is a path, and paths never come from a secret.
Result<void> set_host(Fetched& fetched, std::string_view host, std::string_view where) {
  if (host.empty()) return {};
  if (host.front() == '/' || host.front() == '@') {
    ignore_field(fetched, "host (a path)");
    return {};
  }
  const bool plain = host.size() <= host_bytes_max && std::all_of(host.begin(), host.end(), [](char c) {
                       return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                              c == '.' || c == '-' || c == '_' || c == ':';
                     });
  if (!plain)
    return wrong_secret(ErrorCode::invalid_message, where, "a host that is no name and no address", {});
  fetched.endpoint.host = host;
  return {};
}

Result<void> set_database(Fetched& fetched, std::string_view database, std::string_view where) {
  if (database.size() > database_bytes_max || !printable(database)) {
    return wrong_secret(ErrorCode::invalid_message, where,
                        "a database name that is too long or holds control characters", {});
  }
  fetched.endpoint.database = database;
  return {};
}

dsn::Meaning member_meaning(std::string_view name) {
  using dsn::Meaning;
  if (name == "username" || name == "user") return Meaning::user;
  if (name == "password") return Meaning::password;
  if (name == "host" || name == "hostname") return Meaning::host;
  if (name == "dbname" || name == "database" || name == "db") return Meaning::database;
  return dsn::meaning_of(name);
}

Result<void> take_member(Fetched& fetched, std::string_view name, JsonView value, std::string_view where) {
  if (name == "engine") return set_engine(fetched, value.text(), where);
  switch (member_meaning(name)) {
    case dsn::Meaning::user: return set_user(fetched, value.text(), where);
    case dsn::Meaning::password: {
      if (value.kind() == JsonView::Kind::string) return set_password(fetched, value.text(), where);
      // A number would lose leading zeros, or digits: only text is a password.
      return wrong_secret(ErrorCode::invalid_message, where, "a password that is no JSON string",
                          "Write it in quotes");
    }
    case dsn::Meaning::host: return set_host(fetched, value.text(), where);
    case dsn::Meaning::database: return set_database(fetched, value.text(), where);
    case dsn::Meaning::port: {
      const auto port = value.integer();
      if (!port || *port < 1 || *port > 65'535) {
        return wrong_secret(ErrorCode::invalid_message, where, "a port that is no number from 1 to 65535",
                            {});
      }
      fetched.endpoint.port = static_cast<std::uint16_t>(*port);
      return {};
    }
    case dsn::Meaning::unknown: return {};  // dbInstanceIdentifier, masterarn, comments: nothing to warn of
    case dsn::Meaning::host_address:
    case dsn::Meaning::protection:
    case dsn::Meaning::secret:
    case dsn::Meaning::indirection:
    case dsn::Meaning::server_setting:
    case dsn::Meaning::other: break;
  }
  ignore_field(fetched, shown_name(name, member_meaning(name)));
  return {};
}

Result<bool> take_certificate(Fetched& fetched, JsonView object, std::string_view where) {
  const auto certificate = object["client_certificate"].text();
  const auto key = object["private_key"].text();
  if (certificate.empty() || key.empty()) return false;
  if (certificate.size() > limits::secret_bytes_max || certificate.find("-----BEGIN CERTIFICATE-----") != 0) {
    return wrong_secret(ErrorCode::invalid_message, where, "a client certificate that is no PEM", {});
  }
  fetched.credential.kind = CredentialKind::client_certificate;
  fetched.credential.certificate_pem = certificate;
  fetched.credential.secret = Secret::copy_of(key);
  return true;
}

}  // namespace sallyport::secrets
