#include "net/syscall_filter.h"

#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <string>

namespace sallyport::net {

namespace {

constexpr auto refused = std::to_array<std::string_view>({
    // programs and processes
    "execve",
    "execveat",
    "fork",
    "vfork",
    "personality",
    // other accounts and rights
    "setuid",
    "setgid",
    "setreuid",
    "setregid",
    "setresuid",
    "setresgid",
    "setgroups",
    "setfsuid",
    "setfsgid",
    "capset",
    // the kernel's keyrings (Kerberos tries), its asynchronous calls, which no filter sees, devices, clocks
    "add_key",
    "request_key",
    "keyctl",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "mknod",
    "mknodat",
    "settimeofday",
    "clock_settime",
    "adjtimex",
    "clock_adjtime",
    "quotactl",
    "quotactl_fd",
    "syslog",
    "vhangup",
});

constexpr auto fatal = std::to_array<std::string_view>({
    // other processes
    "ptrace",
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "pidfd_getfd",
    "kcmp",
    // other views of the machine
    "mount",
    "umount",
    "umount2",
    "pivot_root",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "mount_setattr",
    "chroot",
    "setns",
    "unshare",
    "open_by_handle_at",
    // the kernel itself
    "bpf",
    "userfaultfd",
    "perf_event_open",
    "kexec_load",
    "kexec_file_load",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "iopl",
    "ioperm",
    "modify_ldt",
    "vm86",
    "vm86old",
    "lookup_dcookie",
    "uselib",
    "nfsservctl",
    "acct",
    "swapon",
    "swapoff",
    "reboot",
    "sethostname",
    "setdomainname",
});

struct Release {
  void operator()(void* filter) const { seccomp_release(filter); }
};
using Filter = std::unique_ptr<void, Release>;

Error failed(const std::string& step, int code) {
  return {ErrorCode::internal,
          Hop::none,
          "seccomp",
          step + ": " + std::strerror(code < 0 ? -code : code),
          {},
          {}};
}

/// Names that this processor or this libseccomp does not know forbid nothing.
int forbid(scmp_filter_ctx filter, std::uint32_t action, std::string_view name) {
  const auto number = seccomp_syscall_resolve_name(std::string{name}.c_str());
  return number < 0 ? 0 : seccomp_rule_add(filter, action, number, 0);
}

scmp_arg_cmp bits_of(unsigned argument, std::uint64_t mask, std::uint64_t value) {
  return {argument, SCMP_CMP_MASKED_EQ, mask, value};
}

/// The kernel takes an int's lower half only, whatever stands in the upper.
scmp_arg_cmp is_int(unsigned argument, std::uint64_t value) { return bits_of(argument, 0xFFFF'FFFF, value); }

int forbid_if(scmp_filter_ctx filter, int error, int call, scmp_arg_cmp argument) {
  return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(static_cast<unsigned>(error)), call, 1, &argument);
}

int forbid_processes(scmp_filter_ctx filter) {
#ifdef __s390__
  constexpr unsigned flags = 1;
#else
  constexpr unsigned flags = 0;
#endif
  // The flags of clone3 lie in memory, where no filter sees them: the C library then takes clone.
  const int code = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);
  return code != 0 ? code : forbid_if(filter, EPERM, SCMP_SYS(clone), bits_of(flags, CLONE_THREAD, 0));
}

int forbid_families(scmp_filter_ctx filter) {
  constexpr std::array known{AF_UNIX, AF_INET, AF_INET6, AF_NETLINK};
  constexpr int families_end = 64;  // AF_MAX is 46 by now
  for (int family = 0; family < families_end; ++family) {
    if (std::find(known.begin(), known.end(), family) != known.end()) continue;
    const int code =
        forbid_if(filter, EAFNOSUPPORT, SCMP_SYS(socket), is_int(0, static_cast<unsigned>(family)));
    if (code != 0) return code;
  }
  return 0;
}

int forbid_typing(scmp_filter_ctx filter) {
  return forbid_if(filter, EPERM, SCMP_SYS(ioctl), is_int(1, TIOCSTI));
}

int set_attributes(scmp_filter_ctx filter) {
  // We run no code of others: mitigations against it would only cost time (kernels before 5.16 turn them on).
  int code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_SSB, 1);
  if (code == 0) code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_LOG, 1);
  if (code == 0) code = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
  if (code == 0) code = seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);  // it is set already
  return code;
}

}  // namespace

std::span<const std::string_view> calls_refused() { return refused; }
std::span<const std::string_view> calls_that_end_the_process() { return fatal; }

Result<void> forbid_system_calls() {
  const Filter filter{seccomp_init(SCMP_ACT_ALLOW)};
  if (filter == nullptr) return failed("a filter", ENOMEM);
  if (const int code = set_attributes(filter.get()); code != 0) return failed("its attributes", code);
  for (const auto name : refused) {
    if (const int code = forbid(filter.get(), SCMP_ACT_ERRNO(EPERM), name); code != 0)
      return failed(std::string{name}, code);
  }
  for (const auto name : fatal) {
    if (const int code = forbid(filter.get(), SCMP_ACT_KILL_PROCESS, name); code != 0)
      return failed(std::string{name}, code);
  }
  for (const auto add : {forbid_processes, forbid_families, forbid_typing}) {
    if (const int code = add(filter.get()); code != 0) return failed("a rule on arguments", code);
  }
  if (const int code = seccomp_load(filter.get()); code != 0) return failed("its enforcement", code);
  return {};
}

}  // namespace sallyport::net
