// Whether a session has changed what sessions begin with: ALTER ROLE … SET, ALTER DATABASE … SET. Connections that stand
// ready began before that, and no reset brings them there.
//
// Source  PostgreSQL manual, "ALTER ROLE", "ALTER DATABASE": the defaults hold for sessions that begin later.
#pragma once

#include <string_view>
#include <utility>

namespace sallyport::broker {

class AlteredDefaults {
 public:
  /// The client has named such a statement, to be executed once, or (`kept`) as often as it likes.
  void on_statement(bool kept) { kept ? kept_ = true : once_ = true; }
  /// ALTER USER has the first one, too. Without such a statement it was for something else, as a password.
  void on_tag(std::string_view tag) {
    if (tag != "ALTER ROLE" && tag != "ALTER DATABASE") return;
    const bool named = std::exchange(once_, false);
    altered_ = altered_ || named || kept_;
  }
  /// ReadyForQuery. Others see it when the transaction is over; one that was rolled back costs them a login.
  void on_ready(bool idle) {
    if (idle && std::exchange(altered_, false)) due_ = true;
  }
  /// Others have to begin anew.
  [[nodiscard]] bool take_due() { return std::exchange(due_, false); }

 private:
  bool once_ = false, kept_ = false;
  bool altered_ = false;  // in this transaction
  bool due_ = false;
};

}  // namespace sallyport::broker
