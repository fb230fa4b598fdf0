#include "net/helper.h"

#include "net/process_tree.h"
#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace sallyport::net::helper_test {
namespace {

using namespace std::chrono_literals;
using sallyport::test::TemporaryDirectory;

bool contains(std::string_view text, std::string_view part) {
  return text.find(part) != std::string_view::npos;
}

std::string contents(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

class HelperProcess : public testing::Test {
 protected:
  void SetUp() override {
    setenv("SALLYPORT_TEST_CANARY", "canary-in-environment", 1);
    setenv("SALLYPORT_TEST_KEPT", "kept", 1);
    helper_ = Helper::fork_now({"SALLYPORT_TEST_KEPT"}).value();
    unsetenv("SALLYPORT_TEST_CANARY");
    unsetenv("SALLYPORT_TEST_KEPT");
  }

  std::string script(const std::string& body) {
    return directory_.write("program" + std::to_string(++scripts_), "#!/bin/sh\n" + body + "\n", 0700);
  }
  Result<ProgramEnded> run(const std::string& body, Duration deadline = 10s, std::size_t bytes_max = 65'536) {
    return helper_->run({{script(body)}, deadline, bytes_max});
  }
  static std::string failure(const Result<ProgramEnded>& result) {
    return result.has_error() ? describe(result.error()) : "ended";
  }

  TemporaryDirectory directory_;
  std::unique_ptr<Helper> helper_;
  int scripts_ = 0;
};

TEST_F(HelperProcess, ReturnsOutputAndExitStatus) {
  auto ended = helper_->run({{"/bin/echo", "-n", "a b", "$HOME;`id`"}});
  ASSERT_TRUE(ended.has_value()) << failure(ended);
  EXPECT_EQ(ended->output.reveal(), "a b $HOME;`id`") << "no shell between us and the program";
  EXPECT_EQ(ended->exit_status, 0);
  ended = run("printf x; exit 3");
  EXPECT_EQ(ended->exit_status, 3);
  EXPECT_EQ(ended->output.reveal(), "x");
}

TEST_F(HelperProcess, GivesProgramsAMinimalEnvironment) {
  const auto ended = helper_->run({{"/usr/bin/env"}});
  const auto text = ended->output.reveal();
  EXPECT_TRUE(contains(text, "SALLYPORT_TEST_KEPT=kept\n"));
  EXPECT_TRUE(contains(text, "PATH="));
  EXPECT_FALSE(contains(text, "CANARY"));
  for (std::size_t at = 0; at < text.size(); at = text.find('\n', at) + 1) {
    const auto name = text.substr(at, text.find('=', at) - at);
    EXPECT_TRUE(name == "PATH" || name == "HOME" || name == "USER" || name == "LANG" || name == "LC_ALL" ||
                name == "TZ" || name == "SALLYPORT_TEST_KEPT")
        << name;
  }
}

TEST_F(HelperProcess, KeepsNoTraceOfOurEnvironment) {
  // Wait until it serves: then the block has been overwritten.
  ASSERT_TRUE(run("true").has_value());
  EXPECT_FALSE(
      contains(contents("/proc/" + std::to_string(helper_->pid()) + "/environ"), "canary-in-environment"));
}

TEST_F(HelperProcess, ClosesEveryOtherDescriptor) {
  const UniqueFd open_in_parent{open("/etc/passwd", O_RDONLY)};  // not close-on-exec on purpose
  auto second = Helper::fork_now();
  ASSERT_TRUE(second.has_value());
  const auto ended = (*second)->run({{"/bin/ls", "-1", "/proc/self/fd"}});
  EXPECT_EQ(ended->output.reveal(), "0\n1\n2\n3\n");  // 3 is ls reading the directory
  if (geteuid() != 0) return;  // the helper is undumpable, so only root may look at its descriptors
  // It answers before it has let go of the program that ended.
  std::ptrdiff_t descriptors = 0;
  for (int i = 0; i < 200 && descriptors != 4; ++i) {
    const std::filesystem::directory_iterator open_now("/proc/" + std::to_string((*second)->pid()) + "/fd");
    descriptors = std::distance(begin(open_now), end(open_now));
    if (descriptors != 4) std::this_thread::sleep_for(std::chrono::milliseconds{10});
  }
  EXPECT_EQ(descriptors, 4);  // three of /dev/null, and the socket
}

TEST_F(HelperProcess, SaysWhyAProgramCannotRun) {
  EXPECT_TRUE(contains(failure(helper_->run({{"echo"}})), "is no absolute path"));
  EXPECT_TRUE(contains(failure(helper_->run({{}})), "is no absolute path"));
  EXPECT_TRUE(contains(failure(helper_->run({{directory_.path() + "/none"}})), "/none: does not exist"));
  const auto plain = directory_.write("plain", "#!/bin/sh\n", 0600);
  EXPECT_TRUE(contains(failure(helper_->run({{plain}})), "is not executable"))
      << failure(helper_->run({{plain}}));
  const auto no_interpreter = directory_.write("bare", "echo x\n", 0700);
  EXPECT_TRUE(contains(failure(helper_->run({{no_interpreter}})), "first line such as #!/bin/sh"));
  const auto open_to_all = script("true");
  chmod(open_to_all.c_str(), 0777);
  EXPECT_TRUE(contains(failure(helper_->run({{open_to_all}})), "may be written by everybody"));
  EXPECT_EQ(helper_->run({{"/bin/echo", std::string(70'000, 'x')}}).error().code, ErrorCode::bad_config);
  EXPECT_EQ(helper_->run({{"/bin/echo", std::string("a\0b", 3)}}).error().code, ErrorCode::bad_config);
  EXPECT_TRUE(run("true").has_value()) << "and it still serves";
}

TEST_F(HelperProcess, KillsWhatTakesTooLong) {
  const auto before = std::chrono::steady_clock::now();
  const auto ended = run("trap '' TERM INT HUP; printf part; sleep 60 & wait", 200ms);
  ASSERT_TRUE(ended.has_error());
  EXPECT_EQ(ended.error().code, ErrorCode::timed_out);
  EXPECT_TRUE(contains(ended.error().what, "within 200 ms")) << ended.error().what;
  EXPECT_LT(std::chrono::steady_clock::now() - before, 2s);
}

TEST_F(HelperProcess, LimitsOutputExactly) {
  EXPECT_EQ(run("printf 12345678", 10s, 8)->output.reveal(), "12345678");
  EXPECT_EQ(run("printf 123456789", 10s, 8).error().code, ErrorCode::limit_exceeded);
  const auto before = std::chrono::steady_clock::now();
  EXPECT_EQ(helper_->run({{"/usr/bin/yes"}, 10s, 65'536}).error().code, ErrorCode::limit_exceeded);
  EXPECT_LT(std::chrono::steady_clock::now() - before, 5s)
      << "it is stopped at the limit, not at the deadline";
}

TEST_F(HelperProcess, LeavesNothingRunningBehind) {
  // One stays in the group, one leaves it with setsid and keeps the pipe.
  const auto ended = run("sleep 61 & echo $!; setsid sh -c 'echo $$; exec sleep 61' & sleep 0.2");
  ASSERT_TRUE(ended.has_value()) << failure(ended);
  std::istringstream pids{std::string{ended->output.reveal()}};
  int count = 0;
  for (pid_t pid = 0; pids >> pid; ++count) EXPECT_TRUE(read_process_stat(pid).has_error()) << pid;
  EXPECT_EQ(count, 2);
}

TEST_F(HelperProcess, ErrorHoldsNothingThatTheProgramSaid) {
  const auto ended = run("echo canary-out; echo canary-err >&2; kill -9 $$");
  ASSERT_TRUE(ended.has_error());
  EXPECT_EQ(ended.error().code, ErrorCode::retry_later);
  EXPECT_TRUE(contains(ended.error().what, "signal 9"));
  EXPECT_FALSE(contains(failure(ended), "canary"));
}

TEST_F(HelperProcess, ProgramHasNoInputAndDefaultSignals) {
  EXPECT_EQ(run("read line || printf end")->output.reveal(), "end");
  const auto ended = run("grep -E '^Sig(Blk|Ign)' /proc/self/status");
  EXPECT_EQ(ended->output.reveal(), "SigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n");
}

TEST_F(HelperProcess, TakesTurns) {
  std::vector<std::thread> threads;
  std::atomic<int> good = 0;
  const auto path = script("sleep 0.02; printf \"$1\"");
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&, i] {
      const auto ended = helper_->run({{path, std::to_string(i)}});
      good += ended.has_value() && ended->output.reveal() == std::to_string(i) ? 1 : 0;
    });
  }
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(good, 8);
}

TEST_F(HelperProcess, WaitingForATurnHasTheSameDeadline) {
  const auto slow = script("sleep 1");
  std::thread first{[&] { EXPECT_TRUE(helper_->run({{slow}}).has_value()); }};
  std::this_thread::sleep_for(200ms);
  const auto second = helper_->run({{"/bin/true"}, 100ms});
  EXPECT_EQ(second.error().code, ErrorCode::timed_out);
  EXPECT_TRUE(contains(failure(second), "no turn within 100 ms"));
  first.join();
}

TEST_F(HelperProcess, SurvivesSignalsThatAServiceManagerSendsToAll) {
  ASSERT_TRUE(run("true").has_value());
  for (const int number : {SIGTERM, SIGINT, SIGHUP}) kill(helper_->pid(), number);
  EXPECT_TRUE(run("true").has_value());
}

TEST_F(HelperProcess, IsMissedWhenItIsKilled) {
  kill(helper_->pid(), SIGKILL);
  const auto ended = run("true");
  EXPECT_EQ(ended.error().code, ErrorCode::internal);
  EXPECT_TRUE(contains(failure(ended), "has ended. Restart")) << failure(ended);
}

TEST_F(HelperProcess, EndsWithUsEvenInTheMiddleOfARun) {
  // A broker of its own, which is killed: helper and program must go as well.
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
  const UniqueFd from{ends[0]};
  UniqueFd to{ends[1]};
  const auto path = script("echo $$ > " + directory_.path() + "/pid; exec sleep 60");
  const pid_t broker = fork();
  if (broker == 0) {
    auto inner = Helper::fork_now().value();
    const pid_t pid = inner->pid();
    if (write(to.get(), &pid, sizeof pid) != sizeof pid) _exit(1);
    (void)inner->run({{path}, 60s}).has_error();
    _exit(0);
  }
  pid_t inner_pid = 0;
  ASSERT_EQ(read(from.get(), &inner_pid, sizeof inner_pid), static_cast<ssize_t>(sizeof inner_pid));
  for (int i = 0; i < 500 && contents(directory_.path() + "/pid").empty(); ++i)
    std::this_thread::sleep_for(10ms);
  const auto program = static_cast<pid_t>(std::stol(contents(directory_.path() + "/pid")));
  kill(broker, SIGKILL);
  waitpid(broker, nullptr, 0);
  const auto gone = [](pid_t pid) {
    const auto stat = read_process_stat(pid);
    return stat.has_error() || stat->state == 'Z';
  };
  for (int i = 0; i < 500 && !(gone(inner_pid) && gone(program)); ++i) std::this_thread::sleep_for(10ms);
  EXPECT_TRUE(gone(inner_pid));
  EXPECT_TRUE(gone(program));
}

TEST_F(HelperProcess, IsReapedAtTheEnd) {
  const auto pid = helper_->pid();
  helper_.reset();
  EXPECT_TRUE(read_process_stat(pid).has_error());
}

TEST_F(HelperProcess, RunsOnlyWhatItsGateKnowsWhoeverAsks) {
  const auto allowed = script("printf allowed");
  const auto helper = Helper::fork_now({}, [allowed](const std::vector<std::string>& argv) {
    return argv == std::vector<std::string>{allowed, "a"};
  });
  ASSERT_TRUE(helper);
  auto ended = (*helper)->run({{allowed, "a"}});
  ASSERT_TRUE(ended.has_value()) << failure(ended);
  EXPECT_EQ(ended->output.reveal(), "allowed");
  for (const auto& argv :
       std::vector<std::vector<std::string>>{{allowed}, {allowed, "b"}, {"/bin/echo", "a"}}) {
    const auto refused = (*helper)->run({argv});
    ASSERT_TRUE(refused.has_error()) << argv[0];
    EXPECT_EQ(refused.error().code, ErrorCode::denied);
  }
  EXPECT_TRUE((*helper)->run({{allowed, "a"}}).has_value()) << "and goes on";
}

}  // namespace
}  // namespace sallyport::net::helper_test
