#include "secrets/gcp/connector.h"

#include "secrets/fetching_session.h"
#include "secrets/gcp/connector_state.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

bool serves(const Kept& kept, const Instance& instance, Moment now) {
  return kept.instance == instance && now.mono < kept.stale_at && now.wall < kept.expires;
}

/// Where the name leads now. Once that is known, a look-up that fails changes nothing.
Result<Then> find_instance(Inquiry& ask, Connector& state, Fetched& out) {
  state.settled = false;
  if (state.domain.empty()) return Then::next_step;
  auto found = look_up_instance(ask, state.domain);
  if (!found && state.instance.name.empty()) return std::move(found).error();
  state.warning.clear();
  if (!found) {
    state.warning =
        state.domain + ": " + found.error().what + "; the instance that it named last stays in use";
  } else if (state.kept && !(state.kept->instance == *found)) {
    state.warning = state.domain + " names another instance now: " + found->connection_name() + " and not " +
                    state.kept->instance.connection_name();
  }
  if (found) state.instance = std::move(*found);
  state.settled = state.kept && serves(*state.kept, state.instance, ask.now());
  if (state.settled) yield(state, ask.now(), out);
  return Then::next_step;
}

/// The control plane's quota is small: a refresh that comes too soon waits.
Result<Then> take_turn(Inquiry& ask, Connector& state, Fetched&) {
  const auto wait = state.limiter.wait_at(ask.now().mono);
  if (wait > Duration::zero()) ask.wait(wait);
  state.limiter.take(ask.now().mono);
  state.begun = ask.now().mono;
  if (ask.attempt() == 0) state.login.drop();  // one that is kept would cut the certificate's life short
  return Then::next_step;
}

template <TokenCache Connector::*cache>
Result<Then> ask_for_tokens(Inquiry& ask, Connector& state, Fetched&) {
  return (state.*cache).refresh(ask, state.context);
}

Service service_of(const Instance& instance, const Reference& reference) {
  Service out;
  out.host = instance.alloydb ? "alloydb" : "sqladmin";
  out.variable =
      instance.alloydb ? "CLOUDSDK_API_ENDPOINT_OVERRIDES_ALLOYDB" : "CLOUDSDK_API_ENDPOINT_OVERRIDES_SQL";
  out.endpoint = attribute_of(reference, "endpoint");
  out.title = instance.alloydb ? "AlloyDB" : "Cloud SQL";
  out.api = instance.alloydb ? "alloydb.googleapis.com" : "sqladmin.googleapis.com";
  return out;
}

class ConnectorSession final : public FetchingSession {
 public:
  explicit ConnectorSession(const std::shared_ptr<Connector>& state)
      : FetchingSession([state] { return fetch_of(state); }), state_(state) {}

  void on_refused() override { state_->kept.reset(); }
  [[nodiscard]] std::vector<std::string> warnings() const override {
    return state_->warning.empty() ? std::vector<std::string>{} : std::vector{state_->warning};
  }

 private:
  using Refresh = Result<Then> (*)(Inquiry&, Connector&, Fetched&);

  static std::unique_ptr<FetchConversation> fetch_of(const std::shared_ptr<Connector>& state) {
    std::vector<InquiryFetch::Step> steps;
    steps.emplace_back([state](Inquiry& ask, Fetched& out) { return find_instance(ask, *state, out); });
    for (const Refresh step : {Refresh{take_turn}, Refresh{ask_for_tokens<&Connector::admin>},
                               Refresh{ask_for_tokens<&Connector::login>}, Refresh{refresh}}) {
      steps.emplace_back([state, step](Inquiry& ask, Fetched& out) {
        return state->settled ? Result<Then>{Then::next_step} : step(ask, *state, out);
      });
    }
    return std::make_unique<InquiryFetch>(std::move(steps), state->context.where);
  }

  std::shared_ptr<Connector> state_;
};

}  // namespace

Result<std::unique_ptr<SourceSession>> connector_session(const Reference& reference, Context context,
                                                         const Purpose& purpose) {
  const auto named = attribute_of(reference, "instance");
  auto domain = domain_in(named);
  auto instance = domain.empty() ? parse_instance(named) : Result<Instance>{Instance{}};
  if (!instance) return std::move(instance).error();
  auto ip = parse_ip_type(attribute_of(reference, "ip_type"));
  if (!ip) return std::move(ip).error();
  const bool alloydb = instance->alloydb;
  if (alloydb && purpose.engine == "mysql")
    return wrong_attribute("instance", "AlloyDB is PostgreSQL", "Write engine=postgresql");
  auto service = service_of(*instance, reference);
  return std::make_unique<ConnectorSession>(std::make_shared<Connector>(
      Connector{std::move(context), std::move(service), std::move(domain), std::move(*instance), *ip,
                purpose.user, purpose.engine, TokenCache{alloydb ? cloud_platform_scope : sql_admin_scope},
                TokenCache{alloydb ? alloydb_login_scope : sql_login_scope}}));
}

}  // namespace sallyport::secrets::gcp
