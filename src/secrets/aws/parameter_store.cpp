// `aws-ssm:/prod/db/url`: GetParameter with decryption. NAME:3 is a version, NAME:live a label; an ARN names a parameter
// that another account shares.
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
    combined(identity_attributes, std::to_array<Attribute>({{"shape", Effect::selects}}));
constexpr std::size_t name_bytes_max = 2048;

class ParameterSession final : public FetchingSession {
 public:
  ParameterSession(Choice choice, ManagerCall call, std::string name, ShapeOptions shape)
      : FetchingSession([this] { return start(); }),
        choice_(std::move(choice)),
        call_(std::move(call)),
        name_(std::move(name)),
        shape_(std::move(shape)) {}

  [[nodiscard]] std::vector<std::string> warnings() const override {
    if (!plain_) return {};
    return {call_.where + " is stored unencrypted (type String): store it as SecureString"};
  }

 private:
  std::unique_ptr<FetchConversation> start() {
    return std::make_unique<InquiryFetch>(
        std::vector<InquiryFetch::Step>{
            [this](Inquiry& ask, Fetched&) { return keys_.refresh(ask, choice_); },
            [this](Inquiry& ask, Fetched& out) { return get(ask, out); },
        },
        call_.where);
  }

  Result<Then> get(Inquiry& ask, Fetched& out) {
    auto reply = ask_manager(ask, keys_, call_, [&] {
      JsonWriter body;
      body.text("Name", name_);
      body.flag("WithDecryption", true);
      return body.finish();
    });
    if (!reply) return std::move(reply).error();
    if (!reply->ok()) return refused(ask, *reply);
    const auto parameter = reply->web.root()["Parameter"];
    const auto value = parameter["Value"].text();
    if (value.empty())
      return wrong(ErrorCode::invalid_message, "is empty", "Store a value: aws ssm put-parameter");
    auto fetched = shape_secret(Secret::copy_of(value), shape_, call_.where);
    if (!fetched) return std::move(fetched).error();
    if (const auto version = parameter["Version"].integer())
      fetched->credential.version = std::to_string(*version);
    fetched->origin = host_of_url(reply->endpoint);
    plain_ = parameter["Type"].text() != "SecureString";
    keys_.learn_skew(reply->skew);
    out = std::move(*fetched);
    return Then::next_step;
  }

  Result<Then> refused(const Inquiry& ask, const ManagerReply& reply) {
    if (reply.keys_refused() && ask.attempt() == 0) {
      keys_.learn_skew(reply.skew);
      keys_.drop();
      return Then::all_again;
    }
    const auto region = call_.region.empty() ? keys_.settings().region : call_.region;
    if (reply.code == "ParameterVersionNotFound") {
      return wrong(
          ErrorCode::not_found, "has no such version or label",
          "See which it has: aws ssm get-parameter-history --name " + name_.substr(0, name_.rfind(':')));
    }
    if (reply.code == "ParameterNotFound") {
      return wrong(ErrorCode::not_found, "there is no such parameter in " + region,
                   "Check name, region and account (a name with parts begins with a slash): aws ssm "
                   "describe-parameters --region " +
                       region);
    }
    if (reply.code == "ValidationException") {
      return wrong(ErrorCode::bad_config, "is no parameter's name for AWS",
                   "A name with parts begins with a slash: aws-ssm:/prod/db/url");
    }
    return manager_refusal(call_, reply, keys_);
  }

  [[nodiscard]] Error wrong(ErrorCode code, std::string what, std::string hint) const {
    return {code, Hop::secret_source, call_.where, std::move(what), std::move(hint), {}};
  }

  Choice choice_;
  ManagerCall call_;
  std::string name_;
  ShapeOptions shape_;
  KeyCache keys_;
  bool plain_ = false;
};

bool is_name(std::string_view text) {
  static constexpr std::string_view marks = "/_.-:";
  return text.size() <= name_bytes_max && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                  marks.find(c) != std::string_view::npos;
         });
}

class ParameterSource final : public Source {
 public:
  [[nodiscard]] std::string_view scheme() const override { return "aws-ssm"; }
  [[nodiscard]] Attributes attributes() const override { return own_attributes; }
  [[nodiscard]] Authority authority() const override { return identity_authority(); }

  Result<std::unique_ptr<SourceSession>> open(const Reference& reference, const Purpose&) const override {
    const auto where = "aws-ssm:" + reference.locator;
    auto choice = choice_of(reference, own_attributes, where);
    if (!choice) return std::move(choice).error();
    auto shape = shape_options_of(reference);
    if (!shape) return std::move(shape).error();
    if (!is_name(reference.locator)) {
      return wrong_reference(where, "a name with characters that no parameter's has",
                             "Names have letters, digits and _.-/, behind them :VERSION or :LABEL");
    }
    if (auto taken = take_region_of_arn(reference.locator, "ssm", *choice); !taken)
      return std::move(taken).error();
    ManagerCall call{Service::ssm, "AmazonSSM.GetParameter", "ssm:GetParameter", where, choice->region};
    return std::make_unique<ParameterSession>(std::move(*choice), std::move(call), reference.locator, *shape);
  }
};

}  // namespace

std::unique_ptr<Source> aws_parameter_source() { return std::make_unique<ParameterSource>(); }

}  // namespace sallyport::secrets
