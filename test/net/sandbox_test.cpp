// A child enters the sandbox and tries; what it may and may not do is what the kernel answers.
#include "net/sandbox.h"

#include "net/syscall_filter.h"
#include "test/net/pki.h"
#include "test/net/processes.h"

#include <gtest/gtest.h>

#include <grp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <thread>

namespace sallyport::net::sandbox_test {
namespace {

namespace fs = std::filesystem;
using sallyport::test::Child;
using sallyport::test::connect_unix;
using sallyport::test::listen_unix_at;
using sallyport::test::receive_value;
using sallyport::test::send_value;
using sallyport::test::TemporaryDirectory;

/// errno of what `attempt` could not do, 0 when it could.
int error_of(long result) { return result < 0 ? errno : 0; }

int open_error(const std::string& path, int flags = O_RDONLY) {
  const UniqueFd fd{open(path.c_str(), flags | O_CLOEXEC, 0600)};
  return error_of(fd.get());
}

class Sandbox : public testing::Test {
 protected:
  void SetUp() override {
    for (const auto* name : {"seen", "hidden", "kept", "sockets"}) fs::create_directory(at(name));
    base_.write("seen/file", "seen", 0600);
    base_.write("hidden/file", "hidden", 0600);
  }

  [[nodiscard]] std::string at(const std::string& name) const { return base_.path() + "/" + name; }

  [[nodiscard]] std::vector<FileRule> rules() const {
    return {{"/proc", FileUse::read},           {at("seen"), FileUse::read},
            {at("kept"), FileUse::keep},        {at("sockets"), FileUse::sockets},
            {"/dev/null", FileUse::read_write}, {at("not-there"), FileUse::read}};
  }

  /// What `attempt` answers inside; -1000: it was not to be entered.
  int inside(const std::function<int()>& attempt) {
    const Child child{[&](int channel) {
      const auto report = enter_sandbox(rules(), true);
      send_value(channel, report ? attempt() : -1000);
    }};
    return receive_value<int>(child.channel());
  }

  /// The signal that ended a child which made `attempt` inside; 0: it went on.
  int signal_after(const std::function<void()>& attempt) {
    const auto pid = fork();
    if (pid == 0) {
      const rlimit no_core{0, 0};
      setrlimit(RLIMIT_CORE, &no_core);
      if (enter_sandbox(rules(), true)) attempt();
      _exit(0);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
  }

  TemporaryDirectory base_;
};

/// Where the kernel has Landlock.
class ConfinedFiles : public Sandbox {
 protected:
  void SetUp() override {
    if (landlock_version() == 0) GTEST_SKIP() << "this kernel has no Landlock";
    Sandbox::SetUp();
  }
};

TEST_F(ConfinedFiles, AreReadWhereARuleNamesThem) {
  EXPECT_EQ(inside([&] { return open_error(at("seen/file")); }), 0);
  EXPECT_EQ(inside([&] { return open_error(at("hidden/file")); }), EACCES);
  EXPECT_EQ(inside([&] { return open_error(at("hidden"), O_RDONLY | O_DIRECTORY); }), EACCES);
  EXPECT_EQ(inside([&] { return open_error(at("hidden/../seen/file")); }), 0);
}

TEST_F(ConfinedFiles, LeadNowhereElseByLinks) {
  fs::create_symlink(at("hidden/file"), at("seen/link"));
  EXPECT_EQ(inside([&] { return open_error(at("seen/link")); }), EACCES);
}

TEST_F(ConfinedFiles, AreFoundAfterAnotherWasRenamedOverThem) {
  base_.write("seen/next", "renewed", 0600);
  const Child child{[&](int channel) {
    if (!enter_sandbox(rules(), true)) _exit(1);
    send_value(channel, open_error(at("seen/file")));
    receive_value<char>(channel);
    send_value(channel, open_error(at("seen/file")));
  }};
  EXPECT_EQ(receive_value<int>(child.channel()), 0);
  fs::rename(at("seen/next"), at("seen/file"));
  send_value(child.channel(), 'r');
  EXPECT_EQ(receive_value<int>(child.channel()), 0);
}

TEST_F(ConfinedFiles, AreWrittenOnlyWhereTheyAreKept) {
  EXPECT_EQ(inside([&] { return open_error(at("seen/file"), O_WRONLY); }), EACCES);
  EXPECT_EQ(inside([&] { return open_error(at("seen/new"), O_WRONLY | O_CREAT); }), EACCES);
  EXPECT_EQ(inside([&] { return error_of(unlink(at("seen/file").c_str())); }), EACCES);
  EXPECT_EQ(inside([&] {
              if (const int error = error_of(mkdir(at("kept/w").c_str(), 0700))) return error;
              if (const int error = open_error(at("kept/w/1"), O_WRONLY | O_CREAT | O_TRUNC)) return error;
              if (const int error = error_of(rename(at("kept/w/1").c_str(), at("kept/w/2").c_str())))
                return error;
              if (const int error = error_of(unlink(at("kept/w/2").c_str()))) return error;
              return error_of(rmdir(at("kept/w").c_str()));
            }),
            0);
  EXPECT_EQ(inside([] { return open_error("/dev/null", O_RDWR); }), 0);
}

TEST_F(ConfinedFiles, HoldSocketsOnlyWhereARuleSaysSo) {
  const auto bind_at = [](const std::string& path) {
    const UniqueFd fd{socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    return error_of(bind(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address));
  };
  EXPECT_EQ(inside([&] { return bind_at(at("sockets/s")); }), 0);
  EXPECT_EQ(inside([&] { return bind_at(at("kept/s")); }), EACCES);
  EXPECT_EQ(inside([&] { return bind_at(at("hidden/s")); }), EACCES);
}

TEST_F(ConfinedFiles, AreNoObstacleToConnections) {
  const auto listener = listen_unix_at(at("hidden/server"));
  EXPECT_EQ(inside([&] { return close(connect_unix(at("hidden/server"))); }), 0);
}

TEST_F(ConfinedFiles, AreNotSeenThroughOtherProcesses) {
  const Child other{[](int channel) { test::wait_for_end_of(channel); }};
  const auto link = "/proc/" + std::to_string(other.pid()) + "/exe";
  char target[256];
  ASSERT_GT(readlink(link.c_str(), target, sizeof target), 0);
  EXPECT_EQ(inside([&] { return error_of(readlink(link.c_str(), target, sizeof target)); }), EACCES);
  EXPECT_EQ(inside([&] { return open_error("/proc/" + std::to_string(other.pid()) + "/stat"); }), 0);
}

TEST_F(ConfinedFiles, GoTogetherWithSignalsWhereTheKernelCan) {
  if (!scopes_of_landlock(landlock_version()).signals) GTEST_SKIP() << "Landlock before version 6";
  const Child other{[](int channel) { test::wait_for_end_of(channel); }};
  EXPECT_EQ(inside([&] { return error_of(kill(other.pid(), 0)); }), EPERM);
  EXPECT_EQ(inside([] { return error_of(kill(getpid(), 0)); }), 0);
}

TEST(Landlock, SaysWhatEachVersionCannotWithhold) {
  using Words = std::vector<std::string>;
  EXPECT_EQ(lacking_in_landlock(0), Words{"landlock"});
  EXPECT_EQ(lacking_in_landlock(2), (Words{"landlock_truncate", "landlock_ioctl", "landlock_scopes"}));
  EXPECT_EQ(lacking_in_landlock(3), (Words{"landlock_ioctl", "landlock_scopes"}));
  EXPECT_EQ(lacking_in_landlock(5), Words{"landlock_scopes"});
  EXPECT_EQ(lacking_in_landlock(6), Words{});
  EXPECT_EQ(lacking_in_landlock(99), Words{});
}

TEST_F(ConfinedFiles, AreConfinedByOlderVersionsToo) {
  for (int version = 1; version <= landlock_version(); ++version) {
    const Child child{[&](int channel) {
      prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      const bool entered = enter_landlock(version, rules(), scopes_of_landlock(version)).has_value();
      send_value(channel, entered ? open_error(at("seen/file")) : -1);
      send_value(channel, open_error(at("hidden/file")));
      send_value(channel, open_error(at("kept/new"), O_WRONLY | O_CREAT | O_TRUNC));
    }};
    EXPECT_EQ(receive_value<int>(child.channel()), 0) << version;
    EXPECT_EQ(receive_value<int>(child.channel()), EACCES) << version;
    EXPECT_EQ(receive_value<int>(child.channel()), 0) << version;
  }
}

TEST_F(Sandbox, StartsNoProgramsAndNoProcesses) {
  EXPECT_EQ(inside([] {
              const char* const arguments[] = {"/bin/true", nullptr};
              return error_of(execv(arguments[0], const_cast<char* const*>(arguments)));
            }),
            EPERM);
  EXPECT_EQ(inside([] {
              const auto pid = fork();
              if (pid == 0) _exit(0);
              return error_of(pid);
            }),
            EPERM);
}

TEST_F(Sandbox, StartsThreads) {
  EXPECT_EQ(inside([] {
              int seen = 0;
              std::thread{[&] { seen = 7; }}.join();
              return seen;
            }),
            7);
}

TEST_F(Sandbox, HoldsForThreadsThatStartLater) {
  EXPECT_EQ(inside([&] {
              // The bare call, of one thread: glibc's setgroups() asks it of all of them and aborts where the
              // answers differ, as they do beside a sanitizer's own thread, which is older than the sandbox.
              int error = 0;
              std::thread{[&] { error = error_of(syscall(SYS_setgroups, 0, nullptr)); }}.join();
              return error;
            }),
            EPERM);
}

TEST_F(Sandbox, OpensSocketsOfFourFamilies) {
  for (const int family : {AF_UNIX, AF_INET, AF_INET6, AF_NETLINK}) {
    EXPECT_EQ(inside([&] { return error_of(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }), 0) << family;
  }
  for (const int family : {AF_PACKET, AF_VSOCK, AF_ALG, AF_BLUETOOTH}) {
    EXPECT_EQ(inside([&] { return error_of(socket(family, SOCK_DGRAM | SOCK_CLOEXEC, 0)); }), EAFNOSUPPORT)
        << family;
    EXPECT_EQ(inside([&] {
                const long disguised = family | 1L << 32;  // the kernel takes an int
                return error_of(syscall(SYS_socket, disguised, SOCK_DGRAM | SOCK_CLOEXEC, 0));
              }),
              EAFNOSUPPORT)
        << family;
  }
}

TEST_F(Sandbox, TypesIntoNoTerminal) {
  EXPECT_EQ(inside([] {
              char letter = 'x';
              return error_of(ioctl(0, TIOCSTI, &letter));
            }),
            EPERM);
}

TEST_F(Sandbox, EndsWithWhatOnlyAnExploitDoes) {
  EXPECT_EQ(signal_after([] { ptrace(PTRACE_TRACEME, 0, nullptr, nullptr); }), SIGSYS);
  EXPECT_EQ(signal_after([] { unshare(CLONE_NEWUSER); }), SIGSYS);
  EXPECT_EQ(signal_after([] { syscall(SYS_bpf, 0, nullptr, 0); }), SIGSYS);
  EXPECT_EQ(signal_after([] { syscall(SYS_mount, nullptr, nullptr, nullptr, 0, nullptr); }), SIGSYS);
  EXPECT_EQ(signal_after([] { syscall(SYS_process_vm_readv, 1, nullptr, 0, nullptr, 0, 0); }), SIGSYS);
  EXPECT_EQ(signal_after([] { syscall(SYS_init_module, nullptr, 0, ""); }), SIGSYS);
  EXPECT_EQ(signal_after([] {}), 0);
}

TEST_F(Sandbox, IsWhatTheKernelSays) {
  EXPECT_EQ(inside([] {
              std::ifstream status{"/proc/self/status"};
              int found = 0;
              for (std::string line; std::getline(status, line);) {
                if (line == "NoNewPrivs:\t1" || line == "Seccomp:\t2") ++found;
              }
              return found;
            }),
            2);
}

TEST_F(Sandbox, IsNotEnteredBesideASecondThread) {
  const Child child{[&](int channel) {
    std::thread other{[&] { test::wait_for_end_of(channel); }};
    send_value(channel, enter_sandbox(rules(), true).has_error() ? 1 : 0);
    other.join();
  }};
  EXPECT_EQ(receive_value<int>(child.channel()), 1);
}

TEST(SystemCalls, AreForbiddenOnceAndForOneReason) {
  for (const auto name : calls_refused()) {
    const auto fatal = calls_that_end_the_process();
    EXPECT_EQ(std::count(fatal.begin(), fatal.end(), name), 0) << name;
  }
}

}  // namespace
}  // namespace sallyport::net::sandbox_test
