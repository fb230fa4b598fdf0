// The JSON of a status (admin/status_json.h) as text for people.
#pragma once

#include <nlohmann/json.hpp>

#include <string>

namespace sallyport::cli {

/// Also of another version's: what is missing is shown as a dash.
std::string status_text(const nlohmann::ordered_json& status);

}  // namespace sallyport::cli
