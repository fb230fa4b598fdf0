// The local sources as conversations: what each asks for, and each way it can fail.
#include "secrets/source.h"

#include "base/limits.h"
#include "test/secrets/script.h"

#include <gtest/gtest.h>

namespace sallyport::local_test {
namespace {

std::unique_ptr<secrets::SourceSession> open_session(std::string_view text) {
  static const auto registry = secrets::register_all();
  auto reference = secrets::parse_reference(text);
  EXPECT_TRUE(reference) << (reference ? "" : describe(reference.error()));
  const auto* source = registry.find(reference->scheme);
  EXPECT_NE(source, nullptr);
  auto session = source->open(*reference, {});
  EXPECT_TRUE(session) << (session ? "" : describe(session.error()));
  return std::move(*session);
}

Error open_error(std::string_view text) {
  const auto registry = secrets::register_all();
  auto reference = secrets::parse_reference(text);
  EXPECT_TRUE(reference) << text;
  auto session = registry.find(reference->scheme)->open(*reference, {});
  EXPECT_FALSE(session) << text;
  return session ? Error{} : std::move(session).error();
}

Input at(Event event) { return {test_moment(), std::move(event)}; }

TEST(LocalSources, FileIsReadPrivatelyAndShaped) {
  auto session = open_session("file:/run/secrets/db#password");
  auto fetch = session->fetch();
  const auto read = expect_action<ReadFile>(fetch->resume(at(started())));
  EXPECT_EQ(read.path, "/run/secrets/db");
  EXPECT_EQ(read.trust, FileTrust::is_private);
  EXPECT_EQ(read.bytes_max, limits::secret_bytes_max);
  expect_action<Done>(fetch->resume(at(FileRead{Secret::copy_of("{\"password\":\"hunter2\"}\n")})));
  const auto fetched = fetch->take();
  EXPECT_TRUE(fetched.credential.secret.equals("hunter2"));
  EXPECT_FALSE(fetched.credential.lease);
  EXPECT_FALSE(fetched.credential.expires);
}

TEST(LocalSources, FileMayBePublicWhenSaid) {
  auto fetch = open_session("file:/x?allow_world_readable=true")->fetch();
  EXPECT_EQ(expect_action<ReadFile>(fetch->resume(at(started()))).trust, FileTrust::any);
}

TEST(LocalSources, FetchReadsAgain) {
  auto session = open_session("file:/x");
  for (const auto* content : {"one", "two"}) {
    auto fetch = session->fetch();
    expect_action<ReadFile>(fetch->resume(at(started())));
    expect_action<Done>(fetch->resume(at(FileRead{Secret::copy_of(content)})));
    EXPECT_TRUE(fetch->take().credential.secret.equals(content));
  }
}

TEST(LocalSources, EnvReadsItsVariable) {
  auto fetch = open_session("env:DB_PASSWORD?user=app")->fetch();
  EXPECT_EQ(expect_action<ReadVariable>(fetch->resume(at(started()))).name, "DB_PASSWORD");
  expect_action<Done>(fetch->resume(at(VariableRead{Secret::copy_of("hunter2")})));
  EXPECT_TRUE(fetch->take().credential.secret.equals("hunter2"));

  fetch = open_session("env:DB_PASSWORD")->fetch();
  expect_action<ReadVariable>(fetch->resume(at(started())));
  EXPECT_EQ(expect_error(fetch->resume(at(VariableRead{std::nullopt}))).code, ErrorCode::not_found);
}

TEST(LocalSources, SystemdReadsBelowItsDirectory) {
  auto fetch = open_session("systemd:db")->fetch();
  EXPECT_EQ(expect_action<ReadVariable>(fetch->resume(at(started()))).name, "CREDENTIALS_DIRECTORY");
  const auto read =
      expect_action<ReadFile>(fetch->resume(at(VariableRead{Secret::copy_of("/run/credentials/a.service")})));
  EXPECT_EQ(read.path, "/run/credentials/a.service/db");
  EXPECT_EQ(read.trust, FileTrust::is_private);
  expect_action<Done>(fetch->resume(at(FileRead{Secret::copy_of("hunter2")})));
  EXPECT_TRUE(fetch->take().credential.secret.equals("hunter2"));
}

TEST(LocalSources, SystemdRefusesAStrangeDirectory) {
  for (const auto* directory : {"", "relative", "/a/../b", "/a/./b", "/.."}) {
    auto fetch = open_session("systemd:db")->fetch();
    expect_action<ReadVariable>(fetch->resume(at(started())));
    const auto error = expect_error(fetch->resume(at(VariableRead{Secret::copy_of(directory)})));
    EXPECT_NE(error.code, ErrorCode::internal) << directory;
  }
}

TEST(LocalSources, SystemdTakesAFileOnlyOnceItAskedForOne) {
  auto fetch = open_session("systemd:db")->fetch();
  expect_action<ReadVariable>(fetch->resume(at(started())));
  auto error = expect_error(fetch->resume(at(FileRead{Secret::copy_of("hunter2")})));
  EXPECT_EQ(error.code, ErrorCode::internal);

  fetch = open_session("systemd:db")->fetch();
  expect_action<ReadVariable>(fetch->resume(at(started())));
  expect_action<ReadFile>(fetch->resume(at(VariableRead{Secret::copy_of("/run/credentials/a.service")})));
  error = expect_error(fetch->resume(at(VariableRead{Secret::copy_of("/elsewhere")})));
  EXPECT_EQ(error.code, ErrorCode::internal);
}

TEST(LocalSources, ExecRunsItsWords) {
  auto fetch = open_session("exec:/usr/bin/pass show 'a b#c'#password")->fetch();
  const auto run = expect_action<RunProgram>(fetch->resume(at(started())));
  EXPECT_EQ(run.argv, (std::vector<std::string>{"/usr/bin/pass", "show", "a b#c"}));
  EXPECT_EQ(run.deadline, Duration{limits::program_deadline});
  EXPECT_EQ(run.output_bytes_max, limits::secret_bytes_max);
  expect_action<Done>(fetch->resume(at(ProgramEnded{0, Secret::copy_of("{\"password\":\"hunter2\"}")})));
  EXPECT_TRUE(fetch->take().credential.secret.equals("hunter2"));
}

TEST(LocalSources, ExecThatFailsTellsItsStatusAndNotItsOutput) {
  auto fetch = open_session("exec:/bin/x")->fetch();
  expect_action<RunProgram>(fetch->resume(at(started())));
  const auto error = expect_error(fetch->resume(at(ProgramEnded{3, Secret::copy_of("hunter2canary")})));
  EXPECT_EQ(error.code, ErrorCode::retry_later);
  EXPECT_NE(describe(error).find("status 3"), std::string::npos);
  EXPECT_EQ(describe(error).find("canary"), std::string::npos);
}

TEST(LocalSources, HaveNothingToRenewOrEnd) {
  for (const auto* text : {"file:/x", "env:X", "systemd:x", "exec:/x"}) {
    auto session = open_session(text);
    EXPECT_EQ(session->renew({}), nullptr);
    EXPECT_EQ(session->revoke({}), nullptr);
    EXPECT_EQ(session->keep_alive(), nullptr);
    EXPECT_EQ(session->close(), nullptr);
    EXPECT_FALSE(session->keep_alive_at());
    EXPECT_TRUE(session->warnings().empty());
  }
}

TEST(LocalSources, ARefusalOfTheDriverKeepsItsCodeAndNamesThePlace) {
  for (const auto* text : {"file:/x", "env:X", "systemd:x", "exec:/x"}) {
    auto fetch = open_session(text)->fetch();
    ASSERT_TRUE(fetch->resume(at(started())));
    const auto error = expect_error(fetch->resume(at(ActionFailed{test_failure(ErrorCode::denied)})));
    EXPECT_EQ(error.code, ErrorCode::denied);
    EXPECT_EQ(error.hop, Hop::secret_source);
    EXPECT_EQ(error.where, text);
  }
}

TEST(LocalSources, AnAnswerThatWasNotAskedIsAnErrorNotACrash) {
  for (const auto* text : {"file:/x", "env:X", "systemd:x", "exec:/x"}) {
    auto fetch = open_session(text)->fetch();
    ASSERT_TRUE(fetch->resume(at(started())));
    EXPECT_EQ(expect_error(fetch->resume(at(Woken{}))).code, ErrorCode::internal);
  }
}

TEST(LocalSources, CheckTheirAttributes) {
  EXPECT_NE(open_error("file:/x?alow_world_readable=true").hint.find("Did you mean allow_world_readable?"),
            std::string::npos);
  EXPECT_EQ(open_error("file:/x?allow_world_readable=yes").code, ErrorCode::bad_config);
  EXPECT_EQ(open_error("file:/x?shape=json").code, ErrorCode::bad_config);
  EXPECT_EQ(open_error("env:1A").code, ErrorCode::bad_config);
  EXPECT_EQ(open_error("env:A-B").code, ErrorCode::bad_config);
  open_session(
      "file:/x?engine=postgresql&host=h&port=1&dbname=d&user=u&sslrootcert=/r&server_name=s&run_as=o");
}

TEST(LocalSources, SayWhatAReferenceConsumes) {
  const auto registry = secrets::register_all();
  EXPECT_EQ(registry.find("env")->authority_for(*secrets::parse_reference("env:DB_PASSWORD")).variables,
            std::vector<std::string>{"DB_PASSWORD"});
  EXPECT_EQ(registry.find("file")->authority_for(*secrets::parse_reference("file:/x")).files,
            std::vector<std::string>{"/x"});
  EXPECT_EQ(registry.find("systemd")->authority().variables,
            std::vector<std::string>{"CREDENTIALS_DIRECTORY"});
}

}  // namespace
}  // namespace sallyport::local_test
