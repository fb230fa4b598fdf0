#include "dsn/render.h"

#include "dsn/percent.h"
#include "dsn/postgres_parts.h"

#include <algorithm>
#include <cstring>

namespace sallyport::dsn {

namespace {

/// The text around the place of the token, so that only one function ever holds both.
struct Pieces {
  std::string before;      ///< up to where the token would stand
  std::string token_lead;  ///< ":" or "password=": written only with a token
  std::string after;
};

std::string socket_path(const LocalUnix& unix_end) {
  return unix_end.directory + "/.s.PGSQL." + std::to_string(unix_end.port);
}

std::string host_of(const LocalTcp& tcp) {
  return tcp.address.find(':') == std::string::npos ? tcp.address : "[" + tcp.address + "]";
}

/// Appends name=value pairs with & between and ? in front.
class Query {
 public:
  explicit Query(std::string& out) : out_(out) {}

  void add(std::string_view name, std::string_view value) {
    out_ += separator_;
    out_ += percent_encode(name);
    out_ += '=';
    out_ += percent_encode(value, "/:,");
    separator_ = '&';
  }

  [[nodiscard]] char next_separator() const { return separator_; }

 private:
  std::string& out_;
  char separator_ = '?';
};

/// SQLAlchemy hands every parameter to the driver's connect(), which must know it.
void add_no_tls(const Dialect& dialect, Query& query) {
  switch (dialect.driver) {
    case Driver::pg8000: return;  // no TLS unless code asks for it
    case Driver::r2dbc: query.add("sslMode", "disable"); return;
    case Driver::postgrex: query.add("ssl", "false"); return;
    case Driver::asyncpg: query.add("ssl", "disable"); return;
    default: query.add("sslmode", "disable"); return;
  }
}

Pieces uri_pieces(const LocalTarget& target) {
  Pieces pieces;
  pieces.before = target.dialect.scheme + "://" + percent_encode(target.user);
  pieces.token_lead = ":";
  pieces.after = "@";
  const auto* tcp = std::get_if<LocalTcp>(&target.endpoint);
  if (tcp != nullptr) pieces.after += host_of(*tcp) + ":" + std::to_string(tcp->port);
  pieces.after += "/" + percent_encode(target.database);
  Query query{pieces.after};
  if (const auto* unix_end = std::get_if<LocalUnix>(&target.endpoint); unix_end != nullptr) {
    if (target.dialect.driver == Driver::pg8000) {
      query.add("unix_sock", socket_path(*unix_end));
    } else {
      query.add("host", unix_end->directory);
      query.add("port", std::to_string(unix_end->port));
    }
  }
  if (target.tls) {
    for (const auto& [name, value] : tls_parameters(target.dialect, *target.tls)) query.add(name, value);
  } else {
    add_no_tls(target.dialect, query);
  }
  for (const auto& parameter : kept_parameters(target.parameters, target.dialect.form))
    query.add(parameter.name, parameter.value);
  return pieces;
}

Pieces jdbc_pieces(const LocalTarget& target) {
  Pieces pieces;
  const auto& tcp = std::get<LocalTcp>(target.endpoint);
  pieces.before = target.dialect.scheme + "://" + host_of(tcp) + ":" + std::to_string(tcp.port) + "/" +
                  percent_encode(target.database);
  Query query{pieces.before};
  query.add("user", target.user);
  if (target.tls) {
    for (const auto& [name, value] : tls_parameters(target.dialect, *target.tls)) query.add(name, value);
  } else {
    query.add("sslmode", "disable");
  }
  // A squatter on our port must not get the token in clear (threat 7); older versions ignore the name.
  query.add("requireAuth", "scram-sha-256");
  for (const auto& parameter : kept_parameters(target.parameters, target.dialect.form))
    query.add(parameter.name, parameter.value);
  pieces.token_lead = "&password=";
  return pieces;
}

std::string libpq_quoted(std::string_view value) {
  std::string out = "'";
  for (const char c : value) {
    if (c == '\'' || c == '\\') out += '\\';
    out += c;
  }
  return out + "'";
}

Pieces keyword_pieces(const LocalTarget& target) {
  Pieces pieces;
  const auto* unix_end = std::get_if<LocalUnix>(&target.endpoint);
  const auto* tcp = std::get_if<LocalTcp>(&target.endpoint);
  auto& out = pieces.before;
  out = "host=" + libpq_quoted(unix_end != nullptr ? unix_end->directory : tcp->address);
  out += " port=" + std::to_string(unix_end != nullptr ? unix_end->port : tcp->port);
  out += " user=" + libpq_quoted(target.user) + " dbname=" + libpq_quoted(target.database);
  if (target.tls) {
    for (const auto& [name, value] : tls_parameters(target.dialect, *target.tls))
      out += " " + name + "=" + libpq_quoted(value);
  } else {
    out += " sslmode=disable";
  }
  for (const auto& parameter : kept_parameters(target.parameters, target.dialect.form)) {
    // Names have no quoting here, and libpq refuses those that it does not know.
    if (is_libpq_keyword(parameter.name)) out += " " + parameter.name + "=" + libpq_quoted(parameter.value);
  }
  pieces.token_lead = " password=";
  return pieces;
}

std::string ado_quoted(std::string_view value) {
  if (!value.empty() && value.find_first_of(" ;'\"=") == std::string_view::npos) return std::string{value};
  std::string out = "\"";
  for (const char c : value) {
    if (c == '"') out += '"';
    out += c;
  }
  return out + "\"";
}

bool plain_ado_name(std::string_view name) {
  // Spaces are part of names like "SSL Mode", and no part at their ends.
  return !name.empty() && name.front() != ' ' && name.back() != ' ' &&
         std::all_of(name.begin(), name.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == ' ' ||
                  c == '_';
         });
}

Pieces ado_pieces(const LocalTarget& target) {
  Pieces pieces;
  const auto* unix_end = std::get_if<LocalUnix>(&target.endpoint);
  const auto* tcp = std::get_if<LocalTcp>(&target.endpoint);
  auto& out = pieces.before;
  out = "Host=" + ado_quoted(unix_end != nullptr ? unix_end->directory : tcp->address);
  out += ";Port=" + std::to_string(unix_end != nullptr ? unix_end->port : tcp->port);
  out += ";Username=" + ado_quoted(target.user) + ";Database=" + ado_quoted(target.database);
  if (target.tls) {
    for (const auto& [name, value] : tls_parameters(target.dialect, *target.tls)) {
      out += ";" + name + "=" + ado_quoted(value);
    }
  } else {
    out += ";SSL Mode=Disable";
  }
  for (const auto& parameter : kept_parameters(target.parameters, target.dialect.form)) {
    if (plain_ado_name(parameter.name)) out += ";" + parameter.name + "=" + ado_quoted(parameter.value);
  }
  pieces.token_lead = ";Password=";
  return pieces;
}

Result<Pieces> pieces_of(const LocalTarget& target) {
  if (const auto* unix_end = std::get_if<LocalUnix>(&target.endpoint); unix_end != nullptr) {
    if (!reaches_unix_socket(target.dialect)) {
      return wrong_dsn("drivers of \"" + target.dialect.scheme + ":\" cannot be pointed at a Unix socket",
                       "Use --listen tcp, or --listen auto");
    }
    if (!unix_end->directory.starts_with('/')) {
      return wrong_dsn("the socket's directory is no absolute path", "Give an absolute path");
    }
  }
  switch (target.dialect.form) {
    case Form::uri: return uri_pieces(target);
    case Form::jdbc: return jdbc_pieces(target);
    case Form::keywords: return keyword_pieces(target);
    case Form::ado: return ado_pieces(target);
  }
  return Error{ErrorCode::internal, Hop::none, "connection string", {}, {}, {}};
}

bool stays(Meaning meaning) {
  switch (meaning) {
    case Meaning::server_setting:
    case Meaning::other:
    case Meaning::unknown: return true;
    case Meaning::user:
    case Meaning::password:
    case Meaning::host:
    case Meaning::host_address:
    case Meaning::port:
    case Meaning::database:
    case Meaning::protection:
    case Meaning::secret:
    case Meaning::indirection: return false;
  }
  return false;
}

/// A token is base64url by design; anything that would need quoting somewhere is a defect of the caller.
bool plain_token(std::string_view token) {
  return !token.empty() &&
         token.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") ==
             std::string_view::npos;
}

}  // namespace

std::vector<Parameter> kept_parameters(const std::vector<Parameter>& parameters, Form form) {
  std::vector<Parameter> kept;
  for (const auto& parameter : parameters) {
    const auto meaning = form == Form::ado ? ado_meaning_of(parameter.name) : meaning_of(parameter.name);
    if (stays(parameter.meaning) && stays(meaning)) kept.push_back(parameter);
  }
  return kept;
}

Result<std::string> render(const LocalTarget& target) {
  auto pieces = pieces_of(target);
  if (!pieces) return std::move(pieces).error();
  return pieces->before + pieces->after;
}

Result<Secret> render_with_token(const LocalTarget& target, const Secret& token) {
  auto pieces = pieces_of(target);
  if (!pieces) return std::move(pieces).error();
  const auto text = token.reveal();
  if (!plain_token(text)) {
    return Error{
        ErrorCode::internal, Hop::none, "run token", "it is not made of base64url characters", {}, {}};
  }
  pieces->before += pieces->token_lead;
  auto out = Secret::of_size(pieces->before.size() + text.size() + pieces->after.size());
  auto* at = out.writable().data();
  for (const std::string_view part :
       {std::string_view{pieces->before}, text, std::string_view{pieces->after}}) {
    if (!part.empty()) std::memcpy(at, part.data(), part.size());
    at += part.size();
  }
  return out;
}

}  // namespace sallyport::dsn
