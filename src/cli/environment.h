// Our own environment, taken over at start: the values go into one Secret, the block that the kernel shows
// in /proc/PID/environ is overwritten, and only harmless variables stay for the libraries.
#pragma once

#include "base/secret.h"

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::cli {

class Environment {
 public:
  /// First thing in main, with one thread.
  static Environment take_over();

  [[nodiscard]] bool has(std::string_view name) const { return values_.find(name) != values_.end(); }
  /// A copy of the value; none when it is not set.
  [[nodiscard]] std::optional<Secret> secret(std::string_view name) const;
  /// For variables that hold no secret (paths, names, flags); empty when it is not set.
  [[nodiscard]] std::string plain(std::string_view name) const;
  [[nodiscard]] std::vector<std::string> names() const;
  /// $HOME, else the account's; empty when nobody knows.
  [[nodiscard]] std::string home() const;

  // ---- what a child gets ----
  void set(const std::string& name, std::string_view value);
  void set(const std::string& name, const Secret& value);
  void remove(std::string_view name);
  /// "NAME=value" strings, zero-terminated, one after the other, for execve. Not a Secret, whose pages a fork
  /// wipes: the child needs them. Keep it only for that moment.
  struct Block {
    WipedBytes bytes;
    std::vector<char*> pointers;  ///< into bytes; ends in a null pointer
  };
  [[nodiscard]] Block block() const;

 private:
  struct Place {
    std::size_t at = 0, size = 0;
  };
  Secret initial_;
  std::map<std::string, Place, std::less<>> values_;  // into initial_
  std::map<std::string, Secret, std::less<>> replaced_;
};

}  // namespace sallyport::cli
