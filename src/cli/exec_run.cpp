#include "cli/exec_run.h"

#include "cli/child.h"
#include "cli/child_environment.h"
#include "cli/run_tls.h"
#include "cli/runtime.h"
#include "net/http.h"
#include "net/socket_directory.h"
#include "policy/decide.h"
#include "trail/text.h"

#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>

namespace sallyport::cli {

namespace {

constexpr std::uint16_t unix_port = 5432;  // names the socket file; nothing listens on a port
constexpr auto shutdown_limit = std::chrono::seconds{10};

bool is_final(ErrorCode code) {
  return code != ErrorCode::retry_later && code != ErrorCode::timed_out && code != ErrorCode::cancelled &&
         code != ErrorCode::limit_exceeded;
}

Secret make_token(Randomness& randomness) {
  std::array<std::uint8_t, 32> bytes{};
  randomness.fill(bytes);
  static constexpr char digits[] = "0123456789abcdef";
  auto token = Secret::of_size(64);
  auto out = token.writable();
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    out[2 * i] = static_cast<std::uint8_t>(digits[bytes[i] >> 4]);
    out[2 * i + 1] = static_cast<std::uint8_t>(digits[bytes[i] & 15]);
  }
  wipe_memory(bytes.data(), bytes.size());
  return token;
}

class ExecRun {
 public:
  ExecRun(Context& context, std::shared_ptr<Environment> environment, ExecRequest request)
      : context_(context),
        environment_(std::move(environment)),
        request_(std::move(request)),
        prover_(std::make_shared<TreePeerProver>()) {}

  Result<int> run() {
    if (auto ready = prepare(); !ready) return ready.error();
    for (auto& target : request_.targets) {
      if (auto opened = open(target); !opened) return opened.error();
    }
    ChildEnvironment prepared{*environment_, request_, runtime_->sources()};
    if (auto said = prepared.say_authority(context_.logger); !said) return said.error();
    prepared.prepare(doors_);
    if (interrupted()) return 128 + *signal_;
    // The application may be able to write there, and is not to choose what we load. Whoever needs it will hear of a failure.
    if (environment_->has("LD_LIBRARY_PATH")) (void)net::load_http_library();
    auto child = start_child(request_.command, *environment_, [this](const Child& started) {
      auto excluded = strangers_;
      excluded.push_back(helper_->pid());
      tree_ = std::make_shared<net::ServedTree>(started.pid, started.start_ticks, std::move(excluded));
      prover_->serve(tree_);
    });
    if (!child) return child.error();
    const auto end = wait_for_child(
        *child, {[this] { runtime_->on_relay([](broker::Broker& b) { b.check_now(); }); }, {}});
    after_child();
    return end.exit_code;
  }

  void shut_down(const std::string& failure) {
    if (runtime_ != nullptr) runtime_->shut_down(shutdown_limit, failure);
    runtime_.reset();
    tls_.reset();
    socket_directory_.reset();
  }

 private:
  Result<void> prepare() {
    block_child_signals();
    adopt_orphans();
    auto helper = net::Helper::fork_now();
    if (!helper) return helper.error();
    helper_ = std::move(*helper);
    RuntimeOptions options;
    options.audit = request_.audit;
    options.state_directory = request_.state_directory;
    options.helper = helper_;
    options.environment = environment_;
    options.serves_own_account = true;
    auto runtime = Runtime::start(context_, std::move(options));
    if (!runtime) return runtime.error();
    runtime_ = std::move(*runtime);
    return {};
  }

  // Orphans of the child come to us and are served. A shell that execs us may leave children behind that are
  // nobody's we serve: their orphans would come to us as well, and none could be told apart.
  void adopt_orphans() {
    strangers_ = net::living_children_of_self();
    prctl(PR_SET_CHILD_SUBREAPER, strangers_.empty() ? 1 : 0, 0, 0, 0);
    if (strangers_.empty()) return;
    context_.logger.write(LogLevel::warning,
                          "other children of this process are running: a descendant that loses its parent is "
                          "not served",
                          {{"pid", static_cast<std::int64_t>(strangers_.front())},
                           {"fix", "start sallyport from a shell that has started nothing else"}});
  }

  Result<void> open(ExecTarget& target) {
    if (auto opened = runtime_->open_target(target.target); !opened) return opened.error();
    if (const auto& tls = target.target.tls; tls.mode != TlsMode::verify_full) {
      context_.logger.write(LogLevel::warning, "the server is not fully verified",
                            {{"variable", target.variable},
                             {"sslmode", name_of(tls.mode)},
                             {"which", weakness(tls.mode)},
                             {"tls.reason", tls.weaker_reason},
                             {"tls.until", tls.weaker_until}});
    }
    auto door = open_door(target);
    if (!door) return door.error();
    if (auto warmed = warm(target); !warmed) return warmed.error();
    doors_.push_back(std::move(*door));
    return {};
  }

  Result<Door> open_door(const ExecTarget& target) {
    Door door;
    door.route = std::make_shared<broker::RouteRuntime>();
    auto& route = *door.route;
    route.route.name = "exec:" + target.variable;
    route.route.target = target.target.name;
    AllowRule rule;
    rule.uid = getuid();
    rule.role = target.role;
    route.route.allow.push_back(std::move(rule));
    route.prover = prover_;
    route.talkative = true;
    const bool tcp = request_.listen == ListenMode::tcp ||
                     (request_.listen == ListenMode::automatic && !dsn::reaches_unix_socket(target.dialect));
    auto listener = tcp ? open_tcp(target, door) : open_unix(door);
    if (!listener) return listener.error();
    runtime_->listen(std::move(*listener), door.route);
    return door;
  }

  Result<void> make_directory() {
    if (socket_directory_) return {};
    auto made = net::SocketDirectory::make_private(environment_->plain("XDG_RUNTIME_DIR"));
    if (!made) return made.error();
    socket_directory_ = std::make_unique<net::SocketDirectory>(std::move(*made));
    return {};
  }

  Result<net::Listener> open_unix(Door& door) {
    if (auto made = make_directory(); !made) return made.error();
    const auto port = static_cast<std::uint16_t>(unix_port + doors_.size());
    door.endpoint = dsn::LocalUnix{socket_directory_->path(), port};
    door.route->route.listen = UnixListen{socket_directory_->path(), port};
    return socket_directory_->listen_unix(port);
  }

  // For applications that insist on TLS.
  Result<void> make_certificate() {
    if (tls_) return {};
    const auto directory = make_directory();
    auto made = make_run_tls(directory ? socket_directory_.get() : nullptr, context_.clock.now().wall);
    if (!made) return made.error();
    tls_.emplace(std::move(*made));
    return {};
  }

  Result<net::Listener> open_tcp(const ExecTarget& target, Door& door) {
    if (auto made = make_certificate(); !made) return made.error();
    door.route->tls = tls_->context;
    door.authority_file = tls_->authority_file;
    auto listener = net::listen_tcp("127.0.0.1", 0);
    if (!listener) return listener.error();
    const auto port = net::port_of(listener->get());
    door.endpoint = dsn::LocalTcp{"127.0.0.1", port};
    door.route->route.listen = TcpListen{"127.0.0.1", port};
    door.token = make_token(context_.randomness);
    std::array<std::uint8_t, 16> salt{};
    context_.randomness.fill(salt);
    door.route->run_token =
        crypto::make_scram_verifier_from_password(door.token, salt, dsn::scram_iterations(target.dialect));
    // Asked for by name it needs no mention; chosen because the dialect has no Unix sockets, it is said aloud.
    const auto level = request_.listen == ListenMode::tcp ? LogLevel::info : LogLevel::warning;
    context_.logger.write(level, "listening on loopback TCP with a run token",
                          {{"variable", target.variable}, {"port", static_cast<std::int64_t>(port)}});
    return net::Listener{std::move(*listener)};
  }

  // A wrong reference or a refused login is told before the application starts; a server that is away only
  // warned about: it may come, and the application knows how to wait.
  Result<void> warm(ExecTarget& target) {
    broker::PoolKey key;
    if (!target.target.databases.empty()) key.database = target.target.databases.front();
    AllowRule rule;
    rule.uid = getuid();
    key.identity = policy::identity_text({getuid(), getgid()}, rule);
    const auto answer = runtime_->ask_relay_until<Result<credentials::GenerationPtr>>(
        [name = target.target.name, role = target.role, key](
            broker::Broker& broker, const std::function<void(Result<credentials::GenerationPtr>)>& done) {
          broker.warm(name, role, key, done);
        },
        [this] { return interrupted(); });
    if (!answer) return {};  // run() sees the signal before it starts the command
    const auto& outcome = *answer;
    if (!outcome) {
      if (is_final(outcome.error().code)) return outcome.error();
      const auto text = describe(outcome.error());
      context_.logger.write(LogLevel::warning, "not ready yet",
                            {{"variable", target.variable}, {"why", text}});
      return {};
    }
    if (target.target.databases.empty() && !(*outcome)->endpoint.database.empty()) {
      target.target.databases.push_back((*outcome)->endpoint.database);
    }
    const auto& role = target.target.roles.at(target.role);
    if ((*outcome)->credential->lease && role.run_as.empty()) {
      context_.logger.write(
          LogLevel::warning,
          "a dynamic credential without run_as: what it creates belongs to a user that will be dropped",
          {{"variable", target.variable}, {"fix", "add run_as=ROLE"}});
    }
    return {};
  }

  // Ctrl-C while a secret source keeps us waiting: the command must not run afterwards.
  bool interrupted() {
    if (!signal_) signal_ = take_end_signal();
    return signal_.has_value();
  }

  void after_child() {
    const auto members = tree_->members();
    if (members.empty()) return;
    std::string who;
    for (const auto& member : members) {
      who += (who.empty() ? "" : ", ") + std::to_string(member.pid) + " (" + net::executable_of(member.pid) +
             ")";
    }
    if (request_.wait_all) {
      context_.logger.write(LogLevel::info, "the command has ended; still serving its descendants",
                            {{"processes", who}});
      wait_for_tree(*tree_);
    } else {
      context_.logger.write(LogLevel::warning, "the command has ended; its descendants lose the database",
                            {{"processes", who}, {"to_serve_them", "--wait-all"}});
    }
  }

  Context& context_;
  std::shared_ptr<Environment> environment_;
  ExecRequest request_;
  std::shared_ptr<TreePeerProver> prover_;
  std::shared_ptr<net::ServedTree> tree_;
  std::shared_ptr<net::Helper> helper_;
  std::vector<pid_t> strangers_;
  std::optional<int> signal_;
  std::unique_ptr<net::SocketDirectory> socket_directory_;
  std::optional<RunTls> tls_;  // of all TCP doors
  std::unique_ptr<Runtime> runtime_;
  std::vector<Door> doors_;
};

int exit_code_of(const Error& error) {
  if (error.hop == Hop::child && error.code == ErrorCode::not_found) return exit_not_found;
  if (error.hop == Hop::child && error.code == ErrorCode::denied && error.where != "--strict")
    return exit_not_executable;
  return exit_our_error;
}

}  // namespace

void print_error(const Error& error) {
  auto shown = error;
  shown.hint.clear();
  // A server's or a file's words may be in it: they draw nothing on a terminal.
  std::fprintf(stderr, "sallyport: %s\n", trail::printable_lines(describe(shown)).c_str());
  if (!error.hint.empty()) std::fprintf(stderr, "  fix: %s\n", trail::printable_lines(error.hint).c_str());
}

int run_with_targets(Context& context, std::shared_ptr<Environment> environment, ExecRequest request) {
  ExecRun run{context, std::move(environment), std::move(request)};
  const auto outcome = run.run();
  run.shut_down(outcome ? std::string{} : describe(outcome.error()));
  if (outcome) return *outcome;
  print_error(outcome.error());
  return exit_code_of(outcome.error());
}

}  // namespace sallyport::cli
