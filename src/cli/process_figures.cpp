#include "cli/process_figures.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <ctime>
#include <filesystem>
#include <fstream>

namespace sallyport::cli {

namespace {

std::optional<std::uint64_t> resident_bytes() {
  std::ifstream statm{"/proc/self/statm"};  // in pages: all, resident, …
  std::uint64_t all = 0, resident = 0;
  if (!(statm >> all >> resident)) return std::nullopt;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::optional<std::uint64_t> open_descriptors() {
  struct stat status {};
  if (stat("/proc/self/fd", &status) != 0) return std::nullopt;
  // Since Linux 6.2 the directory's size is their number.
  if (status.st_size > 0) return static_cast<std::uint64_t>(status.st_size);
  std::error_code failed;
  std::filesystem::directory_iterator each{"/proc/self/fd", failed};
  std::uint64_t count = 0;
  for (; !failed && each != std::filesystem::directory_iterator{}; each.increment(failed)) ++count;
  if (failed || count == 0) return std::nullopt;
  return count - 1;  // one is the iterator's
}

}  // namespace

broker::ProcessFigures read_process_figures() {
  broker::ProcessFigures figures;
  figures.resident_bytes = resident_bytes();
  figures.open_descriptors = open_descriptors();
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) == 0) figures.descriptors_max = limit.rlim_cur;
  timespec used{};
  if (clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &used) == 0)
    figures.cpu = std::chrono::seconds{used.tv_sec} + std::chrono::nanoseconds{used.tv_nsec};
  return figures;
}

}  // namespace sallyport::cli
