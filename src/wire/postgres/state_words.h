// Words in SQL that leave state in a session of which no catalogue knows: custom settings, the position of a
// sequence, the seed of random(), connections of dblink.
//
// Best effort, on words and not on grammar, and for texts of any length: a migration script or an INSERT of
// megabytes passes in pieces, is never held, and costs one look at each byte. To treat long texts as leaving such
// state unseen would be simpler, but would keep every session from being moved that has once inserted many rows.
// Where words in data look like such SQL the session is not moved: that is the safe side. What a function does in the
// database is not in the text that calls it, and remains unseen.
//
// Source  PostgreSQL manual, "SET", "Sequence Manipulation Functions", "Customized Options".
#pragma once

#include "base/bytes.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::postgres {

class StateWords {
 public:
  /// A schema's name and an object's, with their quotes; what of a word is longer is not looked at.
  static constexpr std::size_t word_bytes_max = 160;

  /// Another text begins.
  void start();
  /// The next bytes of it. It ends at its zero byte: what follows is not looked at.
  void look_at(Bytes piece);
  /// Of all texts so far: "dblink", "random_seed", "sequence_value", "custom_setting" (the first of these that was seen), or
  /// nothing.
  [[nodiscard]] std::string_view found() const;
  /// What was found is nothing that DISCARD ALL undoes.
  [[nodiscard]] bool is_lasting() const { return found_ >= Found::random_seed; }
  /// As if nothing had been seen.
  void forget() { found_ = Found::nothing; }

 private:
  enum class Found : std::uint8_t { nothing, custom_setting, sequence_value, random_seed, dblink };

  void on_word();
  void note(Found found);

  Found found_ = Found::nothing;
  bool over_ = true;
  bool after_set_ = false;  // a setting's name is due
  bool in_update_ = false;  // SET belongs to it, up to the next semicolon
  std::uint8_t size_ = 0;
  std::array<char, word_bytes_max> word_{};
};

}  // namespace sallyport::postgres
