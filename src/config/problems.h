// What was found while reading a configuration: errors and warnings with their positions.
#pragma once

#include "config/config.h"
#include "config/document.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::config {

class Problems {
 public:
  explicit Problems(std::string_view file) : file_(file) {}

  void add(Position at, std::string what, std::string hint = {});
  void add(Problem problem) { add(problem.at, std::move(problem.what), std::move(problem.hint)); }

  /// Reports and marks: readers of this node stay silent about it.
  void add(const Node& node, std::string what, std::string hint = {});

  void warn(Position at, std::string text);

  [[nodiscard]] bool empty() const { return errors_.empty(); }

  /// Sorted by position, without repetitions, at most errors_max. `where` is "FILE:LINE:COLUMN".
  [[nodiscard]] std::vector<Error> take_errors();
  /// "FILE:LINE:COLUMN: text", sorted, without repetitions.
  [[nodiscard]] std::vector<std::string> take_warnings();

 private:
  [[nodiscard]] std::string where(Position at) const;

  std::string file_;
  std::vector<Problem> errors_;
  std::vector<Problem> warnings_;
};

}  // namespace sallyport::config
