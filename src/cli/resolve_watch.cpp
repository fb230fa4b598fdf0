#include "cli/resolve_watch.h"

#include "cli/command_record.h"
#include "cli/loop_ports.h"
#include "cli/resolved_form.h"
#include "credentials/slot.h"
#include "net/fd.h"
#include "trail/text.h"

#include <sys/signalfd.h>
#include <unistd.h>
#include <nlohmann/json.hpp>

#include <csignal>
#include <cstdio>

namespace sallyport::cli {

namespace {

constexpr auto poll_every = std::chrono::seconds{3};
constexpr auto shutdown_limit = std::chrono::seconds{10};

class Teller final : public credentials::Observer {
 public:
  Teller(Context& context, std::string reference) : context_(context), reference_(std::move(reference)) {}

  void on_new_generation(credentials::GenerationPtr generation) override {
    const auto& credential = *generation->credential;
    nlohmann::ordered_json line{{"at", format_utc(context_.clock.now().wall)},
                                {"reference", reference_},
                                {"change", generation->number},
                                {"kind", kind_of(credential)}};
    const auto add = [&](const char* name, const std::string& value) {
      if (!value.empty()) line[name] = value;
    };
    add("user", trail::printable(credential.user));
    add("version", trail::printable(credential.version));
    if (credential.lease) add("lease_id", trail::printable(credential.lease->id));
    if (credential.expires) add("expires", format_utc(*credential.expires));
    say(line);
  }
  void on_generation_gone(credentials::GenerationPtr generation) override {
    say({{"at", format_utc(context_.clock.now().wall)},
         {"reference", reference_},
         {"gone", generation->number}});
  }
  void on_warning(const std::string& text) override { context_.logger.write(LogLevel::warning, text, {}); }
  void on_security_event(const credentials::SecurityEvent& event) override {
    context_.logger.write(LogLevel::error, event.text, {{"event", name_of(event.kind)}});
    if (event.kind != credentials::SecurityEvent::Kind::unwrap_failed) return;
    record_source_events(context_, "resolve --watch",
                         {{secrets::SourceEvent::Kind::unwrap_failed, event.text}});
  }

 private:
  void say(const nlohmann::ordered_json& line) const {
    if (context_.format == "json") {
      std::puts(line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
    } else {
      std::string text;
      for (const auto& [name, value] : line.items()) {
        if (name == "reference") continue;
        const auto shown = value.is_string() ? value.get<std::string>() : value.dump();
        text += (text.empty() ? "" : "  ") + (name == "at" ? shown : name + " " + shown);
      }
      std::puts(text.c_str());
    }
    std::fflush(stdout);
  }

  Context& context_;
  std::string reference_;
};

/// Stops a loop when somebody asks us to end.
class EndOnSignal final : public net::FdHandler {
 public:
  EndOnSignal(net::EpollLoop& loop, std::function<void()> ended) : loop_(loop), ended_(std::move(ended)) {
    sigset_t wanted;
    sigemptyset(&wanted);
    for (const int number : {SIGINT, SIGTERM, SIGHUP}) sigaddset(&wanted, number);
    pthread_sigmask(SIG_BLOCK, &wanted, nullptr);
    fd_ = net::UniqueFd{signalfd(-1, &wanted, SFD_CLOEXEC | SFD_NONBLOCK)};
    watch_ = loop_.watch(fd_.get(), *this);
  }
  ~EndOnSignal() { loop_.unwatch(fd_.get(), watch_); }
  EndOnSignal(const EndOnSignal&) = delete;
  EndOnSignal& operator=(const EndOnSignal&) = delete;

  void on_ready(std::uint32_t) override {
    signalfd_siginfo info;
    while (read(fd_.get(), &info, sizeof info) == sizeof info) {}
    ended_();
  }

 private:
  net::EpollLoop& loop_;
  std::function<void()> ended_;
  net::UniqueFd fd_;
  net::Watch watch_;
};

}  // namespace

Result<void> watch_reference(Context& context, Errand& errand,
                             std::unique_ptr<secrets::SourceSession> session, const std::string& reference) {
  auto& loop = errand.loop();
  LoopTimers timers{loop, context.clock};
  DriverRunner runner{errand.driver(), loop};
  credentials::NullLeaseJournal journal;
  Teller teller{context, reference};
  credentials::SlotOptions options;
  options.name = reference;
  options.poll_every = poll_every;
  credentials::Slot slot{std::move(session), options, timers, runner, journal, teller, context.randomness};
  Result<void> first;
  const auto end = [&] {
    slot.shutdown(shutdown_limit, [&loop](const credentials::ShutdownReport&) { loop.stop(); });
  };
  const EndOnSignal signals{loop, end};
  slot.get(
      context.clock.now().mono + errand_deadline,
      [&](Result<credentials::GenerationPtr> got) {
        if (got) return;
        first = std::move(got).error();
        loop.post(end);
      },
      credentials::Slot::ErrorsTold::by_caller);
  loop.run();
  return first;
}

}  // namespace sallyport::cli
