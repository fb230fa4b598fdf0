#include "cli/text_table.h"

#include "trail/text.h"

#include <algorithm>

namespace sallyport::cli {

std::string TextTable::text() const {
  std::vector<std::vector<std::string>> lines{{}};
  for (const auto& column : columns_) lines.front().push_back(column.title);
  lines.insert(lines.end(), rows_.begin(), rows_.end());
  std::vector<std::size_t> widths(columns_.size(), 0);
  for (const auto& line : lines) {
    for (std::size_t i = 0; i < widths.size(); ++i)
      widths[i] = std::max(widths[i], trail::columns_of(line[i]));
  }
  std::string out;
  for (const auto& line : lines) {
    std::string row;
    for (std::size_t i = 0; i < widths.size(); ++i) {
      const std::string blank(widths[i] - trail::columns_of(line[i]), ' ');
      row += (i == 0 ? "" : "  ") + (columns_[i].right ? blank + line[i] : line[i] + blank);
    }
    row.erase(row.find_last_not_of(' ') + 1);
    out += row + "\n";
  }
  return out;
}

}  // namespace sallyport::cli
