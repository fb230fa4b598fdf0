// Certificates of routes are renewed under a running service, often every day: their files are looked at on a timer,
// on the file lane, and read anew when they have changed. New handshakes get the new ones; live sessions stay.
//
// A new file that is broken, or half written, leaves the old one in force and is told once.
#pragma once

#include "base/log.h"
#include "broker/route_tls.h"
#include "net/lane.h"
#include "net/loop.h"

#include <map>
#include <memory>
#include <string>

namespace sallyport::cli {

/// All calls come on the relay loop.
class CertificateWatch {
 public:
  static constexpr auto interval = std::chrono::seconds{10};

  /// `outside` opens what the sandbox keeps from us.
  CertificateWatch(net::Loop& loop, net::Lane& lane, Logger& logger, FileOpener outside = nullptr)
      : loop_(loop), lane_(lane), logger_(logger), outside_(std::move(outside)) {}
  ~CertificateWatch();
  CertificateWatch(const CertificateWatch&) = delete;
  CertificateWatch& operator=(const CertificateWatch&) = delete;

  /// From now on the files of this route are looked at. Null: no longer.
  void watch(const std::string& route, std::shared_ptr<broker::RouteTls> tls);

  /// What a look at the files brought.
  struct Seen {
    std::string stamp;                          ///< of all files: which they are, and when they were changed
    std::shared_ptr<const net::ServerTls> tls;  ///< null: unchanged, or `why_not`
    std::string why_not;
  };

 private:
  struct Watched {
    std::shared_ptr<broker::RouteTls> tls;
    std::string stamp;  // of what was read, or found broken, last
    bool looking = false;
  };
  void look();
  void on_seen(const std::string& route, const std::shared_ptr<broker::RouteTls>& tls, const Seen& seen);

  net::Loop& loop_;
  net::Lane& lane_;
  Logger& logger_;
  FileOpener outside_;
  std::map<std::string, Watched> watched_;
  net::TimerId timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::cli
