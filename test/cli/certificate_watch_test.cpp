// Certificates that are renewed under a running service.
#include "cli/certificate_watch.h"

#include "test/broker/doubles.h"
#include "test/net/pki.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <mutex>
#include <set>
#include <thread>

namespace sallyport::cli::certificate_watch_test {
namespace {

using namespace std::chrono_literals;
using namespace sallyport::test;

/// The lane's answers come from its own thread.
class SharedLoop final : public net::Loop {
 public:
  [[nodiscard]] Moment now() const override {
    auto moment = own.now();
    moment.wall += calendar_ahead;
    return moment;
  }
  net::TimerId after(Duration delay, std::function<void()> action) override {
    return own.after(delay, std::move(action));
  }
  void cancel(net::TimerId timer) override { own.cancel(timer); }
  void post(std::function<void()> action) override {
    const std::lock_guard lock{mutex_};
    posted_.push_back(std::move(action));
    arrived_.notify_one();
  }
  void at_turn_end(std::function<void()> action) override { own.at_turn_end(std::move(action)); }

  /// One interval, and what a look at one route's files brings.
  void look_once() {
    own.advance(CertificateWatch::interval);
    std::unique_lock lock{mutex_};
    ASSERT_TRUE(arrived_.wait_for(lock, 10s, [this] { return !posted_.empty(); }));
    auto actions = std::exchange(posted_, {});
    lock.unlock();
    for (auto& action : actions) action();
  }

  VirtualLoop own;
  Duration calendar_ahead{};  ///< of the loop's own

 private:
  std::mutex mutex_;
  std::condition_variable arrived_;
  std::vector<std::function<void()>> posted_;
};

class CertificateWatchTest : public testing::Test {
 protected:
  CertificateWatchTest() {
    renew();
    policy_ = {directory_.path() + "/tls.crt", directory_.path() + "/tls.key", {}, {}, false};
    tls_ = std::make_shared<broker::RouteTls>(*net::ServerTls::from_files(policy_));
    watch_.watch("route", "app", files_of(tls_, nullptr));
    loop_.look_once();
    first_ = tls_->current();
  }
  void renew() {
    const auto own = make_identity({.common_name = "localhost"}, &authority_);
    directory_.write("tls.key", key_pem(own));
    directory_.write("tls.crt", certificate_pem(own));
  }

  TemporaryDirectory directory_;
  Identity authority_ = make_authority("CA");
  ClientTlsPolicy policy_;
  std::shared_ptr<broker::RouteTls> tls_;
  std::shared_ptr<const net::ServerTls> first_;
  SharedLoop loop_;
  net::Lane lane_{"file", 1, 16};
  RememberingLogger logger_;
  CertificateWatch watch_{loop_, lane_, logger_};
};

TEST_F(CertificateWatchTest, UnchangedFilesChangeNothing) {
  loop_.look_once();
  EXPECT_EQ(tls_->current(), first_);
  EXPECT_TRUE(logger_.lines.empty());
}

TEST_F(CertificateWatchTest, NewFilesAreReadAndTold) {
  renew();
  loop_.look_once();
  EXPECT_NE(tls_->current()->end_point(), first_->end_point());
  EXPECT_EQ(logger_.lines, std::vector<std::string>{"certificates were read anew"});
}

TEST_F(CertificateWatchTest, BrokenFilesLeaveTheOldOnesInForceAndAreToldOnce) {
  directory_.write("tls.crt", "half a certi");
  for (int i = 0; i < 3; ++i) loop_.look_once();
  EXPECT_EQ(tls_->current(), first_);
  EXPECT_EQ(logger_.lines, std::vector<std::string>{
                               "certificates have changed and cannot be used: the old ones stay in force"});
  renew();
  loop_.look_once();
  EXPECT_NE(tls_->current(), first_);
  EXPECT_EQ(logger_.lines.size(), 2u);
}

TEST_F(CertificateWatchTest, AFileThatIsAwayForAMomentIsNoReasonToStop) {
  std::filesystem::remove(policy_.key_file);
  loop_.look_once();
  EXPECT_EQ(tls_->current(), first_);
  renew();
  loop_.look_once();
  EXPECT_NE(tls_->current()->end_point(), first_->end_point());
}

TEST_F(CertificateWatchTest, ATargetsRootsAreReadAnewToo) {
  watch_.forget("route", "app");
  directory_.write("ca.crt", certificate_pem(authority_));
  TlsPolicy policy;
  policy.roots = {"system", directory_.path() + "/ca.crt"};
  std::vector<std::shared_ptr<const net::TlsContext>> used;
  watch_.watch("target", "db", files_of(policy, nullptr, [&](auto tls) { used.push_back(std::move(tls)); }));
  for (int i = 0; i < 3; ++i) loop_.look_once();
  EXPECT_EQ(used.size(), 1u) << "once, as they may have changed since they were read at start";
  directory_.write("ca.crt", certificate_pem(make_authority("another CA")));
  for (int i = 0; i < 3; ++i) loop_.look_once();
  EXPECT_EQ(used.size(), 2u);
  directory_.write("ca.crt", "half a certi");
  for (int i = 0; i < 3; ++i) loop_.look_once();
  EXPECT_EQ(used.size(), 2u);
  EXPECT_EQ(logger_.lines, (std::vector<std::string>{
                               "certificates were read anew",
                               "certificates have changed and cannot be used: the old ones stay in force"}));
}

TEST_F(CertificateWatchTest, WhatEndsIsToldBeforeAndOnceADay) {
  constexpr auto soon = "a certificate or revocation list ends soon, and whoever needs it is refused then";
  constexpr auto over = "a certificate or revocation list has ended: whoever needs it is refused";
  ASSERT_EQ(watch_.expiries().size(), 1u);
  const auto end = watch_.expiries().front();
  EXPECT_EQ(end.kind, "route");
  EXPECT_EQ(end.name, "app");
  EXPECT_EQ(end.what, "certificate");
  const auto left_is = [&](Duration left) {
    loop_.calendar_ahead = end.until - left - loop_.own.now().wall;
    loop_.look_once();
  };
  left_is(8 * 24h);  // of 31 days
  EXPECT_TRUE(logger_.lines.empty());
  left_is(6 * 24h);
  left_is(6 * 24h - 1h);
  EXPECT_EQ(logger_.lines, std::vector<std::string>{soon});
  left_is(4 * 24h);
  left_is(-1h);
  EXPECT_EQ(logger_.lines, (std::vector<std::string>{soon, soon, over}));
}

TEST_F(CertificateWatchTest, RevocationListsAreTold) {
  directory_.write("ca.crt", certificate_pem(authority_));
  directory_.write("crl.pem", crl_pem(authority_, {}, 3));
  policy_.client_ca_file = directory_.path() + "/ca.crt";
  policy_.client_crl_file = directory_.path() + "/crl.pem";
  tls_ = std::make_shared<broker::RouteTls>(*net::ServerTls::from_files(policy_));
  watch_.watch("route", "app", files_of(tls_, nullptr));
  TlsPolicy target;
  target.roots = {policy_.client_ca_file};
  target.crl_file = policy_.client_crl_file;
  loop_.look_once();
  watch_.watch("target", "db", files_of(target, nullptr, [](const auto&) {}));
  for (int i = 0; i < 5 && watch_.expiries().size() < 3; ++i) loop_.look_once();
  std::set<std::string> told;
  for (const auto& one : watch_.expiries()) told.insert(std::string{one.kind} + " " + std::string{one.what});
  EXPECT_EQ(told, (std::set<std::string>{"route certificate", "route client_crl", "target crl"}));
  watch_.forget("route", "app");
  EXPECT_EQ(watch_.expiries().size(), 1u);
}

TEST_F(CertificateWatchTest, ARouteThatIsGoneIsLeftAlone) {
  watch_.forget("route", "app");
  renew();
  loop_.own.advance(60s);
  EXPECT_EQ(tls_->current(), first_);
  EXPECT_EQ(loop_.own.timers(), 0u);
}

}  // namespace
}  // namespace sallyport::cli::certificate_watch_test
