#include "cli/resolved_form.h"

#include "secrets/json_writer.h"
#include "trail/text.h"

namespace sallyport::cli {

namespace {

class Lines {
 public:
  void add(std::string_view name, std::string_view value) {
    if (value.empty()) return;
    raw(name);
    raw(std::string(name.size() < 11 ? 11 - name.size() : 1, ' '));
    raw(value);
    raw("\n");
  }
  void raw(std::string_view text) { out_.insert(out_.end(), text.begin(), text.end()); }
  WipedBytes take() { return std::move(out_); }

 private:
  WipedBytes out_;
};

std::string address_of(const std::string& host, std::uint16_t port) {
  return port == 0 ? host : host + ":" + std::to_string(port);
}

/// Where the credential is for: what the reference says, else what the secret supplied.
struct Endpoint {
  std::string host, database;
  std::uint16_t port = 0;
  bool of_secret = false;
};

Endpoint endpoint_of(const Resolved& resolved) {
  Endpoint out;
  const auto& supplied = resolved.fetched->endpoint;
  if (!resolved.purpose.hosts.empty()) {
    out.host = resolved.purpose.hosts.front().host;
    out.port = resolved.purpose.hosts.front().port;
  } else {
    out.host = supplied.host;
    out.port = supplied.port;
    out.of_secret = !supplied.host.empty();
  }
  out.database = resolved.database.empty() ? supplied.database : resolved.database;
  return out;
}

const std::string& user_of(const Resolved& resolved) {
  const auto& own = resolved.purpose.user;
  return own.empty() ? resolved.fetched->credential.user : own;
}

std::string in_words(const Lease& lease) {
  return lease.id + ", " + format_duration(lease.duration) + (lease.renewable ? ", renewable" : "");
}

std::string expiry_in_words(const Credential& credential, Moment now) {
  if (!credential.expires) return "not by itself";
  const Duration left = *credential.expires - now.wall;
  return format_utc(std::chrono::floor<std::chrono::seconds>(*credential.expires)).substr(0, 19) + "Z, in " +
         format_duration(left);
}

std::string ignored_in_words(const secrets::Fetched& fetched) {
  std::string out;
  for (const auto& name : fetched.ignored_fields) out += (out.empty() ? "" : ", ") + name;
  return out.empty() ? out : out + " (a secret may not supply them)";
}

WipedBytes as_text(const Resolved& resolved) {
  const auto& fetched = *resolved.fetched;
  const auto& credential = fetched.credential;
  const auto endpoint = endpoint_of(resolved);
  Lines lines;
  lines.add("reference", trail::printable(resolved.reference));
  lines.add("from", trail::printable(fetched.origin));
  lines.add("is", std::string{kind_of(credential)} + (credential.lease ? ", made for its lease" : ""));
  lines.add("user", trail::printable(user_of(resolved)));
  lines.add("version", trail::printable(credential.version));
  if (credential.lease) {
    lines.add("lease", trail::printable(in_words(*credential.lease)) +
                           (resolved.ended ? " (ended again: nobody was given the secret)" : ""));
  }
  lines.add("expires", expiry_in_words(credential, resolved.now));
  if (fetched.refetch_after) lines.add("changes", "in " + format_duration(*fetched.refetch_after));
  if (!endpoint.host.empty()) {
    lines.add("for", trail::printable(address_of(endpoint.host, endpoint.port) +
                                      (endpoint.database.empty() ? "" : "/" + endpoint.database)) +
                         (endpoint.of_secret ? " (the secret says so)" : ""));
  }
  lines.add("ignored", trail::printable(ignored_in_words(fetched)));
  if (!resolved.reveal) {
    lines.add("secret", "not shown (--reveal shows it)");
  } else {
    if (!credential.certificate_pem.empty()) lines.add("certificate", "\n" + credential.certificate_pem);
    lines.add("secret", credential.secret.reveal());
  }
  return lines.take();
}

Result<WipedBytes> as_json(const Resolved& resolved) {
  const auto& fetched = *resolved.fetched;
  const auto& credential = fetched.credential;
  const auto endpoint = endpoint_of(resolved);
  secrets::JsonWriter json;
  const auto add = [&](std::string_view name, std::string_view value) {
    if (!value.empty()) json.text(name, value);
  };
  add("reference", trail::printable(resolved.reference));
  add("from", trail::printable(fetched.origin));
  add("kind", kind_of(credential));
  add("user", trail::printable(user_of(resolved)));
  add("version", trail::printable(credential.version));
  if (credential.lease) {
    add("lease_id", trail::printable(credential.lease->id));
    json.number("lease_seconds",
                std::chrono::duration_cast<std::chrono::seconds>(credential.lease->duration).count());
    json.flag("lease_renewable", credential.lease->renewable);
    json.flag("lease_ended", resolved.ended);
  }
  if (credential.expires) add("expires", format_utc(*credential.expires));
  if (fetched.refetch_after) {
    json.number("changes_in_seconds",
                std::chrono::duration_cast<std::chrono::seconds>(*fetched.refetch_after).count());
  }
  add("engine", trail::printable(fetched.endpoint.engine));
  add("host", trail::printable(endpoint.host));
  if (endpoint.port != 0) json.number("port", endpoint.port);
  add("database", trail::printable(endpoint.database));
  if (resolved.reveal) {
    add("certificate", credential.certificate_pem);
    add(credential.kind == CredentialKind::client_certificate ? "private_key" : "secret",
        credential.secret.reveal());
  }
  auto text = json.finish();
  const auto seen = text.reveal();
  if (!trail::is_utf8(seen)) {
    return Error{ErrorCode::bad_config,
                 Hop::none,
                 "--format json",
                 "cannot hold what came back: bytes that are no UTF-8",
                 "Use --format text, into a file with -o FILE: it holds the bytes as they are",
                 {}};
  }
  WipedBytes out{seen.begin(), seen.end()};
  out.push_back('\n');
  return out;
}

void export_line(Lines& lines, std::string_view name, std::string_view value) {
  if (value.empty()) return;
  lines.raw("export ");
  lines.raw(name);
  lines.raw("='");
  for (const char c : value) lines.raw(c == '\'' ? std::string_view{"'\\''"} : std::string_view{&c, 1});
  lines.raw("'\n");
}

/// Which ways of asking libpq may obey (PGREQUIREAUTH, since libpq 16). A token goes in clear, inside TLS that was
/// verified; a password only where the reference allows it.
std::string ways_of_asking(const Resolved& resolved) {
  if (resolved.fetched->credential.kind == CredentialKind::token) return "password";
  std::string out = "scram-sha-256";
  for (const auto& method : resolved.login_methods) out += "," + method;
  return out;
}

void export_tls(Lines& lines, const TlsPolicy& tls) {
  export_line(lines, "PGSSLMODE", name_of(tls.mode));
  if (tls.mode == TlsMode::disable) return;
  // libpq takes "system" only with verify-full; a weaker mode has the reference's file or none.
  const std::string roots = !tls.roots.empty()                 ? tls.roots.front()
                            : tls.mode == TlsMode::verify_full ? "system"
                                                               : "";
  export_line(lines, "PGSSLROOTCERT", roots);
  export_line(lines, "PGSSLCRL", tls.crl_file);
  export_line(lines, "PGSSLCERT", tls.client_certificate_file);
  export_line(lines, "PGSSLKEY", tls.client_key_file);
  export_line(lines, "PGSSLMINPROTOCOLVERSION", "TLSv" + tls.min_version);
}

Result<WipedBytes> as_shell(const Resolved& resolved) {
  const auto& credential = resolved.fetched->credential;
  const auto wrong = [](std::string what, std::string hint) {
    return Error{ErrorCode::bad_config, Hop::none, "--format env", std::move(what), std::move(hint), {}};
  };
  if (!resolved.reveal) return wrong("is for the secret itself", "Add --reveal --yes, or use --format json");
  if (credential.kind == CredentialKind::client_certificate) {
    return wrong("cannot hold a client certificate", "Use --format json");
  }
  if (resolved.fetched->access != nullptr) {
    return wrong("cannot say how a connector reaches its instance", "Use sallyport exec, or --format json");
  }
  const auto endpoint = endpoint_of(resolved);
  Lines lines;
  export_line(lines, "PGHOST", endpoint.host);
  if (endpoint.port != 0) export_line(lines, "PGPORT", std::to_string(endpoint.port));
  export_line(lines, "PGDATABASE", endpoint.database);
  export_line(lines, "PGUSER", user_of(resolved));
  export_tls(lines, resolved.tls);
  export_line(lines, "PGREQUIREAUTH", ways_of_asking(resolved));
  export_line(lines, "PGPASSWORD", credential.secret.reveal());
  return lines.take();
}

}  // namespace

std::string_view kind_of(const Credential& credential) {
  switch (credential.kind) {
    case CredentialKind::password: return "password";
    case CredentialKind::token: return "token";
    case CredentialKind::client_certificate: return "client certificate";
  }
  return "";
}

Result<WipedBytes> print_resolved(const Resolved& resolved, ResolveFormat format) {
  if (format == ResolveFormat::json) return as_json(resolved);
  if (format == ResolveFormat::env) return as_shell(resolved);
  return as_text(resolved);
}

}  // namespace sallyport::cli
