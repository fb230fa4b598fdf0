// Audit records for people (columns that line up) and for programs (JSON lines).
#pragma once

#include "trail/reader.h"

#include <array>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

/// One JSON object without line end: the record as written, and `writer` beside it. Printable ASCII.
std::string audit_json(const trail::LogRecord& record);

/// Prints records as a table. The first rows wait until there are enough to know how wide the columns
/// are; wider values later push their line to the right and are never cut.
class AuditTable {
 public:
  /// `print` gets whole lines with their ends.
  AuditTable(bool color, bool header, std::function<void(std::string_view)> print)
      : color_(color), header_(header), print_(std::move(print)) {}

  void add(const trail::LogRecord& record);
  /// Prints what waits.
  void flush();

 private:
  static constexpr std::size_t columns = 10;
  static constexpr std::size_t rows_waiting_max = 500;
  using Row = std::array<std::string, columns>;

  static Row row_of(const trail::LogRecord& record);
  std::string line_of(const Row& row, bool is_header) const;

  bool color_;
  bool header_;
  std::function<void(std::string_view)> print_;
  std::vector<Row> waiting_;
  std::array<std::size_t, columns> widths_{};
  bool started_ = false;
};

}  // namespace sallyport::cli
