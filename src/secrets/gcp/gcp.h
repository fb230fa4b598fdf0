// Google Cloud: secrets of Secret Manager, and identities that log in to Cloud SQL and AlloyDB without a password.
//
// Our own small clients instead of Google's libraries: what they send and expect is compared with google-auth,
// google-cloud-secret-manager and the Cloud SQL connector in test/e2e/test_fake_gcp.py. docs/gcp.md is the user's side.
#pragma once

#include "secrets/identity.h"
#include "secrets/source.h"

#include <memory>

namespace sallyport::secrets {

/// `gcp-sm:projects/P/secrets/S[/versions/V]`, also with `/locations/L` behind the project.
std::unique_ptr<Source> gcp_secret_manager_source();

/// `gcp-cloudsql-iam:`: a token as the password; with `instance=`, the connector of Cloud SQL or AlloyDB.
std::unique_ptr<Source> gcp_cloudsql_source();

/// Who the application default credentials are.
std::unique_ptr<IdentityConversation> gcp_identity();

}  // namespace sallyport::secrets
