// Certificates of routes and of targets are renewed under a running service, often every day: their files are looked at
// on a timer, on the file lane, and read anew when they have changed. New handshakes get the new ones; live sessions stay.
//
// A new file that is broken, or half written, leaves the old one in force and is told once. One that ends soon is told once
// a day: a certificate or a revocation list that has ended shuts everybody out who needs it.
#pragma once

#include "base/log.h"
#include "broker/route_tls.h"
#include "broker/status.h"
#include "net/lane.h"
#include "net/loop.h"
#include "net/tls.h"
#include "net/validity.h"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace sallyport::cli {

/// Files that belong together, and what is made of them.
struct CertificateFiles {
  /// Puts in force what was read, on the relay loop.
  using Use = std::function<void()>;

  /// One that ends, by its key of the configuration.
  struct Ending {
    std::string_view what;
    net::Validity validity;
    std::optional<WallTime> told = {};
  };

  std::vector<std::string> files;                  ///< their paths; empty ones are none
  std::function<Result<Use>()> read;               ///< on the file lane
  std::function<std::vector<Ending>()> ends = {};  ///< on the file lane, after read()
};
/// Of a route's own certificate and its clients' authorities. `outside` opens what the sandbox keeps from us.
CertificateFiles files_of(std::shared_ptr<broker::RouteTls> tls, FileOpener outside);
/// Of how a target's server is verified, and what it is shown; `use` gets what was read.
CertificateFiles files_of(const TlsPolicy& policy, FileOpener outside,
                          std::function<void(std::shared_ptr<const net::TlsContext>)> use);

/// All calls come on the relay loop.
class CertificateWatch {
 public:
  static constexpr auto interval = std::chrono::seconds{10};

  CertificateWatch(net::Loop& loop, net::Lane& lane, Logger& logger)
      : loop_(loop), lane_(lane), logger_(logger) {}
  ~CertificateWatch();
  CertificateWatch(const CertificateWatch&) = delete;
  CertificateWatch& operator=(const CertificateWatch&) = delete;

  /// From now on these are looked at. `kind`: "route" or "target", a literal; without files: no longer.
  void watch(std::string_view kind, const std::string& name, CertificateFiles files);
  void forget(std::string_view kind, const std::string& name) { watch(kind, name, {}); }

  /// What ends, and when, of all that is watched and was read.
  [[nodiscard]] std::vector<broker::ExpiryStatus> expiries() const;

  /// What a look at the files brought.
  struct Seen {
    std::string stamp;          ///< of all files: which they are, and when they were changed
    CertificateFiles::Use use;  ///< null: unchanged, or `why_not`
    std::string why_not;
    std::vector<CertificateFiles::Ending> ends = {};  ///< with `use`
  };

 private:
  using Key = std::pair<std::string_view, std::string>;
  struct Watched {
    std::shared_ptr<const CertificateFiles> files;
    std::string stamp;  // of what was read, or found broken, last
    bool looking = false;
    std::vector<CertificateFiles::Ending> ends = {};
  };
  void look();
  void take_ends(Watched& watched, std::vector<CertificateFiles::Ending> ends);
  void warn_of_ends(const Key& key, Watched& watched);
  void on_seen(const Key& key, const std::shared_ptr<const CertificateFiles>& files, const Seen& seen);

  net::Loop& loop_;
  net::Lane& lane_;
  Logger& logger_;
  std::map<Key, Watched> watched_;
  net::TimerId timer_;
  std::shared_ptr<bool> alive_ = std::make_shared<bool>(true);
};

}  // namespace sallyport::cli
