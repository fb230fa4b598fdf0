// Parameters as a server has reported them. Thousands of sessions have the same ones, so they are shared until one
// changes.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>

namespace sallyport::broker {

using ParameterMap = std::map<std::string, std::string, std::less<>>;

/// PostgreSQL reports 15 of them, an extension may add some.
inline constexpr std::size_t reported_parameters_max = 256;
/// Of their names and values: those of PostgreSQL have a few hundred.
inline constexpr std::size_t reported_bytes_max = std::size_t{32} * 1024;

/// Takes note of a ParameterStatus. A new name beyond the limits is dropped, and a known one whose value has become too
/// long is not followed any more: the client has been told of it.
void note_parameter(ParameterMap& parameters, std::string_view name, std::string_view value);

class ReportedParameters {
 public:
  ReportedParameters() = default;
  explicit ReportedParameters(ParameterMap parameters);

  [[nodiscard]] const ParameterMap& map() const;
  /// As note_parameter(); whoever shares the old ones keeps them.
  void note(std::string_view name, std::string_view value);
  [[nodiscard]] std::string_view value_of(std::string_view name) const;

  /// The same object: cheap, and enough for most.
  [[nodiscard]] bool shares(const ReportedParameters& other) const { return map_ == other.map_; }
  bool operator==(const ReportedParameters& other) const {
    return map_ == other.map_ || map() == other.map();
  }

 private:
  std::shared_ptr<ParameterMap> map_;  // null: none; changed only while nobody shares it
  std::size_t bytes_ = 0;
};

/// Whether what is meant by this value of theirs is in doubt: servers tell values in client_encoding, and bytes in SQL of
/// ours are read in server_encoding. Never so for plain ASCII, or where the server converts nothing.
bool is_in_doubt(const ParameterMap& parameters, std::string_view value);
/// Of any of them that can be set.
bool holds_doubt(const ParameterMap& parameters);

/// SQL that gives a connection whose parameters are `there` those that are `wanted`; empty: nothing differs that can
/// be set. What only the server decides (its version, whether it is a standby) is left alone. A value in doubt becomes
/// the one that the connection logged in with.
std::string statement_to_restore(const ParameterMap& wanted, const ParameterMap& there);

}  // namespace sallyport::broker
