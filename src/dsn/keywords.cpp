#include "dsn/keywords.h"

#include "base/ascii.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <span>

namespace sallyport::dsn {

namespace {

struct Row {
  std::string_view name;
  Meaning meaning;
};

// PostgreSQL 18's manual, "Parameter Key Words", in its order.
constexpr auto libpq = std::to_array<Row>({
    {"host", Meaning::host},
    {"hostaddr", Meaning::host_address},
    {"port", Meaning::port},
    {"dbname", Meaning::database},
    {"user", Meaning::user},
    {"password", Meaning::password},
    {"passfile", Meaning::indirection},
    {"require_auth", Meaning::protection},
    {"channel_binding", Meaning::protection},
    {"connect_timeout", Meaning::other},
    {"client_encoding", Meaning::other},
    {"options", Meaning::server_setting},
    {"application_name", Meaning::other},
    {"fallback_application_name", Meaning::other},
    {"keepalives", Meaning::other},
    {"keepalives_idle", Meaning::other},
    {"keepalives_interval", Meaning::other},
    {"keepalives_count", Meaning::other},
    {"tcp_user_timeout", Meaning::other},
    {"replication", Meaning::server_setting},
    {"gssencmode", Meaning::protection},
    {"sslmode", Meaning::protection},
    {"requiressl", Meaning::protection},
    {"sslnegotiation", Meaning::protection},
    {"sslcompression", Meaning::protection},
    {"sslcert", Meaning::protection},
    {"sslkey", Meaning::protection},
    {"sslkeylogfile", Meaning::protection},
    {"sslpassword", Meaning::secret},
    {"sslcertmode", Meaning::protection},
    {"sslrootcert", Meaning::protection},
    {"sslcrl", Meaning::protection},
    {"sslcrldir", Meaning::protection},
    {"sslsni", Meaning::protection},
    {"requirepeer", Meaning::protection},
    {"ssl_min_protocol_version", Meaning::protection},
    {"ssl_max_protocol_version", Meaning::protection},
    {"min_protocol_version", Meaning::protection},
    {"max_protocol_version", Meaning::protection},
    {"krbsrvname", Meaning::protection},
    {"gsslib", Meaning::protection},
    {"gssdelegation", Meaning::protection},
    {"scram_client_key", Meaning::secret},
    {"scram_server_key", Meaning::secret},
    {"service", Meaning::indirection},
    {"servicefile", Meaning::indirection},
    {"target_session_attrs", Meaning::other},
    {"load_balance_hosts", Meaning::other},
    {"oauth_issuer", Meaning::protection},
    {"oauth_client_id", Meaning::protection},
    {"oauth_client_secret", Meaning::secret},
    {"oauth_scope", Meaning::protection},
});

// What other drivers read from a URL: pgjdbc, node-postgres, asyncpg, Prisma, r2dbc, pg8000, sqlx.
constexpr auto drivers = std::to_array<Row>({
    {"username", Meaning::user},
    {"ssl", Meaning::protection},
    {"sslMode", Meaning::protection},
    {"ssl-mode", Meaning::protection},
    {"ssl-root-cert", Meaning::protection},
    {"sslaccept", Meaning::protection},
    {"sslidentity", Meaning::protection},
    {"sslRootCert", Meaning::protection},
    {"sslCert", Meaning::protection},
    {"sslKey", Meaning::protection},
    {"sslNegotiation", Meaning::protection},
    {"sslResponseTimeout", Meaning::other},
    {"sslfactory", Meaning::protection},
    {"sslfactoryarg", Meaning::protection},
    {"sslhostnameverifier", Meaning::protection},
    {"sslpasswordcallback", Meaning::protection},
    {"sslPassword", Meaning::secret},
    {"uselibpqcompat", Meaning::protection},
    {"requireAuth", Meaning::protection},
    {"channelBinding", Meaning::protection},
    {"gssEncMode", Meaning::protection},
    {"gsslibName", Meaning::protection},
    {"jaasLogin", Meaning::protection},
    {"jaasApplicationName", Meaning::protection},
    {"kerberosServerName", Meaning::protection},
    {"authenticationPluginClassName", Meaning::protection},
    {"socketFactory", Meaning::protection},
    {"socketFactoryArg", Meaning::protection},
    {"unix_sock", Meaning::host},
    {"PGHOST", Meaning::host_address},  // pgjdbc's own names for what its URL says
    {"PGPORT", Meaning::host_address},
    {"PGDBNAME", Meaning::host_address},
    {"localSocketAddress", Meaning::host_address},
    {"ApplicationName", Meaning::other},
    {"currentSchema", Meaning::other},
    {"targetServerType", Meaning::other},
    {"loadBalanceHosts", Meaning::other},
    {"loginTimeout", Meaning::other},
    {"connectTimeout", Meaning::other},
    {"socketTimeout", Meaning::other},
    {"schema", Meaning::other},
    {"search_path", Meaning::server_setting},
    {"statement_timeout", Meaning::server_setting},
});

// Npgsql's names, lower case without spaces.
constexpr auto ado = std::to_array<Row>({
    {"host", Meaning::host},
    {"server", Meaning::host},
    {"port", Meaning::port},
    {"database", Meaning::database},
    {"db", Meaning::database},
    {"username", Meaning::user},
    {"userid", Meaning::user},
    {"uid", Meaning::user},
    {"user", Meaning::user},
    {"password", Meaning::password},
    {"psw", Meaning::password},
    {"pwd", Meaning::password},
    {"passfile", Meaning::indirection},
    {"sslmode", Meaning::protection},
    {"sslnegotiation", Meaning::protection},
    {"trustservercertificate", Meaning::protection},
    {"rootcertificate", Meaning::protection},
    {"sslcertificate", Meaning::protection},
    {"sslkey", Meaning::protection},
    {"sslpassword", Meaning::secret},
    {"checkcertificaterevocation", Meaning::protection},
    {"channelbinding", Meaning::protection},
    {"requireauth", Meaning::protection},
    {"kerberosservicename", Meaning::protection},
    {"gssencryptionmode", Meaning::protection},
    {"persistsecurityinfo", Meaning::protection},
    {"includeerrordetail", Meaning::protection},
    {"options", Meaning::server_setting},
    {"searchpath", Meaning::server_setting},
    {"applicationname", Meaning::other},
    {"timeout", Meaning::other},
    {"commandtimeout", Meaning::other},
    {"pooling", Meaning::other},
    {"maximumpoolsize", Meaning::other},
    {"minimumpoolsize", Meaning::other},
});

Meaning look_up(std::span<const Row> rows, std::string_view name) {
  const auto row = std::find_if(rows.begin(), rows.end(), [&](const Row& r) { return r.name == name; });
  return row == rows.end() ? Meaning::unknown : row->meaning;
}

std::string lower_without_spaces(std::string_view name) {
  std::string out;
  for (const char c : name) {
    if (c == ' ') continue;
    out.push_back(to_lower(c));
  }
  return out;
}

/// A name nobody listed whose own words say that it carries a secret.
bool sounds_secret(std::string_view lower) {
  for (const std::string_view word : {"password", "passwd", "pwd", "psw", "secret", "token", "passphrase",
                                      "api_key", "apikey", "credential"}) {
    if (lower.find(word) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace

Meaning meaning_of(std::string_view name) {
  auto meaning = look_up(libpq, name);
  if (meaning == Meaning::unknown) meaning = look_up(drivers, name);
  if (meaning == Meaning::unknown && sounds_secret(lower_without_spaces(name))) return Meaning::secret;
  return meaning;
}

Meaning ado_meaning_of(std::string_view name) {
  const auto lower = lower_without_spaces(name);
  const auto meaning = look_up(ado, lower);
  return meaning == Meaning::unknown && sounds_secret(lower) ? Meaning::secret : meaning;
}

bool is_libpq_keyword(std::string_view name) { return look_up(libpq, name) != Meaning::unknown; }

bool is_ado_keyword(std::string_view name) {
  return look_up(ado, lower_without_spaces(name)) != Meaning::unknown;
}

std::string_view first_keyword(std::string_view text) {
  while (!text.empty() && text.front() == ' ') text.remove_prefix(1);
  const auto equals = text.find('=');
  if (equals > 64) return {};  // npos, too
  auto name = text.substr(0, equals);
  while (!name.empty() && name.back() == ' ') name.remove_suffix(1);
  return name;
}

bool has_ado_separator(std::string_view text) {
  char quote = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (c == '\\') {
      ++i;  // libpq's escape: the text may well be libpq's
    } else if (quote != 0) {
      if (c == quote) quote = 0;
    } else if (c == '\'' || c == '"') {
      quote = c;
    } else if (c == ';') {
      const auto rest = text.substr(i + 1);
      return rest.find_first_not_of(' ') == std::string_view::npos || is_ado_keyword(first_keyword(rest));
    }
  }
  return false;
}

}  // namespace sallyport::dsn
