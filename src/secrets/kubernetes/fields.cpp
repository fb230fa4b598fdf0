#include "secrets/kubernetes/fields.h"

#include "base/limits.h"
#include "crypto/hash.h"
#include "secrets/json_writer.h"

#include <algorithm>
#include <map>
#include <optional>

namespace sallyport::secrets::kubernetes {

namespace {

constexpr std::size_t names_max = 16;

using Values = std::map<std::string_view, Secret>;  ///< by key, borrowed from the reply

struct Alias {
  std::string_view name;  ///< as shape.h reads it
  std::string_view key;
};

// In this order: the first that is there counts, and none does where the name itself is a key.
constexpr Alias aliases[] = {
    {"client_certificate", "tls.crt"},
    {"private_key", "tls.key"},
    {"username", "POSTGRES_USER"},
    {"username", "PGUSER"},
    {"username", "DB_USER"},
    {"username", "DB_USERNAME"},
    {"password", "POSTGRES_PASSWORD"},
    {"password", "PGPASSWORD"},
    {"password", "DB_PASSWORD"},
    {"dbname", "POSTGRES_DB"},
    {"dbname", "PGDATABASE"},
    {"dbname", "DB_NAME"},
    {"dbname", "DB_DATABASE"},
    {"host", "POSTGRES_HOST"},
    {"host", "PGHOST"},
    {"host", "DB_HOST"},
    {"port", "POSTGRES_PORT"},
    {"port", "PGPORT"},
    {"port", "DB_PORT"},
};

// What shape.h reads under several names.
constexpr Alias same[] = {
    {"username", "user"}, {"host", "hostname"}, {"dbname", "database"}, {"dbname", "db"}};

Error wrong(ErrorCode code, const std::string& where, std::string what, std::string hint = {}) {
  return {code, Hop::secret_source, where, std::move(what), std::move(hint), {}};
}

bool is_key(std::string_view text) {
  return !text.empty() && text.size() <= 253 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

std::string shown(std::string_view key) {
  return is_key(key) ? "the key \"" + std::string{key} + "\"" : "a key with an unusual name";
}

Result<Secret> decoded(JsonView value, std::string_view key, const std::string& where) {
  if (value.kind() != JsonView::Kind::string || value.text().size() > limits::secret_bytes_max * 4 / 3 + 4) {
    return wrong(ErrorCode::invalid_message, where, shown(key) + " is no text, or longer than 65536 bytes");
  }
  auto bytes = crypto::base64_decode(value.text());
  if (!bytes) {
    return wrong(ErrorCode::invalid_message, where, "the value of " + shown(key) + " is no base64",
                 "The API server sends all values in base64: check that a proxy does not change its answers");
  }
  auto text = as_text(*bytes);
  if (text.ends_with('\n')) text.remove_suffix(text.ends_with("\r\n") ? 2 : 1);
  auto out = Secret::copy_of(text);
  wipe_memory(bytes->data(), bytes->size());
  return out;
}

/// Whether JSON can hold it: UTF-8.
bool is_text(const Secret& value) {
  JsonWriter probe;
  probe.text("v", value.reveal());
  return static_cast<bool>(Json::parse(probe.finish().reveal(), "probe"));
}

Result<Json> object_of(const Values& values, const std::string& where) {
  JsonWriter out;
  for (const auto& [key, value] : values) out.text(key, value.reveal());
  return Json::parse(out.finish().reveal(), where);
}

/// `endpoint` is a host, with a port behind it or without.
void add_endpoint(Values& values) {
  const auto found = values.find("endpoint");
  if (found == values.end() || values.contains("host") || values.contains("hostname")) return;
  const auto endpoint = found->second.reveal();
  const auto colon = endpoint.find(':');
  const bool port =
      colon != std::string_view::npos && endpoint.find(':', colon + 1) == std::string_view::npos;
  if (port && !values.contains("port")) {
    values.emplace("port", Secret::copy_of(endpoint.substr(colon + 1)));
  }
  values.emplace("host", Secret::copy_of(endpoint.substr(0, port ? colon : endpoint.size())));
}

void add_aliases(Values& values) {
  const auto known = [&](std::string_view name) {
    return values.contains(name) || std::any_of(std::begin(same), std::end(same), [&](const Alias& other) {
             return other.name == name && values.contains(other.key);
           });
  };
  for (const auto& [name, key] : aliases) {
    const auto found = values.find(key);
    if (found != values.end() && !known(name)) values.emplace(name, found->second.clone());
  }
}

/// All keys together; what is no text (a key store) cannot be a member.
Result<Fetched> shape_whole(JsonView data, const std::string& where) {
  Values values;
  for (const auto key : data.keys()) {
    auto value = decoded(data[key], key, where);
    if (!value) return std::move(value).error();
    if (is_text(*value)) values.emplace(key, std::move(*value));
  }
  add_endpoint(values);
  const bool has_password = values.contains("password");
  add_aliases(values);
  // A password that is named so counts more than a certificate that lies beside it.
  if (has_password) values.erase("client_certificate");
  const bool usable = values.contains("password") ||
                      (values.contains("client_certificate") && values.contains("private_key"));
  if (!usable) {
    return wrong(ErrorCode::not_found, where, "none of its keys is a password; it has " + names_of(data),
                 "Name the key that holds it: #KEY");
  }
  auto object = object_of(values, where);
  if (!object) return std::move(object).error();
  return shape_object(object->root(), {}, where);
}

Result<Fetched> shape_one(JsonView data, std::string_view key, std::string_view inside,
                          const ShapeOptions& options, const std::string& where) {
  auto value = decoded(data[key], key, where);
  if (!value) return std::move(value).error();
  if (value->empty()) return wrong(ErrorCode::invalid_message, where, shown(key) + " is empty");
  if (!is_text(*value)) {
    return wrong(ErrorCode::invalid_message, where, "the value of " + shown(key) + " is binary, no text",
                 "Name another key; it has " + names_of(data));
  }
  ShapeOptions inner = options;
  inner.field = inside;
  if (!inside.empty()) return shape_secret(*value, inner, where);
  // As a member: its name says whether it is a bare password.
  inner.field = key;
  Values values;
  values.emplace(key, std::move(*value));
  auto object = object_of(values, where);
  if (!object) return std::move(object).error();
  return shape_object(object->root(), inner, where);
}

}  // namespace

std::string names_of(JsonView data) {
  std::string out;
  std::size_t count = 0;
  std::size_t hidden = 0;
  for (const auto key : data.keys()) {
    if (!is_key(key) || ++count > names_max)
      ++hidden;
    else
      out += (out.empty() ? "" : ", ") + std::string{key};
  }
  if (hidden > 0) out += (out.empty() ? "" : " and ") + std::to_string(hidden) + " more";
  return out.empty() ? "no keys" : out;
}

Result<Fetched> shape_data(JsonView data, const ShapeOptions& options, const std::string& where) {
  if (data.keys().empty()) {
    return wrong(ErrorCode::not_found, where, "the Secret is empty", "Write the password into it");
  }
  const std::string_view field = options.field;
  if (field.empty() && !options.bare_password) return shape_whole(data, where);
  if (data[field].present()) return shape_one(data, field, {}, options, where);
  for (auto dot = field.rfind('.'); dot != std::string_view::npos && dot > 0;
       dot = field.rfind('.', dot - 1)) {
    const auto key = field.substr(0, dot);
    if (data[key].present()) return shape_one(data, key, field.substr(dot + 1), options, where);
  }
  if (field.empty()) {
    return wrong(ErrorCode::bad_config, where, "shape=password without a key",
                 "Name it: #KEY; the Secret has " + names_of(data));
  }
  return wrong(ErrorCode::not_found, where, "the Secret has no such key; it has " + names_of(data),
               "Name one of them: #KEY");
}

}  // namespace sallyport::secrets::kubernetes
