// A workload in AWS: the subject token is a signed request to AWS STS, which Google makes in its place.
#include "secrets/gcp/subject.h"

namespace sallyport::secrets::gcp {

Result<Subject> subject_from_aws(Inquiry&, const Origin& origin) {
  return fault(origin.context, ErrorCode::bad_config, origin.path + " is of AWS, which is not supported yet");
}

}  // namespace sallyport::secrets::gcp
