// A client's application_name in a connection that others had before it. It is SET after the login, so what RESET ALL,
// RESET application_name and DISCARD ALL return to is the server's and not what the client started with. This
// notices when they did, so that the relay can set the client's name again.
//
// A server reports the name before or (from PostgreSQL 14) after the command's tag, always before its ReadyForQuery.
#pragma once

#include <string_view>

namespace sallyport::broker {

class ClientName {
 public:
  static constexpr std::string_view parameter = "application_name";

  /// The name that the client started with; the text has to outlive this. Without it nothing is ever lost.
  void start(std::string_view name) { name_ = name, started_ = true; }
  [[nodiscard]] std::string_view name() const { return name_; }

  void on_tag(std::string_view tag) { reset_ = reset_ || tag == "RESET" || tag == "DISCARD ALL"; }
  /// `servers`: the name that the connection had when it had logged in.
  void on_reported(std::string_view value, std::string_view servers) {
    reported_ = true;
    is_servers_ = value == servers && value != name_;
  }
  void on_ready() {
    if (reported_) lost_ = started_ && reset_ && is_servers_;  // or a ROLLBACK has brought it back
    reported_ = reset_ = false;
  }

  /// A reset took it, and it has not been given back.
  [[nodiscard]] bool is_lost() const { return lost_; }
  void on_given_back() { lost_ = false; }

 private:
  std::string_view name_;
  bool started_ = false;
  bool reset_ = false;       // since the last ReadyForQuery
  bool reported_ = false;    // likewise
  bool is_servers_ = false;  // what was reported last
  bool lost_ = false;
};

}  // namespace sallyport::broker
