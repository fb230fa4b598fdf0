// Our login (and our cancel) against a server that says anything: raw bytes, or an honest server's answer,
// whole or with bytes put before, behind or over it. The reusable password must never be sent, and nobody
// who did not prove that he knows it lets us in.
#include "../test/wire/fake_postgres.h"
#include "wire/postgres/cancel.h"
#include "wire/postgres/client_login.h"

#include <fuzzer/FuzzedDataProvider.h>

#include <cstdlib>

using namespace sallyport;
using namespace sallyport::postgres;

namespace {

constexpr std::string_view canary = "canary-password";

/// One reply: mostly what the honest server says, changed as the input tells.
WipedBytes reply(FuzzedDataProvider& input, test::FakePostgres& honest, Bytes sent, bool& changed) {
  const auto mode = input.ConsumeIntegralInRange<int>(0, 4);
  // The fake server reads what we sent and needs its own order: once it was left out, it is over with it.
  WipedBytes out;
  if (mode != 4 && !changed) out = honest(sent);
  if (mode == 0) return out;
  changed = true;
  const auto noise = input.ConsumeRandomLengthString(400);
  switch (mode) {
    case 1: out.insert(out.begin(), noise.begin(), noise.end()); break;
    case 2: out.insert(out.end(), noise.begin(), noise.end()); break;
    case 3: {
      if (out.empty()) break;
      const auto at = input.ConsumeIntegralInRange<std::size_t>(0, out.size() - 1);
      out[at] = input.ConsumeIntegral<std::uint8_t>();
      break;
    }
    default: out.assign(noise.begin(), noise.end()); break;
  }
  return out;
}

test::DriverOptions driver_options(FuzzedDataProvider& input) {
  test::DriverOptions options;
  options.chunk_bytes = input.ConsumeIntegralInRange<std::size_t>(1, 200);
  options.close_at_step =
      input.ConsumeBool() ? input.ConsumeIntegralInRange<std::size_t>(0, 20) : options.close_at_step;
  options.close_after_last_reply = input.ConsumeBool();
  options.tls.peer_verified = input.ConsumeBool();
  if (input.ConsumeBool()) options.tls.server_end_point.assign(32, 0xee);
  return options;
}

void fuzz_cancel(FuzzedDataProvider& input) {
  const auto tls = input.ConsumeBool() ? LoginTls::require : LoginTls::disable;
  CancelConversation conversation{{1, {1, 2, 3, 4}}, tls};
  auto options = driver_options(input);
  test::Driver driver{conversation,
                      [&](Bytes) { return test::bytes_of(input.ConsumeRandomLengthString(20)); }, options};
  (void)driver.run();
  // Before TLS there is nothing but the SSLRequest.
  if (tls == LoginTls::require && driver.sent_before_tls().size() > 8) std::abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  if (input.ConsumeIntegralInRange<int>(0, 15) == 0) {
    fuzz_cancel(input);
    return 0;
  }
  auto credential = std::make_shared<Credential>();
  credential->user = "app";
  credential->secret = Secret::copy_of(canary);
  credential->kind = static_cast<CredentialKind>(input.ConsumeIntegralInRange<int>(0, 2));
  ClientLoginRequest request;
  request.credential = credential;
  request.database = "db";
  request.tls = input.ConsumeBool() ? LoginTls::require : LoginTls::disable;
  request.methods.md5 = input.ConsumeBool();
  request.protocol = input.ConsumeBool() ? protocol_3_2 : protocol_3_0;
  const bool tls = request.tls == LoginTls::require;
  const bool md5 = request.methods.md5;

  test::FakePostgresSettings settings;
  settings.tls = tls;
  settings.ask = static_cast<test::Ask>(input.ConsumeIntegralInRange<int>(0, 8));
  settings.error_sqlstate = "53300";
  settings.end_point.assign(32, 0xee);
  settings.iterations = 1;
  // A row of two columns, "false" and "off", and that it is ready.
  settings.answer = std::string{
      "D\0\0\0\x16\0\x02\0\0\0\x05"
      "false\0\0\0\x03off"
      "Z\0\0\0\x05I",
      29};
  const auto options = driver_options(input);
  const bool ask_kind = request.ask_kind = input.ConsumeBool();
  ClientLogin conversation{std::move(request)};
  test::FakePostgres honest{settings};
  bool changed = false;
  test::Driver driver{conversation, [&](Bytes sent) { return reply(input, honest, sent, changed); }, options};
  const auto end = driver.run();

  const bool sent_clear = driver.sent().find(canary) != std::string::npos;
  if (sent_clear && !(credential->kind == CredentialKind::token && tls && options.tls.peer_verified))
    std::abort();
  if (driver.sent_before_tls().size() > 8 && tls) std::abort();
  if (!end && describe(end.error()).find(canary) != std::string::npos) std::abort();
  if (end) {
    if (ask_kind && !(conversation.greeting().in_hot_standby && conversation.greeting().read_only))
      std::abort();
    const auto& method = conversation.greeting().login_method;
    if (method.empty() || (method == "md5" && !md5)) std::abort();
    if (method == "certificate" && credential->kind != CredentialKind::client_certificate) std::abort();
    if (method == "cleartext" && credential->kind != CredentialKind::token) std::abort();
  }
  return 0;
}
