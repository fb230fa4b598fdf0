#include "cli/run_tls.h"

#include "net/run_certificate.h"

namespace sallyport::cli {

namespace {

constexpr const char* authority_name = "ca.crt";

}  // namespace

Result<RunTls> make_run_tls(const net::SocketDirectory* directory, WallTime now) {
  auto certificate = net::make_run_certificate(now);
  if (!certificate) return certificate.error();
  auto context = net::ServerTls::from_memory(certificate->certificate_pem, certificate->key.get());
  if (!context) return context.error();
  RunTls made;
  made.context = std::make_shared<broker::RouteTls>(std::move(*context));
  if (directory == nullptr) return made;
  auto file = directory->write_file(authority_name, certificate->authority_pem);
  if (!file) return file.error();
  made.file.emplace(std::move(*file));
  made.authority_file = directory->path() + "/" + authority_name;
  return made;
}

}  // namespace sallyport::cli
