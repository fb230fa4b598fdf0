// What a refusal of the API server means. Its own message is not shown: it repeats what was asked, and we know that.
#include "secrets/kubernetes/api.h"

namespace sallyport::secrets::kubernetes {

namespace {

/// The rule and the binding that are missing, and the commands that make both.
std::string rules_for(const Options& options, const Claims& claims) {
  const auto account = claims.account.empty() ? std::string{"ACCOUNT"} : claims.account;
  const auto home = claims.name_space.empty() ? std::string{"NAMESPACE"} : claims.name_space;
  const auto& space = options.name_space;
  const auto role = "read-" + options.name;
  return "Add to a Role in namespace " + space +
         ": rules: [{apiGroups: [\"\"], resources: [secrets], resourceNames: [" + options.name +
         "], verbs: [get]}], and a RoleBinding to it with subjects: [{kind: ServiceAccount, name: " +
         account + ", namespace: " + home + "}]. Or run: kubectl -n " + space + " create role " + role +
         " --verb=get --resource=secrets --resource-name=" + options.name + " && kubectl -n " + space +
         " create rolebinding " + role + "-" + account + " --role=" + role + " --serviceaccount=" + home +
         ":" + account;
}

std::string who(const Claims& claims) {
  return claims.subject.empty() ? "the token's owner" : claims.subject;
}

}  // namespace

Error meaning_of(const WebReply& reply, const Claims& claims, const Options& options, WallTime now) {
  Error error{ErrorCode::peer_misbehaved, Hop::secret_source, options.where(), {}, {}, {}};
  switch (reply.status) {
    case 401:
      error.code = ErrorCode::denied;
      error.what = "the API server does not accept the token (401)";
      if (claims.expires && *claims.expires <= now) {
        error.what += ", which expired at " + format_utc(*claims.expires);
        error.hint =
            "The kubelet replaces it before that: check that the file is its mount and no copy of one";
      } else {
        error.hint = "Check that the token is of this cluster, and its audience the API server";
      }
      return error;
    case 403:
      error.code = ErrorCode::denied;
      error.what = who(claims) + " may not read this Secret (403)";
      error.hint = rules_for(options, claims);
      return error;
    case 404:
      error.code = ErrorCode::not_found;
      error.what = "there is no Secret \"" + options.name + "\" in namespace " + options.name_space;
      error.hint = "Check both names: kubectl -n " + options.name_space + " get secrets";
      return error;
    case 429:
      error.code = ErrorCode::retry_later;
      error.what = "the API server has too many requests (429)";
      return error;
    default: break;
  }
  const auto reason = shown_code(reply.root()["reason"].text());
  error.what = "the API server answered with status " + std::to_string(reply.status) +
               (reason.empty() ? std::string{} : " (" + reason + ")");
  if (reply.status >= 500) {
    error.code = ErrorCode::retry_later;
    error.hint = "Ask again later; its log has the reason";
  } else {
    error.hint = "Check that the address is an API server's";
  }
  return error;
}

}  // namespace sallyport::secrets::kubernetes
