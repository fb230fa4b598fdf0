#include "credentials/journal_entry.h"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <optional>
#include <set>
#include <string_view>

namespace sallyport::credentials {

namespace {

using Json = nlohmann::json;

constexpr std::size_t complaints_max = 8;
constexpr int journal_version = 1;

/// A path of names as managers use them; it becomes part of a request that we send with our own rights.
bool is_clean_path(std::string_view path) {
  if (path.empty() || path.size() > journal_field_bytes_max) return false;
  while (true) {
    const std::size_t slash = path.find('/');
    const std::string_view part = path.substr(0, slash);
    if (part.empty() || part == "." || part == "..") return false;
    const bool printable = std::all_of(part.begin(), part.end(), [](char c) { return c >= ' ' && c < 0x7f; });
    if (!printable) return false;
    if (slash == std::string_view::npos) return true;
    path.remove_prefix(slash + 1);
  }
}

bool is_short_text(std::string_view text) {
  return text.size() <= journal_field_bytes_max &&
         std::all_of(text.begin(), text.end(), [](char c) { return c >= ' ' && c < 0x7f; });
}

bool follows_rules(const JournalLease& entry) {
  const Lease& lease = entry.lease;
  return is_clean_path(lease.id) && is_clean_path(lease.mount_and_role) &&
         lease.id.size() > lease.mount_and_role.size() + 1 && lease.id.starts_with(lease.mount_and_role) &&
         lease.id[lease.mount_and_role.size()] == '/' && !lease.address.empty() &&
         is_short_text(lease.address) && is_short_text(lease.name_space) && is_short_text(lease.accessor) &&
         !entry.run_id.empty() && is_short_text(entry.run_id);
}

/// The member if it is a text; the lines are flat, so nothing else is needed.
std::optional<std::string> text_of(const Json& object, const char* name) {
  const auto found = object.find(name);
  if (found == object.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<JournalLease> lease_of(const Json& object) {
  const auto id = text_of(object, "lease"), address = text_of(object, "address"),
             space = text_of(object, "namespace"), role = text_of(object, "mount_and_role"),
             accessor = text_of(object, "accessor"), run = text_of(object, "run");
  const auto until = object.find("granted_until");
  if (!id || !address || !space || !role || !accessor || !run) return std::nullopt;
  if (until == object.end() || !until->is_number_integer() || object.size() != 8) return std::nullopt;
  const auto seconds = until->get<std::int64_t>();
  constexpr std::int64_t seconds_max = 9'000'000'000;  // the year 2255: WallTime counts nanoseconds
  if (seconds < 0 || seconds > seconds_max) return std::nullopt;
  JournalLease entry;
  entry.lease.id = *id;
  entry.lease.address = *address;
  entry.lease.name_space = *space;
  entry.lease.mount_and_role = *role;
  entry.lease.accessor = *accessor;
  entry.run_id = *run;
  entry.granted_until = WallTime{} + std::chrono::seconds{seconds};
  if (!follows_rules(entry)) return std::nullopt;
  return entry;
}

class Decoder {
 public:
  void take(std::string_view line, std::size_t number) {
    const std::string problem = read(line);
    if (problem.empty() || out_.complaints.size() >= complaints_max) return;
    out_.complaints.push_back("line " + std::to_string(number) + ": " + problem);
  }

  void complain(std::string problem) { out_.complaints.push_back(std::move(problem)); }

  JournalContents finish() {
    std::erase_if(out_.leases,
                  [this](const JournalLease& entry) { return forgotten_.contains(entry.lease.id); });
    return std::move(out_);
  }

 private:
  std::string read(std::string_view line) {
    if (line.size() > journal_line_bytes_max) return "longer than any line of ours";
    // The parser and its values do not recurse, and the line is short: nesting costs nothing.
    const Json object = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!object.is_object()) return "not a JSON object";
    const auto version = object.find("v");
    if (version == object.end() || !version->is_number_integer() || *version != journal_version) {
      return "of another version";
    }
    if (const auto id = text_of(object, "forgotten"); id && object.size() == 2) {
      if (!known_.contains(*id)) return "forgets a lease that was never recorded";
      forgotten_.insert(*id);
      return {};
    }
    auto entry = lease_of(object);
    if (!entry) return "not a lease as we write them";
    if (run_id_.empty()) run_id_ = entry->run_id;
    if (entry->run_id != run_id_) return "of another run";
    if (out_.leases.size() >= journal_leases_max) return "more leases than one run can have";
    if (!known_.insert(entry->lease.id).second) return "the same lease again";
    out_.leases.push_back(std::move(*entry));
    return {};
  }

  JournalContents out_;
  std::string run_id_;
  std::set<std::string> known_;
  std::set<std::string> forgotten_;
};

}  // namespace

std::string encode_lease_line(const JournalLease& entry) {
  const auto seconds =
      std::chrono::duration_cast<std::chrono::seconds>(entry.granted_until.time_since_epoch());
  if (!follows_rules(entry) || seconds.count() < 0) return {};
  const Json object{{"v", journal_version},
                    {"lease", entry.lease.id},
                    {"address", entry.lease.address},
                    {"namespace", entry.lease.name_space},
                    {"mount_and_role", entry.lease.mount_and_role},
                    {"accessor", entry.lease.accessor},
                    {"run", entry.run_id},
                    {"granted_until", seconds.count()}};
  const std::string line = object.dump();
  return line.size() <= journal_line_bytes_max ? line + '\n' : std::string{};
}

std::string encode_forgotten_line(const std::string& lease_id) {
  if (!is_clean_path(lease_id)) return {};
  return Json{{"v", journal_version}, {"forgotten", lease_id}}.dump() + '\n';
}

JournalContents decode_journal(Bytes text) {
  Decoder decoder;
  if (text.size() > journal_bytes_max) {
    decoder.complain("longer than any journal of ours: only the first part was read");
    text = text.first(journal_bytes_max);
  }
  std::string_view rest = as_text(text);
  for (std::size_t number = 1;; ++number) {
    const std::size_t end = rest.find('\n');
    if (end == std::string_view::npos) break;
    decoder.take(rest.substr(0, end), number);
    rest.remove_prefix(end + 1);
  }
  return decoder.finish();
}

}  // namespace sallyport::credentials
