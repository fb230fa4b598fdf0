#include "secrets/azure/chain.h"

#include "secrets/azure/provider.h"

namespace sallyport::secrets::azure {

namespace {

constexpr std::string_view advice =
    "Give the workload an identity (managed identity, workload identity), set AZURE_TENANT_ID, "
    "AZURE_CLIENT_ID and "
    "AZURE_CLIENT_SECRET, or run `az login`; `sallyport whoami azure` shows what is asked";

Offer ask_one(Provider provider, Inquiry& ask, const Settings& settings, const std::string& scope,
              Search& search) {
  switch (provider) {
    case Provider::environment: return environment_token(ask, settings, scope, search);
    case Provider::workload: return workload_token(ask, settings, scope, search);
    case Provider::managed: return managed_token(ask, settings, scope, search);
    case Provider::cli: return cli_token(ask, settings, scope, search);
  }
  return std::optional<Token>{};
}

Error nobody(const Settings& settings, const Search& search) {
  const std::string chosen = settings.chosen_by.empty() ? "" : ", as " + settings.chosen_by + " says,";
  return {search.timed_out ? ErrorCode::timed_out : ErrorCode::bad_config,
          Hop::secret_source,
          settings.where,
          "no Azure identity; asked were" + chosen + " " + list_of(search.tried),
          std::string{advice},
          {}};
}

}  // namespace

Offer nothing(Search& search, std::string_view provider, std::string reason) {
  search.tried.push_back({std::string{provider}, std::move(reason)});
  return std::optional<Token>{};
}

Error failed(const Settings& settings, Search& search, std::string_view provider, Error error) {
  search.ended_by = Tried{std::string{provider}, error.what};
  error.what = std::string{provider} + ": " + error.what;
  error.where = settings.where;
  error.hop = Hop::secret_source;
  return error;
}

Error failed(const Settings& settings, Search& search, std::string_view provider, ErrorCode code,
             std::string what, std::string hint) {
  return failed(settings, search, provider,
                {code, Hop::secret_source, settings.where, std::move(what), std::move(hint), {}});
}

Token named(Token token, Provider provider, std::string name, std::string origin) {
  token.provider = provider;
  token.provider_name = std::move(name);
  token.origin = std::move(origin);
  const auto life = token.expires - token.received;
  if (provider == Provider::managed && life > long_life && !token.refresh_at)
    token.refresh_at = token.received + life / 2;
  return token;
}

Result<Token> find_token(Inquiry& ask, const Settings& settings, const std::string& scope, Search& search) {
  for (const auto provider : settings.providers) {
    if (search.winner && settings.has(*search.winner) && provider != *search.winner) continue;
    auto offer = ask_one(provider, ask, settings, scope, search);
    if (!offer) {
      auto error = std::move(offer).error();
      if (!search.tried.empty()) error.what += "; before it: " + list_of(search.tried);
      return error;
    }
    if (*offer) return std::move(**offer);
  }
  return nobody(settings, search);
}

}  // namespace sallyport::secrets::azure
