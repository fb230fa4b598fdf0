// AWS' Security Token Service: roles in exchange for keys or a web identity's token, and who our keys are.
//
// The service answers in XML. Requests are retried as botocore's standard mode does. A signature that is refused while
// the service's clock is far from ours is made once more at its time, and the difference is remembered.
#pragma once

#include "secrets/aws/provider.h"

#include <string>

namespace sallyport::secrets::aws {

struct Role {
  std::string arn;
  std::string session_name;      ///< empty: one of ours
  std::string external_id;       ///< empty: none
  std::string duration_seconds;  ///< empty: the service's default, an hour
};

/// Errors  denied: the service said no; its code is in the text.  retry_later, timed_out, …: of the network.
Result<Keys> assume_role(Inquiry& ask, const Settings& settings, Search& search, const Role& role,
                         const Keys& with, const std::string& provider);

Result<Keys> assume_role_with_web_identity(Inquiry& ask, const Settings& settings, Search& search,
                                           const Role& role, const Secret& token,
                                           const std::string& provider);

/// "arn:aws:sts::123456789012:assumed-role/app/session": whose these keys are. Every key may ask that.
Result<std::string> caller_identity(Inquiry& ask, const Settings& settings, Search& search, const Keys& keys);

}  // namespace sallyport::secrets::aws
