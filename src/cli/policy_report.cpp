#include "cli/policy_report.h"

#include "cli/counted.h"
#include "cli/explain_identity.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <set>

namespace sallyport::cli {

namespace {

using Json = nlohmann::ordered_json;

std::string dump(const Json& json) {
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

std::string padded(std::string text, std::size_t width) {
  if (text.size() < width) text.resize(width, ' ');
  return text;
}

std::string quoted(const std::string& claimed) {
  std::string out = "\"";
  for (const char c : claimed) out += static_cast<unsigned char>(c) < 0x20 || c == '"' ? '?' : c;
  return out + "\"";
}

/// The route's own conditions and limits, one a line.
std::vector<std::string> limits_of(const Route& route) {
  std::vector<std::string> out;
  const auto list = [&out](const char* what, const auto& all) {
    std::string text;
    for (const auto& one : all) text += (text.empty() ? "" : " or ") + one.text;
    if (!text.empty()) out.push_back(what + text);
  };
  list("from ", route.addresses);
  list("open ", route.hours);
  if (route.connections_max != 0)
    out.push_back("at most " + counted(route.connections_max, "session") + " at once");
  if (route.connections_per_second_max != 0)
    out.push_back("at most " + counted(route.connections_per_second_max, "new session") + " a second");
  if (route.session_age_max != Duration::zero())
    out.push_back("sessions end after " + format_duration(route.session_age_max));
  return out;
}

std::string joined(const std::vector<std::string>& parts, const char* separator = ", ") {
  std::string out;
  for (const auto& part : parts) out += (out.empty() ? "" : separator) + part;
  return out;
}

std::string databases_of(const Target& target) {
  if (target.databases.empty()) return "any database";
  return (target.databases.size() == 1 ? "database " : "databases ") + joined(target.databases);
}

std::string head(const Route& route, const Target& target) {
  auto out = "route " + route.name + " leads to target " + target.name + ", " + databases_of(target) + "\n";
  const auto limits = limits_of(route);
  if (!limits.empty()) out += "for everybody: " + joined(limits) + "\n";
  return out;
}

std::vector<std::string> reasons(const policy::RuleVerdict& verdict, const PolicyQuestion& question) {
  std::vector<std::string> out;
  for (const auto condition : policy::all_conditions) {
    if (verdict.unmet.has(condition))
      out.push_back(policy::why_unmet(condition, question.route.allow[verdict.rule], question.identity));
  }
  return out;
}

std::vector<std::string> route_reasons(const policy::Explanation& explanation,
                                       const PolicyQuestion& question) {
  std::vector<std::string> out;
  for (const auto condition : policy::all_conditions) {
    if (explanation.route_unmet.has(condition))
      out.push_back(policy::why_unmet(condition, question.route, question.identity));
  }
  return out;
}

std::string claims_text(const policy::ClientClaims& claims) {
  std::vector<std::string> parts;
  if (!claims.user.empty()) parts.push_back("user " + quoted(claims.user));
  if (!claims.database.empty()) parts.push_back("database " + quoted(claims.database));
  if (claims.replication == policy::Replication::physical) parts.emplace_back("physical replication");
  if (claims.replication == policy::Replication::logical) parts.emplace_back("logical replication");
  return parts.empty() ? "nothing in particular" : joined(parts);
}

std::string verdict_text(const policy::RuleVerdict& verdict, const PolicyQuestion& question) {
  if (policy::depends_on_program(verdict, question.identity))
    return "depends on the program that it runs: wanted is " + question.route.allow[verdict.rule].executable;
  const auto why = reasons(verdict, question);
  return why.empty() ? "matches" : "no: " + joined(why, "; ");
}

/// Roles of which it would be given the one that it asks for as its user, which was not said; none: that decides nothing.
std::vector<std::string> roles_if_user(const PolicyQuestion& question,
                                       const policy::Explanation& explanation) {
  if (explanation.decision || !question.claims.user.empty() || !explanation.route_unmet.none()) return {};
  std::set<std::string> roles;
  for (const auto& verdict : explanation.rules) {
    if (verdict.unmet.none()) roles.insert(verdict.role);
  }
  return roles.size() < 2 ? std::vector<std::string>{} : std::vector(roles.begin(), roles.end());
}

std::string outcome_text(const PolicyQuestion& question, const policy::Explanation& explanation) {
  if (const auto rule = policy::rule_if_program(explanation, question.identity)) {
    return "depends on the program that it runs: rule " + std::to_string(*rule + 1) + " admits " +
           question.route.allow[*rule].executable +
           "\n  fix: Say which one it is: --identity executable:/PATH\n";
  }
  if (const auto roles = roles_if_user(question, explanation); !roles.empty()) {
    return "depends on the user name that it asks for, which has to be one of its roles: " + joined(roles) +
           "\n  fix: Say it: --user " + roles.front() + "\n";
  }
  if (!explanation.decision) {
    const auto& error = explanation.decision.error();
    auto out = "refused: " + error.what + "\n";
    if (explanation.asks_password) out += "  but first asked for a local password, which might be proven\n";
    const bool about_us = error.hint.starts_with("`sallyport policy explain`");
    return error.hint.empty() || about_us ? out : out + "  fix: " + error.hint + "\n";
  }
  const auto& decision = *explanation.decision;
  const auto& rule = question.route.allow[decision.rule];
  const auto& role = question.target.roles.at(decision.role);
  auto out = "admitted by rule " + std::to_string(decision.rule + 1) + " as " + decision.identity + "\n";
  out += "  role " + decision.role + ", credential " + role.auth;
  if (!decision.run_as.empty()) out += ", run as " + decision.run_as;
  out += "\n  database " + decision.database + "\n";
  if (rule.connections_max != 0)
    out += "  at most " + counted(rule.connections_max, "session") + " at once of this identity\n";
  return out;
}

Json rule_json(const AllowRule& rule, std::size_t index, const Target& target) {
  Json out{
      {"rule", index + 1}, {"who", policy::describe_rule(rule)}, {"role", policy::role_of(rule, target)}};
  if (rule.connections_max != 0) out["connections_max"] = rule.connections_max;
  return out;
}

Json route_json(const Route& route, const Target& target) {
  Json out{{"route", route.name}, {"target", target.name}};
  out["databases"] = target.databases.empty() ? Json::array({"*"}) : Json(target.databases);
  out["limits"] = limits_of(route);
  return out;
}

std::size_t widest_role(const Route& route, const Target& target) {
  std::size_t width = 4;
  for (const auto& rule : route.allow) width = std::max(width, policy::role_of(rule, target).size());
  return width;
}

}  // namespace

std::string explanation_text(const PolicyQuestion& question, const policy::Explanation& explanation) {
  auto out = head(question.route, question.target);
  out += "asked by " + describe_identity(question.identity, question.from) + " for " +
         claims_text(question.claims) + " at " + format_utc(question.at) + "\n\n";
  for (const auto& reason : route_reasons(explanation, question))
    out += "the route is closed: " + reason + "\n";
  const auto width = widest_role(question.route, question.target);
  for (const auto& verdict : explanation.rules) {
    out += padded("rule " + std::to_string(verdict.rule + 1), 9) + padded(verdict.role, width) + "  " +
           policy::describe_rule(question.route.allow[verdict.rule]) + "\n";
    out += std::string(9, ' ') + verdict_text(verdict, question) + "\n";
  }
  return out + "\n" + outcome_text(question, explanation);
}

std::string explanation_json(const PolicyQuestion& question, const policy::Explanation& explanation) {
  auto out = route_json(question.route, question.target);
  out["identity"] = describe_identity(question.identity, question.from);
  out["user"] = question.claims.user;
  out["database"] = question.claims.database;
  out["at"] = format_utc(question.at);
  out["route_unmet"] = route_reasons(explanation, question);
  out["rules"] = Json::array();
  for (const auto& verdict : explanation.rules) {
    auto one = rule_json(question.route.allow[verdict.rule], verdict.rule, question.target);
    one["matches"] = verdict.unmet.none();
    if (policy::depends_on_program(verdict, question.identity)) one["depends_on"] = "executable";
    one["unmet"] = Json::array();
    for (const auto condition : policy::all_conditions) {
      if (!verdict.unmet.has(condition)) continue;
      one["unmet"].push_back(
          {{"condition", policy::name_of(condition)},
           {"why", policy::why_unmet(condition, question.route.allow[verdict.rule], question.identity)}});
    }
    out["rules"].push_back(std::move(one));
  }
  out["asks_password"] = explanation.asks_password;
  out["admitted"] = explanation.decision.has_value();
  if (policy::rule_if_program(explanation, question.identity)) out["depends_on"] = "executable";
  if (!roles_if_user(question, explanation).empty()) out["depends_on"] = "user";
  if (explanation.decision) {
    const auto& decision = *explanation.decision;
    const auto& role = question.target.roles.at(decision.role);
    out["decision"] = {{"rule", decision.rule + 1}, {"identity", decision.identity},
                       {"role", decision.role},     {"credential", role.auth},
                       {"run_as", decision.run_as}, {"database", decision.database}};
  } else {
    out["refusal"] = {{"what", explanation.decision.error().what},
                      {"hint", explanation.decision.error().hint}};
  }
  return dump(out);
}

std::string rules_text(const Route& route, const Target& target) {
  auto out = head(route, target) + "\n";
  const auto width = widest_role(route, target);
  out += padded("rule", 9) + padded("role", width) + "  who\n";
  for (std::size_t i = 0; i < route.allow.size(); ++i) {
    out += padded(std::to_string(i + 1), 9) + padded(policy::role_of(route.allow[i], target), width) + "  " +
           policy::describe_rule(route.allow[i]) + "\n";
  }
  return out;
}

std::string rules_json(const Route& route, const Target& target) {
  auto out = route_json(route, target);
  out["rules"] = Json::array();
  for (std::size_t i = 0; i < route.allow.size(); ++i)
    out["rules"].push_back(rule_json(route.allow[i], i, target));
  return dump(out);
}

}  // namespace sallyport::cli
