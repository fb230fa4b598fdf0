// What the porter, the scout and the helper answer: any packets, with any descriptors beside them. Nothing breaks, what
// is told is within its limits, and every descriptor that came along is handed on or closed.
//
// They are the same program as we are, but outside the sandbox: a broken one must not break us.
#include "net/helper.h"
#include "net/helper_protocol.h"
#include "net/passed_descriptor.h"
#include "net/porter.h"
#include "net/porter_protocol.h"
#include "net/scout.h"
#include "net/scout_protocol.h"

#include <fcntl.h>
#include <fuzzer/FuzzedDataProvider.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

using namespace sallyport;
using namespace sallyport::net;

namespace {

void require(bool holds, int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "line %d does not hold\n", line);
  std::abort();
}

void send_packet(int socket, const std::string& packet, std::size_t descriptors, int fd) {
  iovec data{const_cast<char*>(packet.data()), packet.size()};
  alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))] = {};
  msghdr message{};
  message.msg_iov = &data;
  message.msg_iovlen = 1;
  if (descriptors > 0) {
    message.msg_control = control;
    message.msg_controllen = CMSG_SPACE(descriptors * sizeof(int));
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(descriptors * sizeof(int));
    for (std::size_t i = 0; i < descriptors; ++i)
      std::memcpy(CMSG_DATA(header) + i * sizeof fd, &fd, sizeof fd);
  }
  require(sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT) >= 0);
}

template <class Answer>
std::string bytes_of(const Answer& answer) {
  return {reinterpret_cast<const char*>(&answer), sizeof answer};
}

/// One that looks like an answer, or anything.
std::string packet(FuzzedDataProvider& input, int kind) {
  const auto number = input.ConsumeIntegralInRange<std::uint32_t>(0, 3);
  const auto value = input.ConsumeIntegral<std::int32_t>();
  std::string made;
  switch (input.ConsumeBool() ? kind : 3) {
    case 0: made = bytes_of(PorterAnswer{number, value % 3 == 0 ? 0 : value}); break;
    case 1: made = bytes_of(ScoutAnswer{number, static_cast<std::uint32_t>(value), 1, 2, 3, 4}); break;
    case 2: made = bytes_of(HelperReply{number, static_cast<HelperOutcome>(value % 8), value}); break;
    default: break;
  }
  made += input.ConsumeRandomLengthString(64);
  if (kind == 1 && value % 16 == 0) made.append(8000, 'x');
  return made;
}

struct Ends {
  Ends() {
    int both[2];
    require(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, both) == 0);
    ours.reset(both[0]);
    theirs.reset(both[1]);
  }
  UniqueFd ours, theirs;
};

/// Of those that one input can open.
int open_descriptors() {
  int count = 0;
  for (int fd = 0; fd < 64; ++fd) count += fcntl(fd, F_GETFD) >= 0 ? 1 : 0;
  return count;
}

void ask_porter(Attendant attendant) {
  Porter porter{std::move(attendant)};
  for (int i = 0; i < 2; ++i) {
    const UniqueFd file{porter.open("/some/file")};
    require(!file.valid() || fcntl(file.get(), F_GETFD) == FD_CLOEXEC);
  }
}

void ask_scout(Attendant attendant) {
  Scout scout{std::move(attendant)};
  const UniqueFd process{open("/dev/null", O_RDONLY | O_CLOEXEC)};
  for (int i = 0; i < 2; ++i) {
    const auto found = scout.executable_of(1, process, geteuid());
    require(found.path.size() <= scout_path_bytes_max);
  }
  require(scout.path_of(1, process, geteuid(), std::nullopt).size() <= scout_path_bytes_max);
}

void ask_helper(Attendant attendant) {
  Helper helper{std::move(attendant)};
  RunProgram program;
  program.argv = {"/bin/true"};
  program.deadline = std::chrono::seconds{5};
  program.output_bytes_max = 100;
  for (int i = 0; i < 2; ++i) {
    const auto ended = helper.run(program);
    if (!ended) require(describe(ended.error()).size() < 1000);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  FuzzedDataProvider input{data, size};
  const auto before = open_descriptors();
  const auto kind = input.ConsumeIntegralInRange<int>(0, 2);
  {
    Ends ends;
    const UniqueFd nothing{open("/dev/null", O_RDONLY | O_CLOEXEC)};
    const auto packets = input.ConsumeIntegralInRange<int>(0, 5);
    for (int i = 0; i < packets; ++i) {
      const auto one = packet(input, kind);
      if (one.empty()) continue;
      send_packet(ends.theirs.get(), one, input.ConsumeIntegralInRange<std::size_t>(0, 4), nothing.get());
    }
    // Shorter than any answer, once for each question, so that nobody waits.
    for (int i = 0; i < 3; ++i) send_packet(ends.theirs.get(), "x", 0, -1);
    Attendant attendant{-1, UniqueFd{}, std::move(ends.ours)};
    if (kind == 0) ask_porter(std::move(attendant));
    if (kind == 1) ask_scout(std::move(attendant));
    if (kind == 2) ask_helper(std::move(attendant));
  }
  require(open_descriptors() == before);
  return 0;
}
