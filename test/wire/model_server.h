// A PostgreSQL server as far as prepared statements go: what it answers says which text was run, so that two ways to
// the same end can be compared byte by byte.
#pragma once

#include "wire/postgres/frame.h"
#include "wire/postgres/refused_state.h"

#include <algorithm>
#include <map>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace sallyport::postgres::test {

struct ModelFrame {
  char type = 0;
  std::string body;
  bool operator==(const ModelFrame&) const = default;
};

inline void PrintTo(const ModelFrame& frame, std::ostream* out) {
  *out << frame.type << '(';
  for (const char c : frame.body) *out << (c == '\0' ? '|' : c);
  *out << ')';
}

inline std::string frame_of(char type, const std::string& body) {
  WipedBytes out;
  FrameWriter writer{out, type};
  writer.bytes(as_bytes(body));
  writer.finish();
  return std::string{as_text(Bytes{out})};
}

inline std::vector<ModelFrame> take_frames(std::string& bytes) {
  std::vector<ModelFrame> frames;
  while (true) {
    const auto message = decode_message(as_bytes(bytes), 1U << 20);
    if (!message || !*message) return frames;
    frames.push_back({(*message)->type, std::string{as_text((*message)->body)}});
    bytes.erase(0, (*message)->frame_bytes());
  }
}

class ModelServer {
 public:
  /// Bytes of the client; what the server answers.
  std::vector<ModelFrame> feed(const std::string& bytes) {
    input_ += bytes;
    answers_.clear();
    for (const auto& frame : take_frames(input_)) on_frame(frame);
    return std::exchange(answers_, {});
  }
  [[nodiscard]] const std::map<std::string, std::string>& statements() const { return statements_; }
  [[nodiscard]] char status() const { return status_; }
  [[nodiscard]] const std::vector<std::string>& executed() const { return executed_; }
  /// Somebody changed a table: plans of texts that have this in them are refused.
  void spoil(const std::string& part) { spoiled_ = part; }

 private:
  static std::string upto(const std::string& text, std::size_t from = 0) {
    return text.substr(from, text.find('\0', from) - from);
  }
  /// As many zero bytes as the message has texts.
  static bool is_whole(const ModelFrame& frame) {
    const auto texts = frame.type == 'P' || frame.type == 'B'   ? 2
                       : frame.type == 'Q' || frame.type == 'E' ? 1
                                                                : 0;
    if (frame.type == 'C' || frame.type == 'D')
      return frame.body.size() >= 2 && frame.body.find('\0') != std::string::npos;
    return std::count(frame.body.begin(), frame.body.end(), '\0') >= texts;
  }
  void say(char type, const std::string& body = {}) { answers_.push_back({type, body}); }
  void fail(const std::string& sqlstate) {
    say('E', "SERROR" + std::string(1, '\0') + "C" + sqlstate + std::string(2, '\0'));
    if (status_ == 'T') status_ = 'E';
    failed_ = true;
  }
  void ready() {
    failed_ = false;
    say('Z', std::string(1, status_));
  }

  void on_frame(const ModelFrame& frame) {
    if (failed_ && frame.type != 'S') return;
    const auto& body = frame.body;
    if (!is_whole(frame)) return fail("08P01");
    switch (frame.type) {
      case 'Q':
        statements_.erase("");
        run(upto(body));
        return ready();
      case 'S': return ready();
      case 'P': return on_parse(upto(body), body.substr(upto(body).size() + 1));
      case 'B': return on_bind(upto(body, upto(body).size() + 1));
      case 'D': return on_describe(body);
      case 'E': return bound_ ? run(upto(*bound_)) : fail("34000");
      case 'C':
        if (body[0] == 'S') statements_.erase(upto(body, 1));
        return say('3');
      default: return;
    }
  }
  void on_parse(const std::string& name, const std::string& rest) {
    if (name.empty()) statements_.erase("");
    if (status_ == 'E') return fail("25P02");
    if (upto(rest).find("syntax") != std::string::npos) return fail("42601");
    if (upto(rest).find(lost_value_mark) != std::string::npos) return fail("22P02");
    if (!name.empty() && statements_.contains(name)) return fail("42P05");
    statements_[name] = rest;
    say('1');
  }
  void on_bind(const std::string& name) {
    bound_.reset();
    if (status_ == 'E') return fail("25P02");
    if (!statements_.contains(name)) return fail("26000");
    if (!spoiled_.empty() && statements_[name].find(spoiled_) != std::string::npos && !fresh_.contains(name))
      return fail("0A000");
    bound_ = statements_[name];
    say('2');
  }
  void on_describe(const std::string& body) {
    if (status_ == 'E') return fail("25P02");
    if (body[0] == 'P') return bound_ ? say('T', upto(*bound_)) : fail("34000");
    const auto name = upto(body, 1);
    if (!statements_.contains(name)) return fail("26000");
    say('t', "..");
    say('T', upto(statements_[name]));
  }
  void run(const std::string& sql) {
    if (status_ == 'E' && sql != "ROLLBACK" && sql != "COMMIT") return fail("25P02");
    if (sql.find("fail") != std::string::npos) return fail("22012");
    if (sql.find(lost_value_mark) != std::string::npos) return fail("22P02");
    executed_.push_back(sql);
    if (sql == "BEGIN") status_ = 'T';
    if (sql == "COMMIT" || sql == "ROLLBACK") status_ = 'I';
    if (sql.starts_with("DEALLOCATE ") && sql != "DEALLOCATE ALL") {
      if (statements_.erase(sql.substr(11)) == 0) return fail("26000");
      return say('C', "DEALLOCATE" + std::string(1, '\0'));
    }
    // Also behind a comment.
    if (sql == "DEALLOCATE ALL" || sql.ends_with("DISCARD ALL") || sql.ends_with("discard all")) {
      statements_.clear();
      return say('C', (sql == "DEALLOCATE ALL" ? sql : "DISCARD ALL") + '\0');
    }
    say('D', sql);
    say('C', "SELECT 1" + std::string(1, '\0'));
  }

  std::string input_;
  std::vector<ModelFrame> answers_;
  std::vector<std::string> executed_;
  std::map<std::string, std::string> statements_;
  std::set<std::string> fresh_;
  std::optional<std::string> bound_;
  std::string spoiled_;
  char status_ = 'I';
  bool failed_ = false;
};

}  // namespace sallyport::postgres::test
