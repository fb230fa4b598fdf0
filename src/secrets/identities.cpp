#include "secrets/identities.h"

#include "secrets/aws/identity.h"
#include "secrets/azure/azure.h"
#include "secrets/gcp/gcp.h"
#include "secrets/kubernetes/kubernetes.h"

namespace sallyport::secrets {

std::vector<std::pair<std::string_view, IdentityMaker>> identities() {
  return {
      {"aws", aws::aws_identity},
      {"gcp", gcp_identity},
      {"kubernetes", kubernetes_identity},
      {"azure", azure_identity},
  };
}

}  // namespace sallyport::secrets
