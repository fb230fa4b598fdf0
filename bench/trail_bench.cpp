// What a session's start costs the relay's thread: encode one record, encode and commit one, and
// encode and commit sixteen at once. Budget: 3 µs a record for encoding.
//
//   trail_bench [DIRECTORY]      default: a temporary directory

#include "trail/segment.h"
#include "trail/writer.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>

namespace {

using namespace sallyport;
using Clock = std::chrono::steady_clock;

trail::Event typical() {
  trail::Event event;
  event.kind = trail::EventKind::session_start;
  event.at = std::chrono::system_clock::now();
  event.session = "0123456789abcdef";
  event.route = "unix:/run/sallyport/production:5432";
  event.target = event.database = "production";
  event.role = "app_rw";
  event.upstream_user = "v-approle-app-rw-Xq3vS8nJm0aB-1764065363";
  event.lease_accessor = "hmac-sha256:5f0c1a2b9d3e";
  event.generation = 12;
  event.upstream_pid = 471'147;
  event.upstream_address = "10.20.30.40:5432";
  event.local_address = "10.20.30.41:51234";
  event.tls_protocol = "TLSv1.3";
  event.tls_cipher = "TLS_AES_256_GCM_SHA384";
  event.server_certificate_sha256 = std::string(64, 'c');
  event.result = "ok";
  event.verified = {{"uid", "1000"},
                    {"gid", "1000"},
                    {"pid", "424242"},
                    {"executable", "/usr/bin/python3.11"},
                    {"identity", "app"}};
  event.claimed = {{"user", "app"}, {"application_name", "gunicorn: worker"}, {"database", "production"}};
  return event;
}

double micros_each(int count, const auto& work) {
  double best = 1e9;
  for (int round = 0; round < 5; ++round) {
    const auto start = Clock::now();
    for (int i = 0; i < count; ++i) work();
    best = std::min(best, std::chrono::duration<double, std::micro>(Clock::now() - start).count() / count);
  }
  return best;
}

}  // namespace

int main(int argc, char** argv) {
  std::string pattern = (argc > 1 ? std::string{argv[1]} : std::filesystem::temp_directory_path().string()) +
                        "/trail-bench-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) {
    std::perror(pattern.c_str());
    return 2;
  }
  const auto event = typical();
  std::string line;
  trail::append_frame(line, event, 1);
  std::printf("record: %zu bytes a line\n", line.size());
  std::printf("encode and checksum:            %6.2f us a record\n", micros_each(20'000, [&] {
                line.clear();
                trail::append_frame(line, event, 123'456);
              }));
  std::printf("decode:                         %6.2f us a record\n", micros_each(20'000, [&] {
                const auto found = trail::scan_frame(as_bytes(line));
                if (!trail::decode_record(std::get<trail::Frame>(found).record)) std::abort();
              }));
  trail::Settings settings;
  settings.directory = pattern + "/audit";
  auto writer = trail::open_writer(settings);
  if (!writer) {
    std::fprintf(stderr, "%s\n", describe(writer.error()).c_str());
    return 2;
  }
  auto& sink = **writer;
  const auto commit = [&] {
    if (!sink.commit()) std::abort();
  };
  std::printf("add + commit, one a commit:     %6.2f us a record\n", micros_each(10'000, [&] {
                sink.add(event);
                commit();
              }));
  std::printf("add + commit, sixteen a commit: %6.2f us a record\n", micros_each(1'000, [&] {
                                                                       for (int i = 0; i < 16; ++i)
                                                                         sink.add(event);
                                                                       commit();
                                                                     }) / 16);
  writer = Error{};
  std::filesystem::remove_all(pattern);
  return 0;
}
