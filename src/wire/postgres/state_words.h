// Words in SQL that leave state in a session of which no catalogue knows: custom settings, the position of a
// sequence, the seed of random(), connections of dblink, replication origins and slots.
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
#include "wire/postgres/session_state.h"

#include <array>
#include <cstdint>
#include <string_view>

namespace sallyport::postgres {

class StateWords {
 public:
  /// A schema's name and an object's, with their quotes; what of a word is longer is not looked at.
  static constexpr std::size_t word_bytes_max = 160;

  /// Another text begins. `behind_name`: behind a name with its zero byte, as in a Parse.
  void start(bool behind_name = false);
  /// The next bytes of it. It ends at its zero byte: what follows is not looked at.
  void look_at(Bytes piece);
  /// Of all texts so far.
  [[nodiscard]] StateReasons& found() { return found_; }
  [[nodiscard]] const StateReasons& found() const { return found_; }

 private:
  void on_word();

  StateReasons found_;
  bool over_ = true;
  bool in_name_ = false;    // the text begins behind a zero byte
  bool after_set_ = false;  // a setting's name is due
  bool in_update_ = false;  // SET belongs to it, up to the next semicolon
  std::uint8_t size_ = 0;
  std::array<char, word_bytes_max> word_{};
};

}  // namespace sallyport::postgres
