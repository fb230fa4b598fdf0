#include "cli/certificate_watch.h"

#include "net/tls_material.h"

#include <sys/stat.h>

#include <algorithm>
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

std::string stamp_of(const std::vector<std::string>& files) {
  std::string stamp;
  for (const auto& file : files) stamp += stamp_of(file) + ";";
  return stamp;
}

constexpr auto tell_every = std::chrono::hours{24};

using Ends = std::vector<CertificateFiles::Ending>;

void add_end(Ends& ends, std::string_view what, const std::string& file, const FileOpener& outside,
             std::optional<net::Validity> (*validity_of)(std::string_view)) {
  if (file.empty()) return;
  const auto pem = net::read_tls_file(file, outside);
  if (!pem) return;  // read a moment ago; the next look finds what has become of it
  if (const auto validity = validity_of(*pem)) ends.push_back({what, *validity});
}

// The stamp is taken first: what changes while it is read is read once more.
CertificateWatch::Seen look_at(const CertificateFiles& files, const std::string& before) {
  CertificateWatch::Seen seen;
  seen.stamp = stamp_of(files.files);
  if (seen.stamp == before) return seen;
  auto use = files.read();
  if (use) {
    seen.use = std::move(*use);
    if (files.ends) seen.ends = files.ends();
  } else {
    seen.why_not = describe(use.error());
  }
  return seen;
}

}  // namespace

CertificateFiles files_of(std::shared_ptr<broker::RouteTls> tls, FileOpener outside) {
  const auto policy = tls->current()->policy();
  CertificateFiles all;
  all.files = {policy.certificate_file, policy.key_file, policy.client_ca_file, policy.client_crl_file};
  all.ends = [policy, outside] {
    Ends ends;
    add_end(ends, "certificate", policy.certificate_file, outside, net::validity_of_certificate);
    add_end(ends, "client_crl", policy.client_crl_file, outside, net::validity_of_lists);
    return ends;
  };
  all.read = [policy, tls = std::move(tls), outside = std::move(outside)]() -> Result<CertificateFiles::Use> {
    auto fresh = net::ServerTls::from_files(policy, outside);
    if (!fresh) return fresh.error();
    return CertificateFiles::Use{[tls, next = std::move(*fresh)] { tls->replace(next); }};
  };
  return all;
}

CertificateFiles files_of(const TlsPolicy& policy, FileOpener outside,
                          std::function<void(std::shared_ptr<const net::TlsContext>)> use) {
  CertificateFiles all;
  for (const auto& file : policy.roots) {
    if (file != "system") all.files.push_back(file);
  }
  for (const auto* file : {&policy.crl_file, &policy.client_certificate_file, &policy.client_key_file}) {
    if (!file->empty()) all.files.push_back(*file);
  }
  all.ends = [policy, outside] {
    Ends ends;
    add_end(ends, "certificate", policy.client_certificate_file, outside, net::validity_of_certificate);
    add_end(ends, "crl", policy.crl_file, outside, net::validity_of_lists);
    return ends;
  };
  all.read = [policy, outside = std::move(outside), use = std::move(use)]() -> Result<CertificateFiles::Use> {
    auto fresh = net::TlsContext::for_upstream(policy, outside);
    if (!fresh) return fresh.error();
    return CertificateFiles::Use{[use, next = std::move(*fresh)] { use(next); }};
  };
  return all;
}

CertificateWatch::~CertificateWatch() {
  *alive_ = false;
  loop_.cancel(timer_);
}

void CertificateWatch::watch(std::string_view kind, const std::string& name, CertificateFiles files) {
  if (files.files.empty()) {
    watched_.erase({kind, name});
    return;
  }
  // Without a stamp: a change between their reading and now counts. What was told of before stays told.
  auto& watched = watched_[{kind, name}];
  watched = {std::make_shared<const CertificateFiles>(std::move(files)), {}, false, std::move(watched.ends)};
  if (!timer_) timer_ = loop_.after(interval, [this] { look(); });
}

void CertificateWatch::look() {
  timer_ = {};
  if (!watched_.empty()) timer_ = loop_.after(interval, [this] { look(); });
  for (auto& [key, watched] : watched_) {
    warn_of_ends(key, watched);
    if (watched.looking) continue;
    // A full lane: the next turn of the timer will do.
    watched.looking = lane_.submit(
        [this, alive = alive_, &loop = loop_, key = key, files = watched.files, before = watched.stamp] {
          auto seen = std::make_shared<Seen>(look_at(*files, before));
          loop.post([this, alive, key, files, seen] {
            if (*alive) on_seen(key, files, *seen);
          });
        });
  }
}

void CertificateWatch::on_seen(const Key& key, const std::shared_ptr<const CertificateFiles>& files,
                               const Seen& seen) {
  const auto found = watched_.find(key);
  if (found == watched_.end() || found->second.files != files) return;  // a reload was faster
  auto& watched = found->second;
  watched.looking = false;
  const bool first = watched.stamp.empty();
  watched.stamp = seen.stamp;
  if (!seen.why_not.empty()) {
    logger_.write(LogLevel::error, "certificates have changed and cannot be used: the old ones stay in force",
                  {{key.first, key.second}, {"why", seen.why_not}});
  }
  if (!seen.use) return;
  seen.use();
  take_ends(watched, seen.ends);
  warn_of_ends(key, watched);
  if (first) return;  // most likely the same as at start
  const auto own = std::find_if(watched.ends.begin(), watched.ends.end(),
                                [](const auto& end) { return end.what == "certificate"; });
  if (own == watched.ends.end()) {
    logger_.write(LogLevel::info, "certificates were read anew", {{key.first, key.second}});
  } else {
    logger_.write(LogLevel::info, "certificates were read anew",
                  {{key.first, key.second}, {"valid_until", format_utc(own->validity.until)}});
  }
}

// What was told of one that ends when it did before stays told.
void CertificateWatch::take_ends(Watched& watched, std::vector<CertificateFiles::Ending> ends) {
  for (auto& end : ends) {
    for (const auto& before : watched.ends) {
      if (before.what == end.what && before.validity.until == end.validity.until) end.told = before.told;
    }
  }
  watched.ends = std::move(ends);
}

void CertificateWatch::warn_of_ends(const Key& key, Watched& watched) {
  const auto now = loop_.now().wall;
  for (auto& end : watched.ends) {
    if (end.validity.until - now > net::warn_ahead(end.validity)) continue;
    if (end.told && now - *end.told < tell_every) continue;
    end.told = now;
    const bool over = end.validity.until <= now;
    logger_.write(over ? LogLevel::error : LogLevel::warning,
                  over ? "a certificate or revocation list has ended: whoever needs it is refused"
                       : "a certificate or revocation list ends soon, and whoever needs it is refused then",
                  {{key.first, key.second},
                   {"what", end.what},
                   {"until", format_utc(end.validity.until)},
                   {"fix", "renew the file: it is read anew by itself"}});
  }
}

std::vector<broker::ExpiryStatus> CertificateWatch::expiries() const {
  std::vector<broker::ExpiryStatus> all;
  for (const auto& [key, watched] : watched_) {
    for (const auto& end : watched.ends) all.push_back({key.first, key.second, end.what, end.validity.until});
  }
  return all;
}

}  // namespace sallyport::cli
