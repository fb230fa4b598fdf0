// Sorted by position, so that errors are told in the order of the file whoever found them.
#include "config/problems.h"

#include <algorithm>
#include <tuple>

namespace sallyport::config {
namespace {

/// A hostile file must not make us keep a message for each of its lines.
constexpr std::size_t kept_max = 2'000;

void sort_and_deduplicate(std::vector<Problem>& problems) {
  const auto key = [](const Problem& p) { return std::tie(p.at, p.what); };
  std::ranges::stable_sort(problems, [&](const Problem& a, const Problem& b) { return key(a) < key(b); });
  // Not std::ranges::unique: clang 14 cannot compile what it returns.
  const auto repeated = std::unique(problems.begin(), problems.end(),
                                    [&](const Problem& a, const Problem& b) { return key(a) == key(b); });
  problems.erase(repeated, problems.end());
}

}  // namespace

void Problems::add(Position at, std::string what, std::string hint) {
  if (errors_.size() < kept_max) errors_.push_back({at, std::move(what), std::move(hint)});
}

void Problems::add(const Node& node, std::string what, std::string hint) {
  node.wrong = true;
  add(node.at, std::move(what), std::move(hint));
}

void Problems::warn(Position at, std::string text) {
  if (warnings_.size() < kept_max) warnings_.push_back({at, std::move(text), {}});
}

std::string Problems::where(Position at) const {
  return file_ + ":" + std::to_string(at.line) + ":" + std::to_string(at.column);
}

std::vector<Error> Problems::take_errors() {
  sort_and_deduplicate(errors_);
  std::vector<Error> out;
  for (Problem& problem : errors_) {
    if (out.size() == errors_max) break;
    out.push_back({ErrorCode::bad_config,
                   Hop::config,
                   where(problem.at),
                   std::move(problem.what),
                   std::move(problem.hint),
                   {}});
  }
  errors_.clear();
  return out;
}

std::vector<std::string> Problems::take_warnings() {
  sort_and_deduplicate(warnings_);
  std::vector<std::string> out;
  for (const Problem& problem : warnings_) out.push_back(where(problem.at) + ": " + problem.what);
  warnings_.clear();
  return out;
}

}  // namespace sallyport::config
