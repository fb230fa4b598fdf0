// `aws-sm:NAME` or `aws-sm:ARN`. GetSecretValue, by default of the version that AWSCURRENT labels.
//
// A rotation changes the password in the database first and moves the label afterwards: in between only AWSPENDING works.
// So when the database has refused the current version, and it is still the current one, the pending one is tried; from
// then on it is what a fetch gives, until the label has moved or the database refuses it.
#include "base/ascii.h"
#include "crypto/hash.h"
#include "secrets/attributes.h"
#include "secrets/aws/arn.h"
#include "secrets/aws/aws.h"
#include "secrets/aws/common.h"
#include "secrets/aws/manager.h"
#include "secrets/fetching_session.h"
#include "secrets/json_writer.h"
#include "secrets/shape.h"

#include <algorithm>
#include <array>

namespace sallyport::secrets {

namespace {

using namespace aws;

constexpr auto own_attributes =
    combined(identity_attributes,
             std::to_array<Attribute>(
                 {{"stage", Effect::selects}, {"version", Effect::selects}, {"shape", Effect::selects}}));
constexpr std::string_view current_stage = "AWSCURRENT";
constexpr std::string_view pending_stage = "AWSPENDING";
constexpr std::size_t name_bytes_max = 2048;

struct Wanted {
  std::string id;  ///< name or ARN
  std::string stage;
  std::string version;
  ShapeOptions shape;

  [[nodiscard]] bool pinned() const { return !stage.empty() || !version.empty(); }
};

Error wrong_value(const ManagerCall& call, ErrorCode code, std::string what, std::string hint) {
  return {code, Hop::secret_source, call.where, std::move(what), std::move(hint), {}};
}

/// What no password is: control characters, but for the white space of a text.
bool is_text(std::string_view bytes) {
  return std::all_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte >= 0x20 && byte != 0x7F) || c == '\n' || c == '\r' || c == '\t';
  });
}

Result<Secret> value_in(const ManagerCall& call, JsonView root) {
  const auto text = root["SecretString"];
  const auto binary = root["SecretBinary"];
  if (text.kind() == JsonView::Kind::string && !text.text().empty()) return Secret::copy_of(text.text());
  if (binary.kind() != JsonView::Kind::string || binary.text().empty()) {
    return wrong_value(call, ErrorCode::invalid_message, "is empty",
                       "Store a value: aws secretsmanager put-secret-value");
  }
  auto bytes = crypto::base64_decode(binary.text(), call.where);
  if (!bytes) return wrong_value(call, ErrorCode::invalid_message, "SecretBinary is no base64", {});
  auto secret = Secret::copy_of(Bytes{*bytes});
  wipe_memory(bytes->data(), bytes->size());
  if (is_text(secret.reveal())) return secret;
  return wrong_value(
      call, ErrorCode::invalid_message,
      "is binary: " + std::to_string(secret.size()) + " bytes that are no text, and a password is one",
      "Store it as SecretString");
}

class SecretsManagerSession final : public FetchingSession {
 public:
  SecretsManagerSession(Choice choice, ManagerCall call, Wanted wanted)
      : FetchingSession([this] { return start(); }),
        choice_(std::move(choice)),
        call_(std::move(call)),
        wanted_(std::move(wanted)) {}

  void on_refused() override { refused_ = true; }

  std::unique_ptr<FetchConversation> fetch_pending() override {
    if (wanted_.pinned() || given_.empty()) return nullptr;
    return steps([this](Inquiry& ask, Fetched& out) { return pending(ask, out); });
  }

 private:
  /// The current version was refused; the pending one is given in its place.
  struct Held {
    std::string refused_version;
  };

  std::unique_ptr<FetchConversation> start() {
    if (std::exchange(refused_, false)) held_.reset();
    return steps([this](Inquiry& ask, Fetched& out) { return current(ask, out); });
  }

  std::unique_ptr<FetchConversation> steps(InquiryFetch::Step last) {
    return std::make_unique<InquiryFetch>(
        std::vector<InquiryFetch::Step>{
            [this](Inquiry& ask, Fetched&) { return keys_.refresh(ask, choice_); },
            std::move(last),
        },
        call_.where);
  }

  Result<ManagerReply> version_of(Inquiry& ask, std::string_view stage, std::string_view version) {
    return ask_manager(ask, keys_, call_, [&] {
      JsonWriter body;
      body.text("SecretId", wanted_.id);
      if (!version.empty()) body.text("VersionId", version);
      if (!stage.empty()) body.text("VersionStage", stage);
      return body.finish();
    });
  }

  Result<Then> current(Inquiry& ask, Fetched& out) {
    auto reply =
        version_of(ask, wanted_.pinned() ? std::string_view{wanted_.stage} : current_stage, wanted_.version);
    if (!reply) return std::move(reply).error();
    if (!reply->ok()) return refused(ask, *reply);
    const std::string version{reply->web.root()["VersionId"].text()};
    std::optional<ManagerReply> next;
    if (held_ && held_->refused_version == version) {
      auto pending = version_of(ask, pending_stage, {});
      if (!pending) return std::move(pending).error();
      if (pending->ok()) next.emplace(std::move(*pending));
    }
    auto fetched = shaped(next ? *next : *reply);
    if (!fetched) return std::move(fetched).error();
    if (!next) held_.reset();
    given_ = version;
    keys_.learn_skew(reply->skew);
    out = std::move(*fetched);
    return Then::next_step;
  }

  Result<Then> pending(Inquiry& ask, Fetched& out) {
    auto reply = version_of(ask, pending_stage, {});
    if (!reply) return std::move(reply).error();
    if (!reply->ok()) return refused(ask, *reply);
    if (reply->web.root()["VersionId"].text() == given_) {
      return wrong_value(call_, ErrorCode::not_found, "its pending version is the current one", {});
    }
    auto fetched = shaped(*reply);
    if (!fetched) return std::move(fetched).error();
    held_.emplace(Held{given_});
    refused_ = false;  // that was of the version before
    keys_.learn_skew(reply->skew);
    out = std::move(*fetched);
    return Then::next_step;
  }

  [[nodiscard]] Result<Fetched> shaped(const ManagerReply& reply) const {
    const auto root = reply.web.root();
    auto value = value_in(call_, root);
    if (!value) return std::move(value).error();
    auto fetched = shape_secret(*value, wanted_.shape, call_.where);
    if (!fetched) return std::move(fetched).error();
    fetched->credential.version = shown_code(root["VersionId"].text());
    fetched->origin = host_of_url(reply.endpoint);
    return fetched;
  }

  Result<Then> refused(const Inquiry& ask, const ManagerReply& reply) {
    if (reply.keys_refused() && ask.attempt() == 0) {
      keys_.learn_skew(reply.skew);
      keys_.drop();
      return Then::all_again;
    }
    const auto id = wanted_.id;
    const auto message = to_lower(reply.message());
    if (reply.code == "ResourceNotFoundException") return absent(message);
    if (reply.code == "InvalidRequestException" && message.find("delet") != std::string::npos) {
      return wrong_value(call_, ErrorCode::not_found, "is scheduled for deletion",
                         "If it is still needed: aws secretsmanager restore-secret --secret-id " + id);
    }
    return manager_refusal(call_, reply, keys_);
  }

  [[nodiscard]] Error absent(const std::string& message) const {
    const auto list = "aws secretsmanager list-secret-version-ids --secret-id " + wanted_.id;
    const bool version_only = message.find("secret value") != std::string::npos;
    const auto version = wanted_.version.empty() ? "stage " + wanted_.stage : "version " + wanted_.version;
    if (wanted_.pinned()) {
      return wrong_value(
          call_, ErrorCode::not_found,
          version_only ? "has no " + version : "there is no such secret, or it has no " + version,
          "See which it has: " + list);
    }
    if (version_only) {
      return wrong_value(call_, ErrorCode::not_found, "has no value: no version is AWSCURRENT",
                         "Store one: aws secretsmanager put-secret-value --secret-id " + wanted_.id);
    }
    return wrong_value(
        call_, ErrorCode::not_found, "there is no such secret in " + region(),
        "Check name, region and account: aws secretsmanager list-secrets --region " + region());
  }

  [[nodiscard]] const std::string& region() const {
    return call_.region.empty() ? keys_.settings().region : call_.region;
  }

  Choice choice_;
  ManagerCall call_;
  Wanted wanted_;
  KeyCache keys_;
  std::string given_;  ///< the version that was the current one at the last fetch
  std::optional<Held> held_;
  bool refused_ = false;
};

/// Names as AWS allows them; an ARN adds colons.
bool is_name(std::string_view text) {
  static constexpr std::string_view marks = "/_+=.@-:";
  return text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  marks.find(c) != std::string_view::npos;
         });
}

class SecretsManagerSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "aws-sm"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return identity_authority(); }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    const auto where = "aws-sm:" + reference.locator;
    auto choice = choice_of(reference, own_attributes, where);
    if (!choice) return std::move(choice).error();
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    if (!is_name(reference.locator)) {
      return wrong_reference(where, "a name with characters that no secret's has",
                             "Names have letters, digits and /_+=.@-");
    }
    if (auto taken = take_region_of_arn(reference.locator, "secretsmanager", *choice); !taken)
      return std::move(taken).error();
    ManagerCall call{Service::secretsmanager, "secretsmanager.GetSecretValue",
                     "secretsmanager:GetSecretValue", where, choice->region};
    Wanted wanted{reference.locator, attribute_of(reference, "stage"), attribute_of(reference, "version"),
                  *shape};
    return std::make_unique<SecretsManagerSession>(std::move(*choice), std::move(call), std::move(wanted));
  }
};

}  // namespace

std::unique_ptr<Source> aws_secrets_manager_source() { return std::make_unique<SecretsManagerSource>(); }

}  // namespace sallyport::secrets
