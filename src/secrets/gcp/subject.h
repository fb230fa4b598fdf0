// Subject tokens: what somebody else's identity provider says of this workload, read as the `credential_source` of an
// external_account file says, to be exchanged for a token of Google's.
#pragma once

#include "secrets/gcp/token.h"

#include <string>

namespace sallyport::secrets::gcp {

struct Subject {
  Secret token;
  std::string client_certificate;  ///< X.509 federation: shown to the token endpoint
  Secret client_key;
};

/// Of whatever `credential_source` names: file, url, executable, certificate, or AWS.
Result<Subject> subject_of(Inquiry& ask, const Origin& origin);

Result<Subject> subject_from_program(Inquiry& ask, const Origin& origin);
Result<Subject> subject_from_certificate(Inquiry& ask, const Origin& origin);
Result<Subject> subject_from_aws(Inquiry& ask, const Origin& origin);

/// Plain http to a literal link-local address: the metadata services of other clouds. Nothing secret is sent there.
bool is_link_local_url(std::string_view url);

/// A token that a form may hold, without the white space around it.
Result<Subject> checked_subject(const Origin& origin, std::string_view token, const std::string& source);

}  // namespace sallyport::secrets::gcp
