// Our own environment after it was taken over. Each test re-executes itself with a chosen environment, because
// /proc/PID/environ shows the block that the kernel made at exec.
#include "cli/environment.h"

#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <sstream>

namespace sallyport::environment_test {
namespace {

using cli::Environment;

constexpr const char* marker = "SALLYPORT_ENVIRONMENT_TEST";

std::string read_whole(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

/// Runs this program again with just these variables; what `inside` writes to the pipe comes back.
std::string in_new_process(const std::string& test, std::vector<std::string> variables) {
  int pipe_ends[2];
  if (pipe(pipe_ends) != 0) return "no pipe";
  const auto child = fork();
  if (child == 0) {
    variables.push_back(std::string{marker} + "=" + std::to_string(pipe_ends[1]));
    std::vector<char*> environment;
    for (auto& variable : variables) environment.push_back(variable.data());
    environment.push_back(nullptr);
    auto filter = "--gtest_filter=" + test;
    std::string name = "test";
    char* arguments[] = {name.data(), filter.data(), nullptr};
    execve("/proc/self/exe", arguments, environment.data());
    _exit(99);
  }
  close(pipe_ends[1]);
  std::string answer;
  char chunk[4096];
  for (ssize_t size = 0; (size = read(pipe_ends[0], chunk, sizeof chunk)) > 0;) {
    answer.append(chunk, static_cast<std::size_t>(size));
  }
  close(pipe_ends[0]);
  waitpid(child, nullptr, 0);
  return answer;
}
/// In the new process: where to write; -1 in the test itself.
int answer_pipe() {
  const char* number = getenv(marker);
  return number == nullptr ? -1 : atoi(number);
}
void answer(int fd, const std::string& text) { (void)!write(fd, text.data(), text.size()); }

TEST(Environment, TheInitialBlockIsOverwritten) {
  if (const int fd = answer_pipe(); fd >= 0) {
    const auto before = read_whole("/proc/self/environ");
    const auto environment = Environment::take_over();
    const auto after = read_whole("/proc/self/environ");
    answer(fd, before.find("canary") != std::string::npos ? "seen;" : "not seen;");
    answer(fd, after.find("canary") != std::string::npos || after.find("VAULT_TOKEN") != std::string::npos
                   ? "left;"
                   : "gone;");
    answer(fd,
           environment.plain("VAULT_TOKEN") + ";" + (getenv("VAULT_TOKEN") == nullptr ? "none" : "there"));
    _exit(0);
  }
  EXPECT_EQ(in_new_process("Environment.TheInitialBlockIsOverwritten",
                           {"PATH=/bin", "VAULT_TOKEN=canary-1", "canary without equals sign", "X="}),
            "seen;gone;canary-1;none");
}

TEST(Environment, OnlyHarmlessVariablesStayForLibraries) {
  if (const int fd = answer_pipe(); fd >= 0) {
    (void)Environment::take_over();
    for (char** entry = environ; *entry != nullptr; ++entry) answer(fd, std::string{*entry} + ";");
    _exit(0);
  }
  EXPECT_EQ(in_new_process("Environment.OnlyHarmlessVariablesStayForLibraries",
                           {"PATH=/bin", "LC_ALL=C", "PGPASSWORD=x", "AWS_SECRET_ACCESS_KEY=y", "HOME=/h"}),
            "PATH=/bin;LC_ALL=C;HOME=/h;");
}

TEST(Environment, TheFirstOfTwoVariablesOfOneNameCounts) {
  if (const int fd = answer_pipe(); fd >= 0) {
    answer(fd, Environment::take_over().plain("A"));
    _exit(0);
  }
  EXPECT_EQ(in_new_process("Environment.TheFirstOfTwoVariablesOfOneNameCounts", {"A=first", "A=second"}),
            "first");
}

TEST(Environment, TheChildsBlockHoldsWhatIsSetAndNotWhatIsRemoved) {
  if (const int fd = answer_pipe(); fd >= 0) {
    auto environment = Environment::take_over();
    environment.set("DATABASE_URL", "postgresql:///db");
    environment.set("TOKEN", Secret::copy_of(std::string_view{"t"}));
    environment.remove("PGPASSWORD");
    environment.remove("NEVER_SET");
    const auto block = environment.block();
    for (auto* const* entry = block.pointers.data(); *entry != nullptr; ++entry) {
      if (std::string_view{*entry}.starts_with(marker)) continue;
      answer(fd, std::string{*entry} + ";");
    }
    _exit(0);
  }
  EXPECT_EQ(in_new_process("Environment.TheChildsBlockHoldsWhatIsSetAndNotWhatIsRemoved",
                           {"EMPTY=", "PGPASSWORD=p", "DATABASE_URL=vault:x", "Z=a=b"}),
            "EMPTY=;Z=a=b;DATABASE_URL=postgresql:///db;TOKEN=t;");
}

TEST(Environment, AskingForWhatIsNotSet) {
  const Environment environment;
  EXPECT_FALSE(environment.has("A"));
  EXPECT_FALSE(environment.secret("A").has_value());
  EXPECT_EQ(environment.plain("A"), "");
}

}  // namespace
}  // namespace sallyport::environment_test
