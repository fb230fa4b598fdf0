// Who a cloud says we are, which of its providers said so, and why the ones before it did not: what `whoami` shows, and
// what an error lists when nobody did.
#pragma once

#include "base/conversation.h"

#include <memory>
#include <optional>
#include <string>
#include <vector>

namespace sallyport::secrets {

/// A provider of a chain that gave nothing, in the order in which they were asked.
struct Tried {
  std::string provider;  ///< "environment", "container", "IMDS"
  std::string reason;    ///< "AWS_ACCESS_KEY_ID is not set"; no secret
};

struct WhoAmI {
  std::string cloud;     ///< "aws", "gcp", "azure", "kubernetes", "vault"
  std::string provider;  ///< the one that won; empty: none
  std::string identity;  ///< an ARN, an e-mail address, a client id; empty: not known without asking more
  std::optional<WallTime> expires;
  bool refused =
      false;  ///< the cloud does not take what the provider gave: nobody, as far as it is concerned
  std::vector<Tried> tried;
  std::string fix;  ///< when none won: what to do
};

/// Done also when no provider won: that is an answer.
class IdentityConversation : public Conversation {
 public:
  virtual WhoAmI take() = 0;
};

/// "environment: AWS_ACCESS_KEY_ID is not set; container: …": for an error's text.
std::string list_of(const std::vector<Tried>& tried);

}  // namespace sallyport::secrets
