// A plan of `sallyport vault`, for people and for scripts. Nothing in it is a secret: what could be one never got there
// (secrets/vault/engine/plan.h).
#pragma once

#include "secrets/vault/engine/advice.h"
#include "secrets/vault/engine/plan.h"

#include <optional>
#include <string>
#include <vector>

namespace sallyport::cli {

struct ShownPlan {
  const std::vector<secrets::vault::engine::Object>& objects;
  const secrets::vault::engine::Plan& plan;
  std::string address;
  std::string mount;
  std::vector<secrets::vault::engine::Advice> advice;
  std::vector<std::string> passwords;              ///< connections whose password will be sent
  std::vector<std::string> rotate_root;            ///< connections
  std::optional<std::vector<std::string>> made{};  ///< by apply
};

/// What is asked for, in one line for the audit trail; at most about 1 kB.
std::string changes_in_words(const ShownPlan& shown);

/// Whether it says that something is to be done.
bool has_changes(const ShownPlan& shown);

/// `color`: the marks; `quiet`: without what stays as it is.
std::string plan_as_text(const ShownPlan& shown, bool color, bool quiet);
std::string plan_as_json(const ShownPlan& shown);

}  // namespace sallyport::cli
