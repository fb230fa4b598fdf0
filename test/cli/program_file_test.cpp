// Who would take over has to run the file that stands where ours was started from (threat 15).
#include "cli/program_file.h"

#include "net/process_tree.h"
#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>

#include <csignal>
#include <filesystem>
#include <optional>

namespace sallyport::cli::program_file_test {
namespace {

namespace fs = std::filesystem;

/// A child that runs this program.
class Child {
 public:
  explicit Child(const std::string& program) {
    const pid_t pid = fork();
    if (pid == 0) {
      execl(program.c_str(), "sleep", "60", nullptr);
      _exit(1);
    }
    peer_.pid = pid;
    peer_.uid = geteuid();
    peer_.pidfd = net::open_pidfd(pid).value();
    while (!net::executable_of(pid).ends_with(fs::path{program}.filename().string())) usleep(1000);
  }
  ~Child() {
    kill(peer_.pid, SIGKILL);
    waitpid(peer_.pid, nullptr, 0);
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  net::UnixPeer peer_;
};

class TheProgram : public testing::Test {
 protected:
  void SetUp() override {
    fs::create_directory(base_.path() + "/bin");
    fs::copy_file("/bin/sleep", path_);
    fs::permissions(path_, fs::perms{0755});
  }
  std::string verdict(const Child& child, net::Scout* scout = nullptr) const {
    const auto same = ProgramFile{path_}.is_run_by(child.peer_, scout);
    return same ? "same" : same.error().what;
  }
  test::TemporaryDirectory base_;
  std::string path_ = base_.path() + "/bin/program";
};

TEST_F(TheProgram, IsTheFileThatThePathNames) {
  const Child child{path_};
  EXPECT_EQ(verdict(child), "same");
  const auto scout = net::Scout::fork_now().value();
  EXPECT_EQ(verdict(child, scout.get()), "same");
}

TEST_F(TheProgram, IsNotACopyElsewhere) {
  fs::copy_file(path_, base_.path() + "/bin/copy");
  const Child child{base_.path() + "/bin/copy"};
  EXPECT_EQ(verdict(child), "the process that would take over runs another program");
}

TEST_F(TheProgram, IsTheOneThatHasReplacedIt) {
  const Child before{path_};
  fs::copy_file(path_, path_ + ".new");
  fs::rename(path_ + ".new", path_);
  const Child after{path_};
  EXPECT_EQ(verdict(before), "the process that would take over runs another program");
  EXPECT_EQ(verdict(after), "same");
}

TEST_F(TheProgram, IsNoFileThatOthersMayWrite) {
  const Child child{path_};
  fs::permissions(path_, fs::perms{0777});
  EXPECT_NE(verdict(child), "same");
}

TEST_F(TheProgram, IsNoneThatHasEnded) {
  const Child child{path_};
  kill(child.peer_.pid, SIGKILL);
  while (net::is_alive(child.peer_.pidfd)) usleep(1000);
  EXPECT_NE(verdict(child), "same");
}

TEST_F(TheProgram, OfThisProcessIsFound) {
  EXPECT_TRUE(fs::equivalent(ProgramFile::of_this_process().path(), "/proc/self/exe"));
}

}  // namespace
}  // namespace sallyport::cli::program_file_test
