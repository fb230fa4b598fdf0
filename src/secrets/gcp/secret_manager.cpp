// `gcp-sm:`. One request: a version's payload, with the checksum that the server computed when it was stored.
#include "base/limits.h"
#include "crypto/crc32c.h"
#include "crypto/hash.h"
#include "secrets/fetching_session.h"
#include "secrets/gcp/gcp.h"
#include "secrets/gcp/service.h"
#include "secrets/shape.h"

#include <algorithm>

namespace sallyport::secrets {

namespace gcp {

namespace {

constexpr auto own_attributes =
    combined(identity_attributes, std::to_array<Attribute>({{"shape", Effect::selects}}));
constexpr const char* form =
    "Write gcp-sm:projects/PROJECT/secrets/NAME[/versions/VERSION], or with /locations/LOCATION behind the "
    "project";

/// What a locator names.
struct Version {
  std::string project;
  std::string location;  ///< empty: global
  std::string secret;
  std::string version = "latest";

  [[nodiscard]] std::string path() const {
    return "/v1/projects/" + encoded_part(project) + (location.empty() ? "" : "/locations/" + location) +
           "/secrets/" + secret + "/versions/" + version + ":access";
  }
};

bool is_made_of(std::string_view text, std::string_view also, std::size_t size_max) {
  return !text.empty() && text.size() <= size_max && std::ranges::all_of(text, [&](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           also.find(c) != std::string_view::npos;
  });
}

Error wrong_locator(const Reference& reference, std::string what) {
  return {ErrorCode::bad_config, Hop::reference, "gcp-sm:" + reference.locator, std::move(what), form, {}};
}

std::vector<std::string_view> parts_of(std::string_view locator) {
  std::vector<std::string_view> out;
  while (true) {
    const auto slash = locator.find('/');
    out.push_back(locator.substr(0, slash));
    if (slash == std::string_view::npos) return out;
    locator.remove_prefix(slash + 1);
  }
}

Result<Version> parse_locator(const Reference& reference) {
  const auto parts = parts_of(reference.locator);
  Version out;
  std::string names;
  for (std::size_t i = 0; i + 1 < parts.size(); i += 2) names += std::string{parts[i]} + "/";
  const bool known = names == "projects/secrets/" || names == "projects/secrets/versions/" ||
                     names == "projects/locations/secrets/" ||
                     names == "projects/locations/secrets/versions/";
  if (parts.size() % 2 != 0 || !known) return wrong_locator(reference, "is no name of a secret");
  for (std::size_t i = 0; i < parts.size(); i += 2) {
    auto& wanted = parts[i] == "projects"    ? out.project
                   : parts[i] == "locations" ? out.location
                   : parts[i] == "secrets"   ? out.secret
                                             : out.version;
    wanted = parts[i + 1];
  }
  if (!is_project(out.project)) return wrong_locator(reference, "the project's name is none");
  if (!out.location.empty() && !is_made_of(out.location, "-", 63))
    return wrong_locator(reference, "the location's name is none");
  if (!is_made_of(out.secret, "-_", 255)) return wrong_locator(reference, "the secret's name is none");
  if (!is_made_of(out.version, "-_", 63))
    return wrong_locator(reference, "the version is neither a number, latest nor an alias");
  return out;
}

struct State {
  Context context;
  Service service;
  Version wanted;
  ShapeOptions shape;
  TokenCache tokens{cloud_platform_scope};
};

std::string command(const State& state, const std::string& verb) {
  return "gcloud secrets " + verb + " --project " + state.wanted.project +
         (state.wanted.location.empty() ? "" : " --location " + state.wanted.location);
}

/// Why a version cannot be read though it exists, by the state that the message names.
Error not_readable(const State& state, const WebReply& reply) {
  const auto message = reply.root()["error"]["message"].text();
  const auto& wanted = state.wanted;
  const std::string version = "version " + wanted.version + " of " + wanted.secret;
  const auto says = [&](std::string_view word) { return message.find(word) != std::string_view::npos; };
  if (says("DISABLED") || says("disabled")) {
    return fault(state.context, ErrorCode::denied, "Secret Manager: " + version + " is disabled",
                 "Run " + command(state, "versions list " + wanted.secret) +
                     ", and name one that is enabled, or enable it: gcloud secrets versions enable");
  }
  if (says("DESTROYED") || says("destroyed")) {
    return fault(state.context, ErrorCode::not_found, "Secret Manager: " + version + " is destroyed",
                 "Add a new one: " + command(state, "versions add " + wanted.secret + " --data-file=-"));
  }
  return fault(state.context, ErrorCode::bad_config,
               "Secret Manager: " + status_text(reply) + " for " + version,
               "Run " + command(state, "versions list " + wanted.secret));
}

Error refused(const State& state, const WebReply& reply) {
  const auto& wanted = state.wanted;
  if (reply.status == 400) return not_readable(state, reply);
  return refusal(
      state.context, state.service, state.tokens, reply,
      {"roles/secretmanager.secretAccessor", command(state, "add-iam-policy-binding " + wanted.secret),
       wanted.project,
       "there is no secret " + wanted.secret + " in the project " + wanted.project +
           (wanted.version == "latest" ? ", or it has no version" : ", or no version " + wanted.version),
       "Run " + command(state, "list") + ", and " + command(state, "versions list " + wanted.secret)});
}

/// The number at the end of the version's whole name, also when `latest` or an alias was asked for.
std::string number_of(std::string_view name) {
  const auto number = name.substr(name.rfind('/') + 1);
  return is_made_of(number, "", 20) ? std::string{number} : std::string{};
}

Result<Secret> payload_of(const State& state, const WebReply& reply) {
  const auto payload = reply.root()["payload"];
  const auto encoded = payload["data"];
  if (encoded.kind() != JsonView::Kind::string) {
    return fault(state.context, ErrorCode::invalid_message, "Secret Manager: the reply has no payload.data");
  }
  auto decoded = crypto::base64_decode(encoded.text(), "payload.data");
  if (!decoded)
    return fault(state.context, ErrorCode::invalid_message, "Secret Manager: payload.data is no base64");
  auto secret = Secret::copy_of(Bytes{*decoded});
  wipe_memory(decoded->data(), decoded->size());
  const auto sum = payload["dataCrc32c"];
  if (sum.present() &&
      sum.integer() != static_cast<std::int64_t>(crypto::crc32c(as_bytes(secret.reveal())))) {
    return fault(state.context, ErrorCode::invalid_message,
                 "Secret Manager: the payload does not have its checksum (dataCrc32c)",
                 "It was damaged on its way or in store: ask again, then look at the stored version");
  }
  if (secret.size() > limits::secret_bytes_max)
    return fault(state.context, ErrorCode::limit_exceeded,
                 "Secret Manager: the secret is longer than 65536 bytes");
  if (secret.empty())
    return fault(state.context, ErrorCode::not_found, "Secret Manager: the version is empty");
  return secret;
}

Result<Then> access(Inquiry& ask, State& state, Fetched& out) {
  auto reply = call(ask, state.context, state.service, state.tokens, {"GET", state.wanted.path()});
  if (!reply) return std::move(reply).error();
  if (reply->status == 401 && ask.attempt() == 0) {
    state.tokens.drop();
    return Then::all_again;
  }
  if (!reply->success()) return refused(state, *reply);
  auto secret = payload_of(state, *reply);
  if (!secret) return std::move(secret).error();
  auto shaped = shape_secret(*secret, state.shape, state.context.where);
  if (!shaped) return std::move(shaped).error();
  out = std::move(*shaped);
  out.credential.version = number_of(reply->root()["name"].text());
  out.origin = "Secret Manager";
  return Then::next_step;
}

class SecretManagerSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "gcp-sm"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override {
    return {identity_variables(), identity_files(), {"$CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE"}};
  }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    if (auto checked = check_attributes(reference, own_attributes); !checked)
      return std::move(checked).error();
    auto wanted = parse_locator(reference);
    if (!wanted) return std::move(wanted).error();
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    auto context = context_of(reference, "gcp-sm:" + reference.locator);
    if (!context) return std::move(context).error();
    Service service;
    service.host = wanted->location.empty() ? "secretmanager" : "secretmanager." + wanted->location + ".rep";
    service.variable = "CLOUDSDK_API_ENDPOINT_OVERRIDES_SECRETMANAGER";
    service.endpoint = attribute_of(reference, "endpoint");
    service.title = "Secret Manager";
    service.api = "secretmanager.googleapis.com";
    auto state = std::make_shared<State>(
        State{std::move(*context), std::move(service), std::move(*wanted), std::move(*shape)});
    return std::make_unique<FetchingSession>([state] {
      return std::make_unique<InquiryFetch>(
          std::vector<InquiryFetch::Step>{
              [state](Inquiry& ask, Fetched&) { return state->tokens.refresh(ask, state->context); },
              [state](Inquiry& ask, Fetched& out) { return access(ask, *state, out); }},
          state->context.where);
    });
  }
};

}  // namespace

}  // namespace gcp

std::unique_ptr<Source> gcp_secret_manager_source() { return std::make_unique<gcp::SecretManagerSource>(); }

}  // namespace sallyport::secrets
