#include "secrets/nearest.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace sallyport::secrets {

namespace {

constexpr std::size_t name_bytes_max = 32;
constexpr std::size_t distance_max = 2;

/// Optimal string alignment distance; both at most name_bytes_max long.
std::size_t distance(std::string_view a, std::string_view b) {
  std::array<std::array<std::size_t, name_bytes_max + 1>, name_bytes_max + 1> d{};
  for (std::size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (std::size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = d[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, replace});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  }
  return d[a.size()][b.size()];
}

}  // namespace

std::string_view nearest(std::string_view text, std::span<const std::string_view> names) {
  std::string_view best;
  std::size_t best_distance = distance_max + 1;
  if (text.empty() || text.size() > name_bytes_max) return best;
  for (const auto name : names) {
    if (name.size() > name_bytes_max) continue;
    const auto d = distance(text, name);
    if (d < best_distance && d < name.size()) {
      best = name;
      best_distance = d;
    }
  }
  return best;
}

}  // namespace sallyport::secrets
