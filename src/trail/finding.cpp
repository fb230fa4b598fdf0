#include "trail/finding.h"

namespace sallyport::trail {

std::string_view name_of(FindingKind kind) {
  switch (kind) {
    case FindingKind::torn_tail: return "torn_tail";
    case FindingKind::damaged_record: return "damaged_record";
    case FindingKind::damaged_header: return "damaged_header";
    case FindingKind::later_version: return "later_version";
    case FindingKind::missing_records: return "missing_records";
    case FindingKind::missing_segment: return "missing_segment";
    case FindingKind::segment_unlinked: return "segment_unlinked";
    case FindingKind::segment_shortened: return "segment_shortened";
    case FindingKind::segment_changed: return "segment_changed";
    case FindingKind::directory_gone: return "directory_gone";
    case FindingKind::denials_dropped: return "denials_dropped";
  }
  return "damaged_record";
}

std::string describe(const Finding& finding) {
  std::string line = finding.file;
  if (finding.offset != 0) line += ", byte " + std::to_string(finding.offset);
  if (!line.empty()) line += ": ";
  line += finding.what;
  line += " (";
  line += name_of(finding.kind);
  line += ')';
  return line;
}

}  // namespace sallyport::trail
