#include "policy/overlap.h"

#include "policy/conditions.h"

#include <algorithm>

namespace sallyport::policy {

namespace {

bool covers_password(const AllowRule& wide, const AllowRule& narrow) {
  if (wide.verifier.empty()) return true;
  return !narrow.verifier.empty() && std::ranges::includes(wide.logins, narrow.logins);
}

/// The first of two that match decides whose limits hold.
bool decides_alike(const AllowRule& a, const AllowRule& b) {
  return a.role == b.role && a.connections_max == b.connections_max;
}

bool meet(const std::vector<AddressRange>& a, const std::vector<AddressRange>& b) {
  if (a.empty() || b.empty()) return true;
  return std::ranges::any_of(a, [&](const AddressRange& one) {
    return std::ranges::any_of(
        b, [&](const AddressRange& other) { return one.contains(other) || other.contains(one); });
  });
}

bool meet(const std::vector<Hours>& a, const std::vector<Hours>& b) {
  if (a.empty() || b.empty()) return true;
  return std::ranges::any_of(a, [&](const Hours& one) {
    return std::ranges::any_of(b, [&](const Hours& other) {
      return one.zone_name != other.zone_name || (one.open & other.open).any();
    });
  });
}

/// The segments of two paths that are alike, but for `*`, which stands for any one.
bool patterns_meet(std::string_view a, std::string_view b) {
  while (true) {
    const auto end_a = std::min(a.find('/'), a.size()), end_b = std::min(b.find('/'), b.size());
    const auto one = a.substr(0, end_a), other = b.substr(0, end_b);
    if (one != other && one != "*" && other != "*") return false;
    if ((end_a == a.size()) != (end_b == b.size())) return false;
    if (end_a == a.size()) return true;
    a.remove_prefix(end_a + 1);
    b.remove_prefix(end_b + 1);
  }
}

/// One certificate may match both. Two DNS names count as different owners, although one may have both.
bool certificates_meet(const AllowRule& one, const AllowRule& other) {
  if (!one.certificate || !other.certificate || one.certificate->kind != other.certificate->kind) return true;
  if (one.certificate->kind != CertificateRule::Kind::spiffe) return one.certificate == other.certificate;
  return patterns_meet(one.certificate->text, other.certificate->text);
}

/// One process may be in the control groups and units of both.
bool groups_meet(const AllowRule& one, const AllowRule& other) {
  if (!one.unit.empty() && !other.unit.empty() && one.unit != other.unit) return false;
  const bool cgroups = one.cgroup.empty() || other.cgroup.empty() || is_in_cgroup(one.cgroup, other.cgroup) ||
                       is_in_cgroup(other.cgroup, one.cgroup);
  const auto apart = [](const AllowRule& unit, const AllowRule& cgroup) {
    const auto fixed = unit_of(cgroup.cgroup);
    return !unit.unit.empty() && !fixed.empty() && fixed != unit.unit;
  };
  return cgroups && !apart(one, other) && !apart(other, one);
}

}  // namespace

bool covers(const std::vector<AddressRange>& wide, const std::vector<AddressRange>& narrow) {
  if (wide.empty()) return true;
  return !narrow.empty() && std::ranges::all_of(narrow, [&](const AddressRange& one) {
    return std::ranges::any_of(wide, [&](const AddressRange& other) { return other.contains(one); });
  });
}

bool covers(const std::vector<Hours>& wide, const std::vector<Hours>& narrow) {
  if (wide.empty()) return true;
  return !narrow.empty() && std::ranges::all_of(narrow, [&](const Hours& one) {
    return std::ranges::any_of(wide, [&](const Hours& other) { return other.covers(one); });
  });
}

bool covers_databases(const AllowRule& wide, const AllowRule& narrow) {
  if (wide.databases.empty()) return true;
  return !narrow.databases.empty() && std::ranges::all_of(narrow.databases, [&](const std::string& name) {
    return std::ranges::find(wide.databases, name) != wide.databases.end();
  });
}

bool covers(const AllowRule& wide, const AllowRule& narrow) {
  const bool user = !wide.uid || wide.uid == narrow.uid;
  const bool group = !wide.gid || wide.gid == narrow.gid;
  const bool process = (wide.executable.empty() || (wide.program && wide.program == narrow.program)) &&
                       (wide.cgroup.empty() || is_in_cgroup(narrow.cgroup, wide.cgroup)) &&
                       (wide.unit.empty() || wide.unit == narrow.unit) &&
                       (wide.allow_namespaced || !narrow.allow_namespaced || !is_for_process(wide));
  const bool certificate =
      !wide.certificate || (narrow.certificate && policy::covers(*wide.certificate, *narrow.certificate));
  return user && group && process && certificate && covers_password(wide, narrow) &&
         covers(wide.addresses, narrow.addresses) && covers(wide.hours, narrow.hours) &&
         covers_databases(wide, narrow) && (wide.replication || !narrow.replication);
}

bool may_meet(const AllowRule& one, const AllowRule& other) {
  if (one.uid && other.uid && one.uid != other.uid) return false;
  if (one.program && other.program && one.program != other.program) return false;
  if (!groups_meet(one, other)) return false;
  if ((is_for_process(one) && other.certificate) || (is_for_process(other) && one.certificate)) return false;
  if (!certificates_meet(one, other)) return false;
  if (one.verifier.empty() != other.verifier.empty()) return false;
  const bool logins = one.verifier.empty() || std::ranges::any_of(one.logins, [&](const std::string& login) {
                        return std::ranges::binary_search(other.logins, login);
                      });
  const bool databases = one.databases.empty() || other.databases.empty() ||
                         std::ranges::any_of(one.databases, [&](const std::string& name) {
                           return std::ranges::find(other.databases, name) != other.databases.end();
                         });
  return logins && databases && meet(one.addresses, other.addresses) && meet(one.hours, other.hours);
}

std::size_t overshadowed_by(const std::vector<AllowRule>& rules, std::size_t index) {
  const auto& rule = rules[index];
  for (std::size_t other = 0; other < rules.size(); ++other) {
    if (other == index || rules[other].role != rule.role || !covers(rules[other], rule)) continue;
    if (other < index) return other;
    // A later one takes its place only if nothing is different by it; of twins the later one is idle.
    if (decides_alike(rules[other], rule) && !covers(rule, rules[other])) return other;
  }
  return rules.size();
}

std::string_view impossible_condition(const Route& route, const AllowRule& rule) {
  if (!meet(route.hours, rule.hours)) return "hours";
  return meet(route.addresses, rule.addresses) ? "" : "addresses";
}

}  // namespace sallyport::policy
