// What tests of the configuration share: a machine with known users and a fixed day.
#pragma once

#include "config/reader.h"

#include <gtest/gtest.h>

namespace sallyport::config {

/// 2026-07-01T00:00:00Z
inline WallTime test_day() { return WallTime{std::chrono::sys_days{std::chrono::year{2026} / 7 / 1}}; }

inline Surroundings test_machine() {
  const auto find = [](const std::string& name) -> std::optional<std::uint32_t> {
    static const std::map<std::string, std::uint32_t> known{
        {"root", 0}, {"app", 1000}, {"reports", 1001}, {"staff", 50}, {"nobody", 65534}, {"nogroup", 65534}};
    const auto found = known.find(name);
    return found == known.end() ? std::nullopt : std::optional{found->second};
  };
  return {test_day(), find, find, {}};
}

/// One line for each error: "LINE:COLUMN: what. hint" (the file is "f").
inline std::vector<std::string> errors_of(std::string_view yaml) {
  std::vector<std::string> out;
  const auto parsed = parse_with(yaml, "f", test_machine());
  if (parsed.has_value()) return out;
  for (const Error& error : parsed.error()) {
    out.push_back(error.where.substr(2) + ": " + error.what + (error.hint.empty() ? "" : ". " + error.hint));
  }
  return out;
}

inline std::vector<std::string> warnings_of(std::string_view yaml) {
  const auto parsed = parse_with(yaml, "f", test_machine());
  if (!parsed.has_value())
    return {"(errors: " + parsed.error().front().where + " " + parsed.error().front().what + ")"};
  std::vector<std::string> out;
  for (const auto& warning : parsed->warnings) out.push_back(warning.substr(2));
  return out;
}

}  // namespace sallyport::config
