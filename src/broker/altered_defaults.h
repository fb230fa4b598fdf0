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
  /// The client has named such a statement: from now on it may be executed.
  void on_statement() { named_ = true; }
  /// ALTER USER has the first one, too. Without such a statement it was for something else, as a password.
  void on_tag(std::string_view tag) {
    altered_ = altered_ || (named_ && (tag == "ALTER ROLE" || tag == "ALTER DATABASE"));
  }
  /// ReadyForQuery. Others see it when the transaction is over; one that was rolled back costs them a login.
  void on_ready(bool idle) {
    if (idle && std::exchange(altered_, false)) due_ = true;
  }
  /// Others have to begin anew.
  [[nodiscard]] bool take_due() { return std::exchange(due_, false); }

 private:
  bool named_ = false;
  bool altered_ = false;  // in this transaction
  bool due_ = false;
};

}  // namespace sallyport::broker
