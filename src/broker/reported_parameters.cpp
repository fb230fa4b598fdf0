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

const ParameterMap& no_parameters() {
  static const ParameterMap none;
  return none;
}

}  // namespace

void note_parameter(ParameterMap& parameters, std::string_view name, std::string_view value) {
  const auto found = parameters.find(name);
  if (found != parameters.end()) {
    found->second = value;
  } else if (parameters.size() < reported_parameters_max) {
    parameters.emplace(name, value);
  }
}

ReportedParameters::ReportedParameters(ParameterMap parameters)
    : map_(std::make_shared<const ParameterMap>(std::move(parameters))) {}

const ParameterMap& ReportedParameters::map() const { return map_ == nullptr ? no_parameters() : *map_; }

void ReportedParameters::note(std::string_view name, std::string_view value) {
  const auto known = map().find(name);
  if (known != map().end() && known->second == value) return;
  auto changed = map();
  note_parameter(changed, name, value);
  map_ = std::make_shared<const ParameterMap>(std::move(changed));
}

std::string_view ReportedParameters::value_of(std::string_view name) const {
  const auto found = map().find(name);
  return found == map().end() ? std::string_view{} : std::string_view{found->second};
}

std::string statement_to_restore(const ParameterMap& wanted, const ParameterMap& there) {
  std::string sql;
  for (const auto& [name, value] : wanted) {
    const auto has = there.find(name);
    if (has != there.end() && has->second == value) continue;
    if (std::find(std::begin(servers_own), std::end(servers_own), name) != std::end(servers_own)) continue;
    sql += sql.empty() ? "SELECT " : ", ";
    sql += "pg_catalog.set_config(" + postgres::quote_literal(name) + ", " + postgres::quote_literal(value) +
           ", false)";
  }
  return sql;
}

}  // namespace sallyport::broker
