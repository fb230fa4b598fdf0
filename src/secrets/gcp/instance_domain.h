// Instances of Cloud SQL that a domain name stands for: a TXT record of it holds PROJECT:REGION:INSTANCE, so that who keeps
// the zone leads applications to another instance without touching them.
//
// Who answers for the zone chooses the instance. What comes out of DNS is a stranger's text: it is an instance's name or
// nothing, and is never shown.
//
// Source  GoogleCloudPlatform/cloud-sql-go-connector (instance/conn_name.go, internal/cloudsql/resolver.go).
#pragma once

#include "secrets/gcp/instance.h"
#include "secrets/inquiry.h"

#include <string>
#include <string_view>
#include <vector>

namespace sallyport::secrets::gcp {

/// How long an answer counts before the name is looked up again, as the connectors have it.
inline constexpr Duration domain_recheck = std::chrono::seconds{30};

/// The connectors' rule: two labels or more of `a-z 0-9 _ -`, 63 bytes each and 253 in all, the last one beginning with a
/// letter; one dot may stand at the end. Empty: `text` is none; else without that dot.
std::string domain_in(std::string_view text);

/// The lexically first of the records that are names of instances.
/// Errors  hop dns, where = domain.  not_found: no record.  bad_config: none of them is a name; AlloyDB's are not.
Result<Instance> choose_instance(const std::string& domain, std::vector<std::string> records);

/// Looks `domain` up.
/// Errors  those of LookupTxt (base/conversation.h) and of choose_instance(), each with what to do.
Result<Instance> look_up_instance(Inquiry& ask, const std::string& domain);

}  // namespace sallyport::secrets::gcp
