#include "cli/certificate_watch.h"

#include <sys/stat.h>

#include <utility>

namespace sallyport::cli {

namespace {

/// Through links, as Kubernetes swaps whole directories behind one.
std::string stamp_of(const std::string& file) {
  struct stat info {};
  if (file.empty() || stat(file.c_str(), &info) != 0) return "-";
  std::string stamp;
  for (const auto number :
       {static_cast<long>(info.st_dev), static_cast<long>(info.st_ino), static_cast<long>(info.st_size),
        info.st_mtim.tv_sec, info.st_mtim.tv_nsec, info.st_ctim.tv_sec, info.st_ctim.tv_nsec}) {
    stamp += std::to_string(number) + " ";
  }
  return stamp;
}

std::string stamp_of(const ClientTlsPolicy& policy) {
  std::string stamp;
  for (const auto* file :
       {&policy.certificate_file, &policy.key_file, &policy.client_ca_file, &policy.client_crl_file}) {
    stamp += stamp_of(*file) + ";";
  }
  return stamp;
}

// The stamp is taken first: what changes while it is read is read once more.
CertificateWatch::Seen look_at(const ClientTlsPolicy& policy, const std::string& before,
                               const FileOpener& outside) {
  CertificateWatch::Seen seen;
  seen.stamp = stamp_of(policy);
  if (seen.stamp == before) return seen;
  auto tls = net::ServerTls::from_files(policy, outside);
  if (tls) {
    seen.tls = std::move(*tls);
  } else {
    seen.why_not = describe(tls.error());
  }
  return seen;
}

}  // namespace

CertificateWatch::~CertificateWatch() {
  *alive_ = false;
  loop_.cancel(timer_);
}

void CertificateWatch::watch(const std::string& route, std::shared_ptr<broker::RouteTls> tls) {
  if (tls == nullptr) {
    watched_.erase(route);
    return;
  }
  watched_[route] = {
      std::move(tls), {}, false};  // without a stamp: a change between its reading and now counts
  if (!timer_) timer_ = loop_.after(interval, [this] { look(); });
}

void CertificateWatch::look() {
  timer_ = {};
  if (!watched_.empty()) timer_ = loop_.after(interval, [this] { look(); });
  for (auto& [route, watched] : watched_) {
    if (watched.looking) continue;
    // A full lane: the next turn of the timer will do.
    watched.looking = lane_.submit([this, alive = alive_, &loop = loop_, route = route, tls = watched.tls,
                                    before = watched.stamp, outside = outside_] {
      auto seen = std::make_shared<Seen>(look_at(tls->current()->policy(), before, outside));
      loop.post([this, alive, route, tls, seen] {
        if (*alive) on_seen(route, tls, *seen);
      });
    });
  }
}

void CertificateWatch::on_seen(const std::string& route, const std::shared_ptr<broker::RouteTls>& tls,
                               const Seen& seen) {
  const auto found = watched_.find(route);
  if (found == watched_.end() || found->second.tls != tls) return;  // a reload was faster
  auto& watched = found->second;
  watched.looking = false;
  const bool first = watched.stamp.empty();
  watched.stamp = seen.stamp;
  if (!seen.why_not.empty()) {
    logger_.write(LogLevel::error, "certificates have changed and cannot be used: the old ones stay in force",
                  {{"route", route}, {"why", seen.why_not}});
  }
  if (seen.tls == nullptr) return;
  tls->replace(seen.tls);
  if (first) return;  // most likely the same as at start
  const auto until = format_utc(seen.tls->expires_at());
  logger_.write(LogLevel::info, "certificates were read anew", {{"route", route}, {"valid_until", until}});
}

}  // namespace sallyport::cli
