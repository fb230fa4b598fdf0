#include "secrets/shape.h"

#include "base/limits.h"
#include "dsn/postgres.h"
#include "secrets/attributes.h"
#include "secrets/shape_fields.h"

#include <algorithm>
#include <utility>

namespace sallyport::secrets {

namespace {

/// Names only, and of those only what looks like one: a value that was mistaken for a name is not shown.
std::string members_of(JsonView object) {
  constexpr std::size_t shown_max = 16;
  constexpr std::size_t name_bytes_max = 40;
  std::string list;
  std::size_t shown = 0;
  const auto names = object.keys();
  for (const auto name : names) {
    const bool plain =
        !name.empty() && name.size() <= name_bytes_max && std::all_of(name.begin(), name.end(), [](char c) {
          return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
                 c == '-' || c == '.';
        });
    if (!plain || shown == shown_max) continue;
    list += (shown++ > 0 ? ", " : "") + std::string{name};
  }
  if (shown == 0) return names.empty() ? "The object is empty" : "Look which members the secret has";
  if (shown < names.size()) list += " and " + std::to_string(names.size() - shown) + " more";
  return "It has " + list;
}

constexpr std::string_view bare_hint = "If the text is a bare password, say so with ?shape=password";

bool is_password_name(std::string_view name) {
  static constexpr std::string_view names[] = {"password", "pass", "pwd", "passwd", "secret", "token"};
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

Result<Fetched> shape_members(JsonView object, std::string_view where) {
  Fetched fetched;
  auto certificate = take_certificate(fetched, object, where);
  if (!certificate) return std::move(certificate).error();
  bool has_user = false;
  for (const auto name : object.keys()) {
    // `username` and `user` may both be there (CloudNativePG); the first one counts.
    if (member_meaning(name) == dsn::Meaning::user && std::exchange(has_user, true)) continue;
    const auto value = object[name];
    if (value.kind() == JsonView::Kind::null) continue;
    if (*certificate && member_meaning(name) == dsn::Meaning::password) continue;
    if (auto taken = take_member(fetched, name, value, where); !taken) return std::move(taken).error();
  }
  if (fetched.credential.secret.empty() && object["rsa_private_key"].present()) {
    // Vault's key-pair credentials are for databases that check a signature (Snowflake); none of ours does.
    return wrong_secret(ErrorCode::peer_unsupported, where,
                        "a key pair (rsa_private_key), by which PostgreSQL lets nobody in",
                        "Let the role make passwords or client certificates: credential_type=password");
  }
  if (fetched.credential.secret.empty()) {
    return wrong_secret(ErrorCode::invalid_message, where, "a JSON object without a member \"password\"",
                        members_of(object) + ". Name the one that holds it: #FIELD");
  }
  return fetched;
}

/// Those that may not be used are left out, each with its note.
Result<void> set_hosts(Fetched& fetched, const std::vector<dsn::HostPort>& hosts, std::string_view where) {
  auto& endpoint = fetched.endpoint;
  for (const auto& one : hosts) {
    endpoint.host.clear();
    if (auto done = set_host(fetched, one.host, where); !done) return done;
    const bool usable = !endpoint.host.empty();
    if (usable || hosts.size() == 1) endpoint.more_hosts.push_back({endpoint.host, one.port});
    if (!usable && hosts.size() > 1 && one.host.empty()) ignore_field(fetched, "host (the driver's default)");
  }
  endpoint.host.clear();
  if (endpoint.more_hosts.empty()) return {};
  endpoint.host = endpoint.more_hosts.front().host;
  endpoint.port = endpoint.more_hosts.front().port;
  endpoint.more_hosts.erase(endpoint.more_hosts.begin());
  return {};
}

Result<Fetched> shape_connection_string(std::string_view text, std::string_view where) {
  auto target = dsn::parse_postgres(text);
  if (!target) {
    auto error = std::move(target).error();
    const auto code = error.code == ErrorCode::limit_exceeded ? error.code : ErrorCode::invalid_message;
    return wrong_secret(code, where, "a malformed connection string: " + error.what, bare_hint);
  }
  Fetched fetched;
  if (auto done = set_user(fetched, target->user, where); !done) return std::move(done).error();
  if (!target->has_password) {
    return wrong_secret(ErrorCode::invalid_message, where, "a connection string without a password",
                        bare_hint);
  }
  if (auto done = set_password(fetched, target->password.reveal(), where); !done)
    return std::move(done).error();
  fetched.endpoint.engine = "postgresql";
  if (auto done = set_hosts(fetched, target->hosts, where); !done) return std::move(done).error();
  if (auto done = set_database(fetched, target->database, where); !done) return std::move(done).error();
  for (const auto& parameter : target->parameters) {
    ignore_field(fetched, shown_name(parameter.name, parameter.meaning));
  }
  return fetched;
}

/// `mysql://…` as a bare password would only fail later and elsewhere.
bool looks_like_other_url(std::string_view text) {
  const auto separator = text.find("://");
  if (separator == std::string_view::npos || separator == 0 || separator > 32) return false;
  const auto scheme = text.substr(0, separator);
  return scheme.front() >= 'a' && scheme.front() <= 'z' &&
         std::all_of(scheme.begin(), scheme.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '.' ||
                  c == ':';
         });
}

Result<Fetched> bare(std::string_view text, std::string_view where) {
  Fetched fetched;
  if (auto done = set_password(fetched, text, where); !done) return std::move(done).error();
  return fetched;
}

std::string_view without_newline(std::string_view text) {
  if (text.ends_with("\r\n")) return text.substr(0, text.size() - 2);
  if (text.ends_with('\n')) return text.substr(0, text.size() - 1);
  return text;
}

Result<Fetched> shape_text(std::string_view text, const ShapeOptions& options, std::string_view where) {
  if (text.size() > limits::secret_bytes_max) {
    return wrong_secret(ErrorCode::limit_exceeded, where, "a secret longer than 65536 bytes", {});
  }
  if (options.first_line) {
    const auto end = text.find('\n');
    return bare(without_newline(end == std::string_view::npos ? text : text.substr(0, end + 1)), where);
  }
  if (options.bare_password && options.field.empty()) return bare(text, where);
  const auto start = text.find_first_not_of(" \t\r\n");
  if (start != std::string_view::npos && text[start] == '{') {
    auto json = Json::parse(text, where);
    if (json) return shape_object(json->root(), options, where);
    // A generated password may begin with a brace, but nobody can tell: the person must.
    auto error = std::move(json).error();
    if (error.hint.empty()) error.hint = bare_hint;
    return error;
  }
  if (!options.field.empty()) {
    return wrong_secret(ErrorCode::invalid_message, where,
                        "a text that is no JSON object, so that it has no field", "Remove the #field");
  }
  if (dsn::dialect_of(text)) return shape_connection_string(text, where);
  if (looks_like_other_url(text)) {
    return wrong_secret(ErrorCode::peer_unsupported, where,
                        "a connection string of a database that this version does not know", bare_hint);
  }
  return bare(text, where);
}

/// The member that the dotted path names: the whole path as one name first, because names may hold dots.
JsonView find_field(JsonView object, std::string_view path) {
  if (const auto whole = object[path]; whole.present()) return whole;
  for (auto dot = path.find('.'); dot != std::string_view::npos; dot = path.find('.', dot + 1)) {
    const auto inner = object[path.substr(0, dot)];
    if (!inner.is_object()) continue;
    if (const auto found = find_field(inner, path.substr(dot + 1)); found.present()) return found;
  }
  return {};
}

}  // namespace

Result<Fetched> shape_object(JsonView object, const ShapeOptions& options, std::string_view where) {
  if (!object.is_object())
    return wrong_secret(ErrorCode::invalid_message, where, "JSON that is no object", bare_hint);
  if (options.field.empty()) return shape_members(object, where);
  const auto value = find_field(object, options.field);
  const auto last = options.field.substr(options.field.rfind('.') + 1);
  switch (value.kind()) {
    case JsonView::Kind::string: {
      ShapeOptions inner;
      inner.bare_password = options.bare_password || is_password_name(last);
      return shape_text(without_newline(value.text()), inner, where);
    }
    case JsonView::Kind::object: return shape_members(value, where);
    case JsonView::Kind::absent:
    case JsonView::Kind::null:
      return wrong_secret(ErrorCode::not_found, where,
                          "no member " + options.field + ", which the reference names", members_of(object));
    case JsonView::Kind::boolean:
    case JsonView::Kind::number:
    case JsonView::Kind::array: break;
  }
  return wrong_secret(ErrorCode::invalid_message, where, "a member that is no text", "Write it in quotes");
}

Result<Fetched> shape_secret(const Secret& text, const ShapeOptions& options, std::string_view where) {
  return shape_text(without_newline(text.reveal()), options, where);
}

Result<ShapeOptions> shape_options_of(const Reference& reference) {
  ShapeOptions options;
  options.field = reference.field;
  const auto shape = attribute_of(reference, "shape");
  if (shape == "password") {
    options.bare_password = true;
  } else if (shape == "first_line") {
    if (!options.field.empty()) {
      return wrong_attribute("shape", "first_line together with a #field", "Leave one of them out");
    }
    options.first_line = true;
  } else if (!shape.empty() && shape != "auto") {
    return wrong_attribute("shape", "neither auto nor password nor first_line",
                           "Write shape=password, or leave it out");
  }
  return options;
}

}  // namespace sallyport::secrets
