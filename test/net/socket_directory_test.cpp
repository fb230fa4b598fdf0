#include "net/socket_directory.h"

#include "test/net/pki.h"
#include "test/net/processes.h"
#include "test/net/tls_server.h"
#include "test/net/unix_client.h"

#include <gtest/gtest.h>

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <optional>

namespace sallyport::net::socket_directory_test {
namespace {

using namespace sallyport::test;
namespace fs = std::filesystem;

template <class T>
std::string failure(const Result<T>& result) {
  return result.has_error() ? describe(result.error()) : "good";
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

unsigned mode_of(const std::string& path) {
  struct stat info {};
  return lstat(path.c_str(), &info) == 0 ? info.st_mode & 07777 : 0;
}

class Directories : public testing::Test {
 protected:
  std::string in_it(const std::string& name) const { return base_.path() + "/" + name; }
  TemporaryDirectory base_;
};

class PrivateDirectory : public Directories {};
class SharedDirectory : public Directories {};

TEST_F(PrivateDirectory, IsOursAloneAndGoesAtTheEnd) {
  std::string path;
  {
    auto directory = SocketDirectory::make_private(base_.path());
    ASSERT_TRUE(directory.has_value()) << failure(directory);
    path = directory->path();
    EXPECT_EQ(path.find(base_.path() + "/sallyport-"), 0U);
    EXPECT_EQ(mode_of(path), 0700U);
    const auto listener = directory->listen_unix(5432);
    ASSERT_TRUE(listener.has_value()) << failure(listener);
    EXPECT_EQ(directory->socket_path(5432), path + "/.s.PGSQL.5432");
    EXPECT_EQ(mode_of(path + "/.s.PGSQL.5432"), 0600U);
    EXPECT_TRUE(can_connect(path + "/.s.PGSQL.5432"));
    EXPECT_TRUE(directory->still_there());
  }
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(PrivateDirectory, FallsBackToTmp) {
  for (const auto& runtime :
       {std::string{}, std::string{"relative"}, std::string{"/nowhere"}, in_it(std::string(80, 'x'))}) {
    fs::create_directory(in_it(std::string(80, 'x')));
    auto directory = SocketDirectory::make_private(runtime);
    ASSERT_TRUE(directory.has_value()) << failure(directory);
    EXPECT_EQ(directory->path().find("/tmp/sallyport-"), 0U) << directory->path();
    EXPECT_LT(directory->socket_path(65535).size(), 108U);
  }
  fs::permissions(base_.path(), fs::perms(0777));
  EXPECT_EQ(SocketDirectory::make_private(base_.path())->path().find("/tmp/sallyport-test"),
            std::string::npos)
      << "a runtime directory that others may write to is none";
}

TEST_F(PrivateDirectory, WorksInAnUndumpableProcessOfAnOrdinaryUser) {
  // An undumpable process owns its own /proc entries no longer, and the socket is bound through one.
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  fs::permissions(base_.path(), fs::perms(0755));
  const Child child{[&](int channel) {
    if (setgid(4321) != 0 || setuid(4321) != 0 || prctl(PR_SET_DUMPABLE, 0) != 0) _exit(1);
    auto directory = SocketDirectory::make_private(base_.path());
    bool good = directory.has_value() && directory->path().starts_with("/tmp/");
    const auto listener = directory->listen_unix(5432);
    good = good && listener.has_value() && can_connect(directory->socket_path(5432));
    send_value(channel, good);
  }};
  EXPECT_TRUE(receive_value<bool>(child.channel()));
}

TEST_F(PrivateDirectory, TwentyAtOnceDoNotDisturbOneAnother) {
  std::vector<SocketDirectory> directories;
  std::vector<Listener> listeners;
  for (int i = 0; i < 20; ++i) {
    directories.push_back(SocketDirectory::make_private(base_.path()).value());
    listeners.push_back(directories.back().listen_unix(5432).value());
  }
  for (const auto& directory : directories) EXPECT_TRUE(can_connect(directory.socket_path(5432)));
  listeners.clear();
  directories.clear();
  EXPECT_TRUE(fs::is_empty(base_.path()));
}

TEST_F(PrivateDirectory, IsThereUntilItsLastListenerGoes) {
  std::optional<Listener> listener;
  std::string path;
  {
    const auto directory = SocketDirectory::make_private(base_.path()).value();
    path = directory.path();
    listener.emplace(directory.listen_unix(5432).value());
  }
  EXPECT_TRUE(can_connect(path + "/.s.PGSQL.5432"));
  listener.reset();
  EXPECT_FALSE(fs::exists(path));
}

TEST_F(PrivateDirectory, LeavesAloneWhatIsNoLongerOurs) {
  const auto path = [&] {
    const auto directory = SocketDirectory::make_private(base_.path()).value();
    const auto listener = directory.listen_unix(5432).value();
    fs::rename(directory.path(), in_it("moved"));
    fs::create_directory(directory.path());
    std::ofstream{directory.socket_path(5432)} << "a stranger's";
    EXPECT_FALSE(directory.still_there());
    return directory.path();
  }();
  EXPECT_TRUE(fs::exists(path + "/.s.PGSQL.5432"));
  EXPECT_FALSE(fs::exists(in_it("moved/.s.PGSQL.5432"))) << "ours is removed where it is now";
}

TEST_F(PrivateDirectory, ReplacedSocketIsNotRemovedAtTheEnd) {
  const auto directory = SocketDirectory::make_private(base_.path()).value();
  const auto path = directory.socket_path(5432);
  {
    const auto listener = directory.listen_unix(5432).value();
    std::ofstream{path + ".new"} << "another";
    fs::rename(path + ".new", path);
  }
  EXPECT_TRUE(fs::exists(path));
  fs::remove_all(directory.path());
}

TEST_F(SharedDirectory, IsMadeWhereItIsMissingAndServesEveryone) {
  const auto path = in_it("run");
  const auto before = umask(077);
  auto directory = SocketDirectory::open_shared(path);
  ASSERT_TRUE(directory.has_value()) << failure(directory);
  EXPECT_EQ(mode_of(path), 0755U);
  const auto listener = directory->listen_unix(6543);
  umask(before);
  ASSERT_TRUE(listener.has_value()) << failure(listener);
  EXPECT_EQ(mode_of(path + "/.s.PGSQL.6543"), 0666U);
  EXPECT_TRUE(can_connect(path + "/.s.PGSQL.6543"));
}

TEST_F(SharedDirectory, SurvivesItsUserAndLosesOnlyTheSocket) {
  const auto path = in_it("run");
  {
    auto directory = SocketDirectory::open_shared(path).value();
    const auto listener = directory.listen_unix(5432).value();
  }
  EXPECT_TRUE(fs::exists(path));
  EXPECT_TRUE(fs::is_empty(path));
}

TEST_F(SharedDirectory, RefusesLinksOnTheWay) {
  fs::create_directories(in_it("real/run"));
  fs::create_directory_symlink("real", in_it("link"));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(in_it("link/run"))),
                       in_it("link") + ": is a symbolic link"));
  fs::create_directory_symlink("run", in_it("real/last"));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(in_it("real/last"))), "is a symbolic link"));
  std::ofstream{in_it("file")} << "x";
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(in_it("file"))), "is no directory"));
}

TEST_F(SharedDirectory, RefusesWhatOthersCouldChange) {
  const auto path = in_it("run");
  fs::create_directory(path);
  fs::permissions(path, fs::perms(0777));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(path)), "can be changed by every user"));
  fs::permissions(path, fs::perms(01777));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(path)), "Run: chmod go-w " + path))
      << "sticky does not help here";
  fs::permissions(path, fs::perms(0755));
  fs::permissions(base_.path(), fs::perms(0777));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(path)), base_.path() + ": can be changed"));
}

TEST_F(SharedDirectory, RefusesForeignOwners) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const auto path = in_it("run");
  fs::create_directory(path);
  ASSERT_EQ(chown(path.c_str(), 12345, 0), 0);
  EXPECT_TRUE(
      contains(failure(SocketDirectory::open_shared(path)), "belongs to uid 12345; expected root or uid 0"));
  ASSERT_EQ(chown(path.c_str(), 0, 12345), 0);
  fs::permissions(path, fs::perms(0775));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(path)), "can be changed by group 12345"));
}

// A directory that root has made and left to itself is readable, and of no use to an account that serves.
TEST_F(SharedDirectory, OneThatIsNotOursIsToBeGivenToUs) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  fs::permissions(base_.path(), fs::perms(0755));
  fs::create_directory(in_it("run"));
  const auto pid = fork();
  if (pid == 0) {
    if (seteuid(12345) != 0) _exit(2);
    const auto of_root = SocketDirectory::open_shared(in_it("run"));
    const bool lock =
        of_root && contains(failure(of_root->listen_unix(5432)), "As root: chown 12345 " + in_it("run"));
    const auto unmade = failure(SocketDirectory::open_shared(in_it("new")));
    const auto missing = failure(SocketDirectory::open_shared(in_it("none/run")));
    const bool made = contains(unmade, "As root: install -d -m 0755 -o 12345 " + in_it("new"));
    const bool named = contains(missing, "As root: install -d -m 0755 -o 12345 " + in_it("none"));
    _exit(lock && made && named ? 0 : 1);
  }
  int status = -1;
  ASSERT_EQ(waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFEXITED(status) && WEXITSTATUS(status) == 0) << status;
}

TEST_F(SharedDirectory, RefusesPathsThatCannotBe) {
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared("relative")), "no absolute path"));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared("/")), "root directory"));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared(in_it("../x"))), "holds a .."));
  EXPECT_TRUE(
      contains(failure(SocketDirectory::open_shared(in_it("none/run"))), in_it("none") + ": does not exist"));
  EXPECT_TRUE(contains(failure(SocketDirectory::open_shared("/" + std::string(100, 'x'))), "is too long"));
}

TEST_F(SharedDirectory, SecondInstanceIsToldWhoTheFirstIs) {
  auto first = SocketDirectory::open_shared(in_it("run")).value();
  const auto listener = first.listen_unix(5432).value();
  {
    auto second = SocketDirectory::open_shared(in_it("run")).value();
    const auto text = failure(second.listen_unix(5432));
    EXPECT_TRUE(contains(text, "is in use by pid " + std::to_string(getpid()))) << text;
    EXPECT_TRUE(second.listen_unix(5433).has_value()) << "another port is free";
  }
  EXPECT_TRUE(can_connect(first.socket_path(5432))) << "and the first is not disturbed by the second's end";
}

TEST_F(SharedDirectory, OnePortIsGivenUpWithoutTheOthers) {
  const auto directory = SocketDirectory::open_shared(in_it("run")).value();
  const auto stays = directory.listen_unix(5432).value();
  { const auto goes = directory.listen_unix(5433).value(); }
  EXPECT_FALSE(fs::exists(directory.socket_path(5433)));
  EXPECT_FALSE(fs::exists(directory.socket_path(5433) + ".lock"));
  const auto again = directory.listen_unix(5433);
  ASSERT_TRUE(again.has_value()) << failure(again);
  EXPECT_TRUE(can_connect(directory.socket_path(5433)));
  EXPECT_TRUE(can_connect(directory.socket_path(5432)));
}

TEST_F(SharedDirectory, MovedListenerGoesOnAndEndsOnce) {
  const auto directory = SocketDirectory::open_shared(in_it("run")).value();
  auto first = directory.listen_unix(5432).value();
  {
    const Listener second{std::move(first)};
    EXPECT_TRUE(can_connect(directory.socket_path(5432)));
  }
  const auto third = directory.listen_unix(5432);
  ASSERT_TRUE(third.has_value()) << failure(third);
}

TEST_F(SharedDirectory, WhatCannotBeListenedOnIsNotLocked) {
  const auto directory = SocketDirectory::open_shared(in_it("run")).value();
  std::ofstream{directory.socket_path(5432)} << "precious";
  EXPECT_TRUE(contains(failure(directory.listen_unix(5432)), "is no socket"));
  EXPECT_FALSE(fs::exists(directory.socket_path(5432) + ".lock"));
  fs::remove(directory.socket_path(5432));
  const auto now = directory.listen_unix(5432);
  EXPECT_TRUE(now.has_value()) << failure(now);
}

TEST_F(SharedDirectory, StaleSocketIsReplaced) {
  const auto path = in_it("run");
  fs::create_directory(path);
  { const auto dead = listen_unix_at(path + "/.s.PGSQL.5432"); }
  ASSERT_TRUE(fs::exists(path + "/.s.PGSQL.5432"));
  auto directory = SocketDirectory::open_shared(path).value();
  const auto listener = directory.listen_unix(5432);
  ASSERT_TRUE(listener.has_value()) << failure(listener);
  EXPECT_TRUE(can_connect(path + "/.s.PGSQL.5432"));
}

TEST_F(SharedDirectory, SocketThatAnswersIsNot) {
  const auto path = in_it("run");
  fs::create_directory(path);
  const auto alive = listen_unix_at(path + "/.s.PGSQL.5432");  // a PostgreSQL, which holds no lock of ours
  {
    auto directory = SocketDirectory::open_shared(path).value();
    EXPECT_TRUE(contains(failure(directory.listen_unix(5432)), "somebody listens on"));
  }
  EXPECT_TRUE(can_connect(path + "/.s.PGSQL.5432"));
}

TEST_F(SharedDirectory, WhatIsNoSocketIsNotRemoved) {
  const auto path = in_it("run");
  fs::create_directory(path);
  std::ofstream{path + "/.s.PGSQL.5432"} << "precious";
  fs::create_symlink("/etc/passwd", path + "/.s.PGSQL.5433");
  fs::create_symlink("/etc/passwd", path + "/.s.PGSQL.5434.lock");
  auto directory = SocketDirectory::open_shared(path).value();
  EXPECT_TRUE(contains(failure(directory.listen_unix(5432)), "is no socket"));
  EXPECT_TRUE(contains(failure(directory.listen_unix(5433)), "is no socket"));
  EXPECT_TRUE(directory.listen_unix(5434).has_error());
  EXPECT_TRUE(fs::exists(path + "/.s.PGSQL.5432"));
}

TEST_F(SharedDirectory, ReplacedDirectoryIsNoticed) {
  const auto path = in_it("run");
  auto directory = SocketDirectory::open_shared(path).value();
  EXPECT_TRUE(directory.still_there());
  fs::remove_all(path);
  EXPECT_FALSE(directory.still_there());
  fs::create_directory(path);
  EXPECT_FALSE(directory.still_there()) << "the same path is another directory now";
}

TEST(ListenTcp, TakesAnyPortAndSaysWhich) {
  for (const auto* address : {"127.0.0.1", "::1"}) {
    const auto listener = listen_tcp(address, 0);
    if (listener.has_error() && contains(failure(listener), "not an address of this machine"))
      continue;  // no IPv6 here
    ASSERT_TRUE(listener.has_value()) << failure(listener);
    EXPECT_GT(port_of(listener->get()), 0);
  }
}

TEST(ListenTcp, PortInUseNamesItsUser) {
  std::uint16_t port = 0;
  const auto taken = listen_on_loopback(port);
  const auto text = failure(listen_tcp("127.0.0.1", port));
  EXPECT_TRUE(contains(
      text, "listener 127.0.0.1:" + std::to_string(port) + ": is in use by pid " + std::to_string(getpid())))
      << text;
}

TEST(ListenTcp, ForeignAddressAndNamesAreRefused) {
  EXPECT_TRUE(contains(failure(listen_tcp("192.0.2.1", 0)), "not an address of this machine"));
  EXPECT_TRUE(contains(failure(listen_tcp("localhost", 0)), "is no IP address"));
  EXPECT_TRUE(contains(failure(listen_tcp("/tmp", 0)), "is no IP address"));
  EXPECT_EQ(port_of(-1), 0);
}

TEST(ListenTcp, LowPortNeedsARight) {
  if (geteuid() != 0) GTEST_SKIP() << "needs root";
  const Child child{[](int channel) {
    if (setuid(4321) != 0) _exit(1);
    const auto text = failure(listen_tcp("127.0.0.1", 81));
    send_value(channel,
               contains(text, "Ports below 1024") || text == "good");  // some containers allow it to all
  }};
  EXPECT_TRUE(receive_value<bool>(child.channel()));
}

}  // namespace
}  // namespace sallyport::net::socket_directory_test
