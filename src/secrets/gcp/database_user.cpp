#include "secrets/gcp/database_user.h"

namespace sallyport::secrets::gcp {

std::string database_user(std::string_view email, std::string_view engine) {
  if (engine == "mysql") return std::string{email.substr(0, email.find('@'))};
  constexpr std::string_view suffix = ".gserviceaccount.com";
  if (email.ends_with(suffix)) email.remove_suffix(suffix.size());
  return std::string{email};
}

Result<std::string> login_user(const Context& context, const Identity& identity, const std::string& wanted,
                               std::string_view engine) {
  if (!wanted.empty()) return wanted;
  if (!identity.email.empty()) return database_user(identity.email, engine);
  return fault(context, ErrorCode::bad_config,
               "the identity (" + identity.provider +
                   ") does not say its e-mail address, which is the database's user",
               "Say user=NAME, as the database knows it: gcloud sql users list --instance NAME");
}

}  // namespace sallyport::secrets::gcp
