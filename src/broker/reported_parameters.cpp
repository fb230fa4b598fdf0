#include "broker/reported_parameters.h"

#include "wire/postgres/quote.h"

#include <algorithm>
#include <iterator>
#include <utility>

namespace sallyport::broker {

namespace {

/// Reported, and nobody's to set. Who sets the session's user keeps its connection.
constexpr std::string_view servers_own[] = {"in_hot_standby",  "integer_datetimes", "is_superuser",
                                            "server_encoding", "server_version",    "session_authorization"};

bool is_servers_own(std::string_view name) {
  return std::find(std::begin(servers_own), std::end(servers_own), name) != std::end(servers_own);
}

bool is_ascii(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char c) { return static_cast<unsigned char>(c) < 0x80; });
}

/// pg_do_encoding_conversion: to and from SQL_ASCII nothing is.
bool converts(const ParameterMap& parameters) {
  constexpr std::string_view bytes_as_they_are = "SQL_ASCII";
  const auto clients = parameters.find("client_encoding"), servers = parameters.find("server_encoding");
  if (clients == parameters.end() || servers == parameters.end()) return clients != servers;
  return clients->second != servers->second && clients->second != bytes_as_they_are &&
         servers->second != bytes_as_they_are;
}

const ParameterMap& no_parameters() {
  static const ParameterMap none;
  return none;
}

std::size_t bytes_of(const ParameterMap& parameters) {
  std::size_t bytes = 0;
  for (const auto& [name, value] : parameters) bytes += name.size() + value.size();
  return bytes;
}

/// `bytes`: of all that are there.
void note(ParameterMap& parameters, std::size_t& bytes, std::string_view name, std::string_view value) {
  const auto found = parameters.find(name);
  const auto before = found == parameters.end() ? 0 : name.size() + found->second.size();
  const auto after = bytes - before + name.size() + value.size();
  if (after > reported_bytes_max) {
    if (found == parameters.end()) return;
    parameters.erase(found);
    bytes -= before;
    return;
  }
  if (found != parameters.end()) {
    found->second = value;
  } else if (parameters.size() < reported_parameters_max) {
    parameters.emplace(name, value);
  } else {
    return;
  }
  bytes = after;
}

}  // namespace

void note_parameter(ParameterMap& parameters, std::string_view name, std::string_view value) {
  auto bytes = bytes_of(parameters);
  note(parameters, bytes, name, value);
}

ReportedParameters::ReportedParameters(ParameterMap parameters)
    : map_(std::make_shared<ParameterMap>(std::move(parameters))), bytes_(bytes_of(*map_)) {}

const ParameterMap& ReportedParameters::map() const { return map_ == nullptr ? no_parameters() : *map_; }

void ReportedParameters::note(std::string_view name, std::string_view value) {
  const auto known = map().find(name);
  if (known != map().end() && known->second == value) return;
  // A server may tell the same parameter as often as it likes: that must not cost a copy of them all each time.
  if (map_ == nullptr || map_.use_count() > 1) map_ = std::make_shared<ParameterMap>(map());
  broker::note(*map_, bytes_, name, value);
}

std::string_view ReportedParameters::value_of(std::string_view name) const {
  const auto found = map().find(name);
  return found == map().end() ? std::string_view{} : std::string_view{found->second};
}

bool is_in_doubt(const ParameterMap& parameters, std::string_view value) {
  return !is_ascii(value) && converts(parameters);
}

bool holds_doubt(const ParameterMap& parameters) {
  return converts(parameters) && std::any_of(parameters.begin(), parameters.end(), [](const auto& one) {
           return !is_ascii(one.second) && !is_servers_own(one.first);
         });
}

std::string statement_to_restore(const ParameterMap& wanted, const ParameterMap& there) {
  std::string sql;
  for (const auto& [name, value] : wanted) {
    const auto has = there.find(name);
    if (has != there.end() && has->second == value) continue;
    if (is_servers_own(name)) continue;
    // Null: as RESET. Whoever has such a value keeps its connection, so it is of the login, the same for all of a key.
    const auto literal = is_in_doubt(wanted, value) ? std::string{"NULL"} : postgres::quote_literal(value);
    sql += sql.empty() ? "SELECT " : ", ";
    sql += "pg_catalog.set_config(" + postgres::quote_literal(name) + ", " + literal + ", false)";
  }
  return sql;
}

}  // namespace sallyport::broker
