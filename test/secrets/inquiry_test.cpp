// Steps that ask, run again with each answer, and what they cost: every question is performed once.
#include "secrets/inquiry.h"
#include "secrets/time_text.h"
#include "secrets/web.h"
#include "test/secrets/cloud_world.h"

namespace sallyport::inquiry_test {
namespace {

using secrets::Inquiry;
using secrets::Then;

/// A fetch of one step that ends with a text.
std::unique_ptr<secrets::FetchConversation> one_step(
    const std::function<Result<std::string>(Inquiry&)>& body) {
  return std::make_unique<secrets::InquiryFetch>(
      std::vector<secrets::InquiryFetch::Step>{[body](Inquiry& ask, secrets::Fetched& out) -> Result<Then> {
        auto text = body(ask);
        if (!text) return std::move(text).error();
        out.credential.user = *text;
        return Then::next_step;
      }},
      "test:x");
}

TEST(Inquiry, AsksEachQuestionOnce) {
  CloudWorld world;
  world.variables = {{"A", "1"}, {"B", "2"}};
  world.files["/f"] = "3";
  auto fetch = one_step([](Inquiry& ask) -> Result<std::string> {
    auto a = ask.text("A");
    auto b = ask.text("B");
    auto f = ask.file({"/f"});
    if (!f) return f.error();
    return *a + *b + std::string{(*f)->reveal()};
  });
  ASSERT_TRUE(world.run(*fetch));
  EXPECT_EQ(fetch->take().credential.user, "123");
  EXPECT_EQ(world.read, (std::vector<std::string>{"variable A", "variable B", "file /f"}));
}

TEST(Inquiry, ASecondStepKeepsWhatTheFirstFound) {
  CloudWorld world;
  int found = 0;
  secrets::InquiryFetch fetch{{[&](Inquiry& ask, secrets::Fetched&) -> Result<Then> {
                                 (void)ask.variable("A");
                                 (void)ask.variable("B");
                                 ++found;
                                 return Then::next_step;
                               },
                               [&](Inquiry& ask, secrets::Fetched&) -> Result<Then> {
                                 (void)ask.variable("C");
                                 return test_failure(ErrorCode::denied, "test:x");
                               }},
                              "test:x"};
  EXPECT_FALSE(world.run(fetch));
  EXPECT_EQ(found, 1);
}

TEST(Inquiry, BeginsAgainOnceAndNoMore) {
  CloudWorld world;
  int runs = 0;
  secrets::InquiryFetch fetch{{[&](Inquiry& ask, secrets::Fetched&) -> Result<Then> {
                                (void)ask.variable("A");
                                ++runs;
                                return Then::all_again;
                              }},
                              "test:x"};
  const auto end = world.run(fetch);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::internal);
  EXPECT_EQ(runs, 2);
  EXPECT_EQ(world.read.size(), 2U);
}

TEST(Inquiry, AStepThatAsksForEverEnds) {
  CloudWorld world;
  auto fetch = one_step([](Inquiry& ask) -> Result<std::string> {
    while (true) (void)ask.variable("A");
  });
  EXPECT_FALSE(world.run(*fetch));
  EXPECT_LE(world.read.size(), secrets::questions_max + 1);
}

TEST(Inquiry, RefusesAnAnswerToAnotherQuestion) {
  auto fetch = one_step([](Inquiry& ask) { return ask.text("A"); });
  ASSERT_TRUE(fetch->resume({test_moment(), started()}));
  const auto end = fetch->resume({test_moment(), FileRead{Secret::copy_of("x")}});
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().code, ErrorCode::internal);
}

TEST(Inquiry, AVariableWithControlCharactersIsNotQuoted) {
  CloudWorld world;
  world.variables["A"] = "canary\nX";
  auto fetch = one_step([](Inquiry& ask) { return ask.text("A"); });
  const auto end = world.run(*fetch);
  ASSERT_FALSE(end);
  EXPECT_EQ(describe(end.error()).find("canary"), std::string::npos);
}

// ---- HTTP ----

Result<std::string> get(Inquiry& ask, const secrets::RetryRule& rule) {
  auto reply = secrets::ask_web(
      ask,
      [](Moment) {
        HttpRequest request;
        request.url = "https://cloud.example/secret?key=1";
        return request;
      },
      rule, "test:x");
  if (!reply) return std::move(reply).error();
  return std::to_string(reply->status) + ":" + std::string{reply->root()["a"].text()};
}

TEST(AskWeb, RetriesWhatPassesAndKeepsToRetryAfter) {
  CloudWorld world;
  int calls = 0;
  world.http["GET https://cloud.example"] = [&](const Asked&) -> Told {
    return ++calls == 1 ? Told{503, "{}", {{"retry-after", "7"}}} : Told{200, R"({"a":"b"})", {}};
  };
  auto fetch = one_step([](Inquiry& ask) { return get(ask, {}); });
  ASSERT_TRUE(world.run(*fetch));
  EXPECT_EQ(fetch->take().credential.user, "200:b");
  EXPECT_EQ(calls, 2);
  EXPECT_GE(world.waited, std::chrono::seconds{7});
}

TEST(AskWeb, DoesNotWaitForEver) {
  CloudWorld world;
  world.on("GET https://cloud.example", {429, "{}", {{"retry-after", "3600"}}});
  auto fetch = one_step([](Inquiry& ask) { return get(ask, {}); });
  ASSERT_TRUE(world.run(*fetch));
  EXPECT_EQ(fetch->take().credential.user, "429:");
  EXPECT_EQ(world.waited, Duration::zero());
}

TEST(AskWeb, ARedirectIsAnErrorThatNamesTheHost) {
  CloudWorld world;
  world.on("GET https://cloud.example", {302, "", {{"location", "https://evil.example/x?token=canary"}}});
  auto fetch = one_step([](Inquiry& ask) { return get(ask, {}); });
  const auto end = world.run(*fetch);
  ASSERT_FALSE(end);
  EXPECT_NE(end.error().what.find("evil.example"), std::string::npos);
  EXPECT_EQ(end.error().what.find("canary"), std::string::npos);
  EXPECT_EQ(world.asked.size(), 1U);
}

TEST(AskWeb, NamesTheHostOfALostConnection) {
  CloudWorld world;
  auto fetch = one_step([](Inquiry& ask) { return get(ask, {}); });
  const auto end = world.run(*fetch);
  ASSERT_FALSE(end);
  EXPECT_EQ(end.error().what.find("cloud.example: "), 0U) << end.error().what;
  EXPECT_EQ(world.asked.size(), 3U);
}

// ---- times ----

TEST(TimeText, ReadsWhatCloudsWrite) {
  const auto seconds = [](std::optional<WallTime> time) {
    return time ? std::chrono::duration_cast<std::chrono::seconds>(time->time_since_epoch()).count() : -1;
  };
  EXPECT_EQ(seconds(secrets::parse_http_date("Sun, 06 Nov 1994 08:49:37 GMT")), 784'111'777);
  EXPECT_EQ(seconds(secrets::parse_iso_time("1994-11-06T08:49:37Z")), 784'111'777);
  EXPECT_EQ(seconds(secrets::parse_iso_time("1994-11-06T08:49:37.123456789Z")), 784'111'777);
  EXPECT_EQ(seconds(secrets::parse_iso_time("1994-11-06T09:49:37+01:00")), 784'111'777);
  EXPECT_EQ(seconds(secrets::parse_iso_time("1994-11-06T07:49:37-0100")), 784'111'777);
  EXPECT_EQ(seconds(secrets::parse_iso_time("1994-11-06T08:49:37UTC")), 784'111'777);
  const auto latest = seconds(std::chrono::floor<std::chrono::seconds>(WallTime::max()));
  EXPECT_EQ(seconds(secrets::parse_iso_time("5994-11-06T08:49:37-0110")), latest) << "what no clock can hold";
  for (const auto* bad : {"", "1994-13-06T08:49:37Z", "1994-11-06T24:49:37Z", "1994-11-06T08:49:37", "x",
                          "1994-02-30T08:49:37Z", "1994-11-06T08:49:37.Z", "1994-11-06T08:49:37Zx"}) {
    EXPECT_FALSE(secrets::parse_iso_time(bad)) << bad;
  }
  EXPECT_TRUE(secrets::parse_iso_time("9999-12-31T23:59:59Z"));
  EXPECT_EQ(secrets::format_basic(WallTime{std::chrono::seconds{784'111'777}}), "19941106T084937Z");
}

}  // namespace
}  // namespace sallyport::inquiry_test
