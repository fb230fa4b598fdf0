#include "cli/vault_password.h"

#include "cli/command_record.h"
#include "secrets/reference.h"
#include "secrets/source.h"

namespace sallyport::cli {

Result<Secret> fetch_password(Context& context, Errand& errand,
                              const secrets::vault::engine::Connection& connection) {
  const auto reference = secrets::parse_reference(connection.auth);
  if (!reference) return reference.error();
  const auto sources = secrets::register_all({context.allow_root_token});
  const auto* source = sources.find(reference->scheme);
  if (source == nullptr)
    return Error{
        ErrorCode::bad_config, Hop::reference, reference->scheme + ":", "is not in this version", {}, {}};
  auto session = source->open(*reference, {});
  if (!session) return std::move(session).error();
  auto outcome = errand.run((*session)->fetch());
  record_source_events(context, "vault apply", (*session)->take_events());
  Result<Secret> out = Secret{};
  if (!outcome.end) {
    out = std::move(outcome.end).error();
  } else {
    auto fetched = static_cast<secrets::FetchConversation&>(*outcome.conversation).take();
    const auto& user = fetched.credential.user;
    if (!user.empty() && user != connection.username) {
      out = Error{ErrorCode::bad_config,
                  Hop::secret_source,
                  secrets::to_string(*reference),
                  "the secret is of another user than `username` of connections." + connection.name,
                  "Correct one of them",
                  {}};
    } else {
      out = std::move(fetched.credential.secret);
    }
  }
  if (auto close = (*session)->close()) (void)errand.run(std::move(close));
  return out;
}

}  // namespace sallyport::cli
