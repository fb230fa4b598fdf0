#include "secrets/fallback_fix.h"

namespace sallyport::secrets {

namespace {

const char* fix_of(ErrorCode code) {
  switch (code) {
    case ErrorCode::bad_config: return "Correct what is named here";
    case ErrorCode::denied:
      return "Have this identity allowed to do it; `sallyport whoami` shows which one each cloud gives";
    case ErrorCode::not_found: return "Check how the reference is spelt, and that it exists";
    case ErrorCode::retry_later:
    case ErrorCode::timed_out: return "It may pass: try again; if it stays, see whether the service is well";
    case ErrorCode::invalid_message:
    case ErrorCode::peer_misbehaved:
      return "See what answers at this address: a proxy or another service may stand in front of it";
    case ErrorCode::peer_unsupported: return "Use a version of the service that has it";
    case ErrorCode::limit_exceeded: return "Make it smaller";
    case ErrorCode::cancelled: return "Try again";
    case ErrorCode::internal: return "This is a defect of Sallyport: please report it";
  }
  return "";
}

}  // namespace

Error with_fix(Error error) {
  if (error.hint.empty()) error.hint = fix_of(error.code);
  return error;
}

}  // namespace sallyport::secrets
