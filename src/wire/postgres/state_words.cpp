#include "wire/postgres/state_words.h"

namespace sallyport::postgres {

namespace {

/// What a byte is in a word, in lower case; 0: it ends one. The dot is part of a word, as only a custom setting's
/// name has one; the dollar is not, as $$ may stand in front of SET.
constexpr auto in_word = [] {
  std::array<char, 256> table{};
  for (std::size_t byte = 0; byte < table.size(); ++byte) {
    const bool upper = byte >= 'A' && byte <= 'Z';
    const bool part = upper || (byte >= 'a' && byte <= 'z') || (byte >= '0' && byte <= '9') || byte == '_' ||
                      byte == '.' || byte == '"' || byte >= 0x80;
    table[byte] = part ? static_cast<char>(upper ? byte + ('a' - 'A') : byte) : '\0';
  }
  return table;
}();

bool has_inner_dot(std::string_view word) {
  const auto dot = word.find('.');
  return dot != std::string_view::npos && dot + 1 < word.size();
}

}  // namespace

void StateWords::start(bool behind_name) {
  over_ = after_set_ = in_update_ = false;
  in_name_ = behind_name;
  size_ = 0;
}

void StateWords::look_at(Bytes piece) {
  for (const auto byte : piece) {
    if (over_) return;
    if (in_name_) {
      in_name_ = byte != '\0';
      continue;
    }
    if (const char c = in_word[byte]; c != '\0') {
      if (size_ < word_bytes_max) word_[size_++] = c;
      continue;
    }
    if (size_ != 0) on_word();
    if (byte == ';') after_set_ = in_update_ = false;
    over_ = byte == '\0';
  }
}

void StateWords::on_word() {
  const std::string_view word{word_.data(), size_};
  size_ = 0;
  if (after_set_) {
    if (word == "session") return;
    after_set_ = false;
    // SET a.b and SET SESSION a.b; LOCAL ends with its transaction.
    if (has_inner_dot(word)) found_.add(StateReason::custom_setting);
  }
  if (word.size() < 3) return;
  if (word == "set") {
    // UPDATE t SET a.b = … is a column's.
    after_set_ = !in_update_;
  } else if (word == "update") {
    in_update_ = true;
  } else if (word.size() >= 7) {
    // Also with a schema in front, and as part of the name of somebody's wrapper.
    const auto has = [word](std::string_view name) { return word.find(name) != std::string_view::npos; };
    if (has("dblink_")) found_.add(StateReason::dblink);
    if (has("setseed")) found_.add(StateReason::random_seed);
    if (has("currval") || has("lastval")) found_.add(StateReason::sequence_value);
    if (has("set_config")) found_.add(StateReason::custom_setting);
    if (has("replication_origin_session_setup")) found_.add(StateReason::replication_origin);
    // Whether it ends with the session is not told apart.
    if (has("_replication_slot") && (has("pg_create_") || has("pg_copy_")))
      found_.add(StateReason::replication_slot);
  }
}

}  // namespace sallyport::postgres
