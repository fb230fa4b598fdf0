// Connection strings: any text is refused or read; what was read is written in every dialect and read back alike.
#include "dsn/postgres.h"
#include "dsn/render.h"

#include <cstdint>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sallyport;
  auto target = dsn::parse_postgres(as_text({data, size}));
  if (!target) {
    if (target.error().what.empty() || describe(target.error()).size() > 400) std::abort();
    return 0;
  }
  if (target->hosts.size() > dsn::hosts_max || target->parameters.size() > dsn::parameters_max) std::abort();
  const auto token = Secret::copy_of("Token_0-9");
  for (const auto* dialect :
       {"postgresql://", "postgresql+asyncpg://", "jdbc:postgresql:x", "host=x", "Host=x;"}) {
    dsn::LocalTarget local{*dsn::dialect_of(dialect), dsn::LocalTcp{"127.0.0.1", 6432}, target->user,
                           target->database, target->parameters};
    auto text = dsn::render_with_token(local, token);
    if (!text) std::abort();
    auto back = dsn::parse_postgres(text->reveal());
    if (!back) {
      // The one thing that writing may exceed is the limit on the whole text.
      if (back.error().code != ErrorCode::limit_exceeded) std::abort();
      continue;
    }
    if (back->dialect != local.dialect || back->user != target->user || back->database != target->database)
      std::abort();
    if (!back->password.equals("Token_0-9")) std::abort();
    if (back->hosts != std::vector<dsn::HostPort>{{"127.0.0.1", 6432}}) std::abort();
  }
  return 0;
}
