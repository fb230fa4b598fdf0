// Threat 3, one row per keyword of libpq: what becomes of it when a secret says it, at the first fetch and at a
// refetch, as a member of JSON, a parameter of a URI and a word of a connection string. Through a real source, the
// shape and the slot, because the rule is theirs together: secrets/shape.h ignores, credentials/slot pins.
#include "dsn/keywords.h"
#include "test/contract/source_suite.h"
#include "test/credentials/fake_world.h"

#include <algorithm>
#include <fstream>
#include <regex>

namespace sallyport::contract::merge_rule_test {
namespace {

using namespace std::chrono_literals;

enum class Effect {
  ignored,  ///< dropped, and named
  pinned,   ///< handed up at the first fetch; a refetch that says otherwise is refused
  path,     ///< a host that is a path: dropped and named; a refetch then lacks the host, and is refused
  taken,    ///< the credential itself
};

struct Row {
  std::string keyword;
  std::string value = "canary";
  Effect effect = Effect::ignored;
};

const std::vector<Row>& rows() {
  static const std::vector<Row> table{
      {"host", "canary.example.com", Effect::pinned},
      {"host", "/tmp/canary", Effect::path},
      {"hostaddr", "192.0.2.1"},
      {"port", "6432", Effect::pinned},
      {"dbname", "canary", Effect::pinned},
      {"user", "other", Effect::taken},
      {"password", "canary", Effect::taken},
      {"passfile", "/tmp/canary"},
      {"require_auth", "none"},
      {"channel_binding", "disable"},
      {"connect_timeout", "0"},
      {"client_encoding"},
      {"options", "-c search_path=canary"},
      {"application_name"},
      {"fallback_application_name"},
      {"keepalives", "0"},
      {"keepalives_idle"},
      {"keepalives_interval"},
      {"keepalives_count"},
      {"tcp_user_timeout"},
      {"replication", "database"},
      {"gssencmode", "disable"},
      {"sslmode", "disable"},
      {"requiressl", "0"},
      {"sslnegotiation", "direct"},
      {"sslcompression", "1"},
      {"sslcert", "/tmp/canary"},
      {"sslkey", "/tmp/canary"},
      {"sslkeylogfile", "/tmp/canary"},
      {"sslpassword"},
      {"sslcertmode", "disable"},
      {"sslrootcert", "/tmp/canary"},
      {"sslcrl", "/tmp/canary"},
      {"sslcrldir", "/tmp/canary"},
      {"sslsni", "0"},
      {"requirepeer"},
      {"ssl_min_protocol_version", "TLSv1"},
      {"ssl_max_protocol_version", "TLSv1"},
      {"min_protocol_version", "3.0"},
      {"max_protocol_version", "3.0"},
      {"krbsrvname"},
      {"gsslib"},
      {"gssdelegation", "1"},
      {"scram_client_key"},
      {"scram_server_key"},
      {"service"},
      {"servicefile", "/tmp/canary"},
      {"target_session_attrs", "any"},
      {"load_balance_hosts", "random"},
      {"oauth_issuer"},
      {"oauth_client_id"},
      {"oauth_client_secret"},
      {"oauth_scope"},
  };
  return table;
}

enum class Form { json, uri, words };
constexpr Form forms[] = {Form::json, Form::uri, Form::words};

/// A whole secret whose password is `password`, and the row's keyword in it, in the place of an honest one.
std::string secret_of(Form form, std::string_view password, const Row* row) {
  std::vector<std::pair<std::string, std::string>> fields{{"host", "db.example.com"},
                                                          {"port", "5432"},
                                                          {"dbname", "app"},
                                                          {"user", "app"},
                                                          {"password", std::string{password}}};
  if (form == Form::uri) {
    auto uri = "postgres://app:" + std::string{password} + "@db.example.com:5432/app";
    if (row == nullptr) return uri;
    return uri + "?" + row->keyword + "=" + row->value;
  }
  if (row != nullptr) {
    std::erase_if(fields, [&](const auto& field) { return field.first == row->keyword; });
    fields.emplace_back(row->keyword, row->value);
  }
  std::string out = form == Form::json ? R"({"engine":"postgresql")" : "";
  for (const auto& [name, value] : fields) {
    out += form == Form::json ? ",\"" + name + "\":\"" + value + '"' : name + "='" + value + "' ";
  }
  return out + (form == Form::json ? "}" : "");
}

/// A slot that polls `file:/run/secrets/db`.
class PolledSlot {
 public:
  explicit PolledSlot(const std::string& secret) {
    store(secret);
    slots_.options.poll_every = 5s;
    slots_.manager.on_fetch = [this] { return fetch(); };
    first_ = slots_.get();
  }

  void store(const std::string& secret) { machine_.files["/run/secrets/db"] = secret; }
  void poll() { slots_.timers.advance(1min); }

  [[nodiscard]] const Result<credentials::GenerationPtr>& first() const { return first_; }
  credentials::GenerationPtr current() { return slots_.slot().current(); }
  [[nodiscard]] const credentials::Recorder& told() const { return slots_.observer; }

 private:
  Result<secrets::Fetched> fetch() {
    auto conversation = session_->fetch();
    auto ended = run(machine_, *conversation);
    if (!ended.end) return std::move(ended.end).error();
    return conversation->take();
  }

  SourceWorld machine_;
  std::unique_ptr<secrets::SourceSession> session_ = open_session("file:/run/secrets/db");
  credentials::World slots_;
  Result<credentials::GenerationPtr> first_ = credentials::GenerationPtr{};
};

const secrets::SuppliedEndpoint honest{"postgresql", "db.example.com", 5432, {}, "app"};

/// The honest endpoint with the row's value in its place.
secrets::SuppliedEndpoint endpoint_with(const Row& row) {
  auto out = honest;
  if (row.keyword == "host") out.host = row.effect == Effect::path ? "" : row.value;
  if (row.keyword == "port") out.port = 6432;
  if (row.keyword == "dbname") out.database = row.value;
  return out;
}

std::vector<std::string> named(const Row& row) {
  if (row.effect == Effect::ignored) return {row.keyword};
  if (row.effect == Effect::path) return {"host (a path)"};
  return {};
}

template <class Check>
void for_each_row(Check check) {
  for (const auto form : forms) {
    for (const auto& row : rows()) {
      SCOPED_TRACE(secret_of(form, "one", &row));
      check(form, row);
    }
  }
}

TEST(MergeRule, HasARowForEveryKeywordOfLibpq) {
  std::ifstream file{SALLYPORT_SOURCE_DIR "/src/dsn/keywords.cpp"};
  const std::string text{std::istreambuf_iterator<char>{file}, {}};
  const auto from = text.find("libpq = ");
  const auto table = text.substr(from, text.find("});", from) - from);
  const std::regex line{R"re(\{"(\w+)", Meaning::)re"};
  std::size_t keywords = 0;
  for (std::sregex_iterator at{table.begin(), table.end(), line}, end; at != end; ++at, ++keywords) {
    const auto keyword = (*at)[1].str();
    EXPECT_TRUE(dsn::is_libpq_keyword(keyword));
    EXPECT_TRUE(std::any_of(rows().begin(), rows().end(), [&](const Row& r) { return r.keyword == keyword; }))
        << keyword;
  }
  EXPECT_GT(keywords, 40U);
}

TEST(MergeRule, AtTheFirstFetchASecretSuppliesCredentialAndEndpointOnly) {
  for_each_row([](Form form, const Row& row) {
    PolledSlot slot{secret_of(form, "one", &row)};
    ASSERT_TRUE(slot.first()) << describe(slot.first().error());
    const auto& generation = **slot.first();
    EXPECT_TRUE(generation.endpoint == endpoint_with(row));
    EXPECT_EQ(generation.ignored_fields, named(row));
    EXPECT_EQ(generation.credential->user, row.keyword == "user" ? row.value : "app");
    EXPECT_TRUE(generation.credential->secret.equals(row.keyword == "password" ? row.value : "one"));
  });
}

TEST(MergeRule, ARefetchMayChangeTheCredentialOnly) {
  for_each_row([](Form form, const Row& row) {
    PolledSlot slot{secret_of(form, "one", nullptr)};
    ASSERT_TRUE(slot.first()) << describe(slot.first().error());
    slot.store(secret_of(form, "two", &row));
    slot.poll();
    const auto current = slot.current();
    EXPECT_TRUE(current->endpoint == honest);
    if (row.effect == Effect::pinned || row.effect == Effect::path) {
      EXPECT_EQ(current->number, 1U);
      EXPECT_TRUE(current->credential->secret.equals("one"));
      ASSERT_FALSE(slot.told().events.empty());
      EXPECT_EQ(slot.told().events[0].kind, credentials::SecurityEvent::Kind::endpoint_changed);
    } else {
      EXPECT_EQ(current->number, 2U);
      EXPECT_EQ(current->ignored_fields, named(row));
      EXPECT_EQ(current->credential->user, row.keyword == "user" ? row.value : "app");
      EXPECT_TRUE(current->credential->secret.equals(row.keyword == "password" ? row.value : "two"));
      EXPECT_TRUE(slot.told().events.empty());
    }
  });
}

// Nobody is told a value that came out of a secret, not even of a host.
TEST(MergeRule, WhatIsToldOfIgnoredAndRefusedKeywordsHasNoValue) {
  for_each_row([](Form form, const Row& row) {
    PolledSlot slot{secret_of(form, "one", nullptr)};
    slot.store(secret_of(form, "two", &row));
    slot.poll();
    for (const auto& event : slot.told().events) EXPECT_EQ(event.text.find("canary"), std::string::npos);
    for (const auto& text : slot.told().warnings) EXPECT_EQ(text.find("canary"), std::string::npos);
  });
}

}  // namespace
}  // namespace sallyport::contract::merge_rule_test
