#include "secrets/gcp/service.h"

namespace sallyport::secrets::gcp {

namespace {

struct Address {
  std::string base;  ///< without a slash at the end
  std::string named_by;
};

Result<Address> address_of(Inquiry& ask, const Service& service, const TokenCache& tokens) {
  auto said = ask.text(service.variable);
  if (!said) return std::move(said).error();
  Address out{service.endpoint, "the attribute endpoint"};
  if (out.base.empty()) out = {*said, std::string{service.variable}};
  if (out.base.empty())
    out = {"https://" + service.host + "." + tokens.identity().universe, std::string{service.title}};
  while (out.base.ends_with('/')) out.base.pop_back();
  return out;
}

std::string member_of(const TokenCache& tokens) {
  const auto& identity = tokens.identity();
  if (identity.email.empty()) return "PRINCIPAL";
  return (identity.is_person ? "user:" : "serviceAccount:") + identity.email;
}

Error forbidden(const Context& context, const Service& service, const TokenCache& tokens,
                const WebReply& reply, const Permission& permission) {
  const auto reason = reason_of(reply);
  const std::string title{service.title};
  if (reason == "SERVICE_DISABLED") {
    return fault(
        context, ErrorCode::denied, title + " is not enabled in the project (" + status_text(reply) + ")",
        "Run gcloud services enable " + std::string{service.api} + " --project " + permission.project);
  }
  if (reason == "ACCESS_TOKEN_SCOPE_INSUFFICIENT") {
    return fault(context, ErrorCode::denied,
                 title + ": the token of " + tokens.identity().provider + " has too narrow a scope",
                 "Give the machine the scope cloud-platform, or log in again with it: gcloud auth "
                 "application-default login");
  }
  const auto who = tokens.identity().email.empty() ? tokens.identity().provider : tokens.identity().email;
  return fault(context, ErrorCode::denied, title + " does not let " + who + " do that: " + status_text(reply),
               "Run " + permission.command + " --member " + member_of(tokens) + " --role " + permission.role);
}

}  // namespace

Result<WebReply> call(Inquiry& ask, const Context& context, const Service& service, const TokenCache& tokens,
                      const ServiceCall& one) {
  auto address = address_of(ask, service, tokens);
  if (!address) return std::move(address).error();
  auto request = request_to(ask, context, one.method, address->base + one.path, address->named_by);
  if (!request) return std::move(request).error();
  request->headers.push_back(bearer(tokens.token().value));
  request->headers.push_back(web_header("Accept", "application/json"));
  if (!tokens.identity().quota_project.empty())
    request->headers.push_back(web_header("x-goog-user-project", tokens.identity().quota_project));
  if (!one.body.empty()) {
    request->headers.push_back(web_header("Content-Type", "application/json"));
    request->body = one.body.clone();
  }
  return ask_web(
      ask, [&](Moment) { return copy_of(*request); }, one.rule.value_or(retry_rule()), context.where);
}

Error refusal(const Context& context, const Service& service, const TokenCache& tokens, const WebReply& reply,
              const Permission& permission) {
  const std::string title{service.title};
  switch (reply.status) {
    case 401:
      return fault(context, ErrorCode::denied,
                   title + " does not take the token of " + tokens.identity().provider + ": " +
                       status_text(reply) + clock_note(reply),
                   "Look whether the credentials are of this cloud, and the clock right");
    case 403: return forbidden(context, service, tokens, reply, permission);
    case 404:
      return fault(context, ErrorCode::not_found, title + ": " + permission.not_found,
                   permission.not_found_fix);
    case 429:
      return fault(context, ErrorCode::retry_later, title + " is over its quota: " + status_text(reply),
                   "Wait, or raise the quota of the project");
    default:
      return fault(context, code_of_status(reply.status),
                   title + ": " + status_text(reply) + clock_note(reply));
  }
}

std::string encoded_part(std::string_view text) {
  static constexpr std::string_view digits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       std::string_view{"-._~"}.find(c) != std::string_view::npos;
    const auto byte = static_cast<unsigned char>(c);
    if (plain) {
      out.push_back(c);
    } else {
      out += {'%', digits[byte >> 4], digits[byte & 15U]};
    }
  }
  return out;
}

Result<Context> context_of(const Reference& reference, std::string where) {
  auto readable = flag_of(reference, "allow_world_readable");
  if (!readable) return std::move(readable).error();
  return Context{std::move(where), attribute_of(reference, "insecure_reason"), *readable};
}

}  // namespace sallyport::secrets::gcp
