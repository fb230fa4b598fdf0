#include "cli/errand.h"

#include <optional>
#include <utility>

namespace sallyport::cli {

net::HttpSettings http_settings_of(const std::shared_ptr<const Environment>& environment,
                                   const std::string& version) {
  auto settings =
      net::http_settings_from([environment](const std::string& name) -> std::optional<std::string> {
        if (!environment->has(name)) return std::nullopt;
        return environment->plain(name);
      });
  settings.version = version;
  return settings;
}

Result<std::unique_ptr<Errand>> Errand::prepare(Context& context, bool programs) {
  std::shared_ptr<net::Helper> helper;
  if (programs) {
    auto forked = net::Helper::fork_now();
    if (!forked) return std::move(forked).error();
    helper = std::move(*forked);
  }
  return std::unique_ptr<Errand>{new Errand{context, std::move(helper)}};
}

Errand::Errand(Context& context, std::shared_ptr<net::Helper> helper) : loop_(context.clock) {
  const auto environment = context.environment;
  driver_ = std::make_unique<net::Driver>(net::DriverServices{
      loop_, context.clock, context.randomness, dns_lane_, http_lane_, file_lane_, helper_lane_,
      std::make_shared<net::HttpClient>(http_settings_of(environment, context.version)), std::move(helper),
      [environment](const std::string& name) { return environment->secret(name); }});
}

Errand::Outcome Errand::run(std::unique_ptr<Conversation> conversation, Duration deadline) {
  std::vector<std::unique_ptr<Conversation>> one;
  one.push_back(std::move(conversation));
  return std::move(run_all(std::move(one), deadline).front());
}

std::vector<Errand::Outcome> Errand::run_all(std::vector<std::unique_ptr<Conversation>> conversations,
                                             Duration deadline) {
  std::vector<Outcome> outcomes(conversations.size());
  auto left = conversations.size();
  for (std::size_t i = 0; i < conversations.size(); ++i) {
    driver_->run(std::move(conversations[i]), deadline, [this, i, &outcomes, &left](net::RunResult result) {
      outcomes[i] = {std::move(result.outcome), std::move(result.conversation)};
      if (--left == 0) loop_.stop();
    });
  }
  if (left > 0) loop_.run();
  return outcomes;
}

}  // namespace sallyport::cli
