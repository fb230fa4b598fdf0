#include "trail/writer_home.h"

#include "base/clock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>

namespace sallyport::trail {
namespace {

constexpr mode_t private_directory = 0700;
constexpr int open_directory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
constexpr std::string_view name_shape = "w-ddddddddTdddddd-xxxxxxxx";

Error unsafe_directory(const std::string& path, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::trail, path, std::move(what), std::move(hint), ""};
}

/// Makes the directory and its missing parents, each 0700.
Result<void> make_directories(const std::string& path) {
  if (mkdir(path.c_str(), private_directory) == 0 || errno == EEXIST) return {};
  if (errno != ENOENT) return file_error(path, "make the directory", errno);
  const auto parent = std::filesystem::path{path}.parent_path().string();
  if (parent.empty() || parent == path) return file_error(path, "make the directory", ENOENT);
  if (auto made = make_directories(parent); !made) return made;
  if (mkdir(path.c_str(), private_directory) == 0 || errno == EEXIST) return {};
  return file_error(path, "make the directory", errno);
}

Result<FileDescriptor> open_trail(const std::string& path) {
  if (auto made = make_directories(path); !made) return made.error();
  FileDescriptor directory{open(path.c_str(), open_directory)};
  if (!directory.is_open()) {
    if (errno == ELOOP || errno == ENOTDIR) {
      return unsafe_directory(path, "is not a directory (a link is not followed)",
                              "Give audit.dir the directory's own path.");
    }
    return file_error(path, "open the directory", errno);
  }
  struct stat status {};
  if (fstat(directory.get(), &status) != 0) return file_error(path, "look at the directory", errno);
  if (status.st_uid != geteuid() && status.st_uid != 0) {
    return unsafe_directory(
        path,
        "belongs to uid " + std::to_string(status.st_uid) + ", and we are uid " + std::to_string(geteuid()),
        "Give audit.dir a directory that belongs to this user.");
  }
  if ((status.st_mode & (S_IWGRP | S_IWOTH)) != 0) {
    return unsafe_directory(path, "can be written by other users",
                            "Take that right away: chmod go-w " + path);
  }
  return directory;
}

enum class Taken { yes, no };

/// Opens and locks one candidate; `no` when it is locked, not ours, or was renamed meanwhile.
Taken take(const FileDescriptor& trail, WriterHome& home) {
  FileDescriptor directory{openat(trail.get(), home.name.c_str(), open_directory)};
  if (!directory.is_open()) return Taken::no;
  struct stat opened {};
  struct stat named {};
  if (fstat(directory.get(), &opened) != 0 || opened.st_uid != geteuid()) return Taken::no;
  if ((opened.st_mode & (S_IRWXG | S_IRWXO)) != 0) return Taken::no;
  if (flock(directory.get(), LOCK_EX | LOCK_NB) != 0) return Taken::no;
  if (fstatat(trail.get(), home.name.c_str(), &named, AT_SYMLINK_NOFOLLOW) != 0 || !same_file(opened, named))
    return Taken::no;
  home.directory = std::move(directory);
  return Taken::yes;
}

std::string new_name() {
  // The wall clock only names the directory, and a name that exists already is not taken.
  const auto now = format_utc(std::chrono::system_clock::now());
  std::string name = "w-";
  for (const char c : now.substr(0, 19)) {
    if (c != '-' && c != ':') name += c;
  }
  std::array<std::uint8_t, 4> random{};
  SystemRandomness{}.fill(random);
  name += '-';
  constexpr std::string_view digits = "0123456789abcdef";
  for (const auto byte : random) {
    name += digits[byte >> 4];
    name += digits[byte & 0xFU];
  }
  return name;
}

Result<WriterHome> make_home(const FileDescriptor& trail, const std::string& path) {
  constexpr int attempts_max = 16;
  for (int attempt = 0; attempt < attempts_max; ++attempt) {
    WriterHome home{new_name(), "", {}, path};
    home.path = path + "/" + home.name;
    if (mkdirat(trail.get(), home.name.c_str(), private_directory) != 0) {
      if (errno == EEXIST) continue;
      return file_error(home.path, "make the directory", errno);
    }
    // Another process may take it between mkdir and lock: then it is that one's, and we make the next.
    if (take(trail, home) == Taken::yes) return home;
  }
  return file_error(path, "make a directory of our own", EAGAIN);
}

/// Where the last whole record of a segment ends, and whether anything is behind it.
struct Tail {
  std::uint64_t good_end = segment_header_bytes;
  std::uint64_t last_at = 0;            // where the last whole record begins
  std::string last_record;              // empty: there is none
  std::uint64_t sequence = 0;           // its sequence number; 0: none, or it cannot be read
  std::optional<std::uint64_t> damage;  // first byte that is no record, with a line end behind it
};

/// Only the last record is decoded: a start must not wait for thousands.
void read_sequence(Tail& tail) {
  if (tail.last_record.empty()) return;
  if (const auto record = decode_record(tail.last_record)) {
    tail.sequence = record->sequence;
  } else if (!tail.damage) {
    tail.damage = tail.last_at;
  }
}

/// Walks the lines from `offset`, which is the start of one.
Result<Tail> walk(int fd, const std::string& path, std::uint64_t offset) {
  Tail tail;
  tail.good_end = offset;
  std::string window;
  for (std::uint64_t at = offset;;) {
    if (window.size() < frame_bytes_max) {
      auto more = read_at(fd, path, at + window.size(), 4 * frame_bytes_max);
      if (!more) return more.error();
      window += *more;
    }
    std::string_view rest{window};
    while (!rest.empty()) {
      const auto found = scan_frame(as_bytes(rest));
      if (const auto* frame = std::get_if<Frame>(&found)) {
        tail.last_at = at;
        tail.last_record = frame->record;
        rest.remove_prefix(frame->size);
        at += frame->size;
        tail.good_end = at;
      } else if (const auto* damaged = std::get_if<Damaged>(&found)) {
        if (!tail.damage) tail.damage = at;
        rest.remove_prefix(damaged->skip);
        at += damaged->skip;
      } else {
        break;
      }
    }
    if (window.size() == rest.size()) {
      read_sequence(tail);
      return tail;
    }
    window.erase(0, window.size() - rest.size());
  }
}

/// Only the last stretch of a long segment is read: what stands before it is the readers' business,
/// and a start must not wait for 64 MiB.
Result<Tail> tail_of(int fd, const std::string& path, std::uint64_t length) {
  constexpr std::uint64_t stretch = 2 * frame_bytes_max;
  if (length > segment_header_bytes + stretch) {
    const auto last = read_at(fd, path, length - stretch, stretch);
    if (!last) return last.error();
    const auto line_end = last->find('\n');
    if (line_end != std::string::npos) {
      auto tail = walk(fd, path, length - stretch + line_end + 1);
      if (!tail || tail->sequence != 0) return tail;
    }
  }
  return walk(fd, path, segment_header_bytes);
}

/// Cuts to `length` and says so.
Result<void> cut(int fd, const std::string& path, std::uint64_t from, std::uint64_t to, HomeEnd& end) {
  if (ftruncate(fd, static_cast<off_t>(to)) != 0) return file_error(path, "cut an unfinished record", errno);
  end.findings.push_back(
      {FindingKind::torn_tail, path, to,
       "cut " + std::to_string(from - to) + " bytes of an unfinished record: its writer was stopped"});
  return {};
}

/// A file without a whole header, whose writer died while it made it: it holds no record.
bool is_unfinished(std::string_view front) {
  return front.size() < segment_header_bytes && front.find('\n') == std::string_view::npos;
}

/// Looks at one segment, from the last one backwards until one tells a sequence number. Only the last
/// one is appended to or cut.
Result<void> look_at(const WriterHome& home, std::uint64_t number, HomeEnd& end) {
  const auto name = segment_file_name(number);
  const auto path = home.path + "/" + name;
  const FileDescriptor file{openat(home.directory.get(), name.c_str(), O_RDWR | O_NOFOLLOW | O_CLOEXEC)};
  struct stat status {};
  if (!file.is_open() || fstat(file.get(), &status) != 0) return file_error(path, "open", errno);
  const auto length = static_cast<std::uint64_t>(status.st_size);
  const auto front = read_at(file.get(), path, 0, segment_header_bytes);
  if (!front) return front.error();
  const bool is_last = end.segment == 0;
  if (is_last && is_unfinished(*front)) {
    if (unlinkat(home.directory.get(), name.c_str(), 0) != 0)
      return file_error(path, "remove an unfinished segment", errno);
    end.findings.push_back(
        {FindingKind::torn_tail, path, 0, "removed a segment without header: its writer was stopped"});
    return {};
  }
  const auto header = decode_header(as_bytes(*front));
  const auto tail = tail_of(file.get(), path, length);
  if (!tail) return tail.error();
  const auto last_sequence = tail->sequence != 0 ? tail->sequence : header ? header->first - 1 : 0;
  end.next_sequence = std::max(end.next_sequence, last_sequence + 1);
  if (!is_last) return {};
  end.segment = number;
  end.length = length;
  const bool ours = header && header->segment == number && header->writer == home.name;
  if (!ours || tail->damage) {
    end.findings.push_back({ours ? FindingKind::damaged_record : FindingKind::damaged_header, path,
                            ours ? *tail->damage : 0,
                            "is damaged; it is left as it is, and a new segment begins behind it"});
    return {};
  }
  if (tail->good_end < length) {
    if (auto done = cut(file.get(), path, length, tail->good_end, end); !done) return done.error();
    end.length = tail->good_end;
  }
  end.can_append = true;
  return {};
}

}  // namespace

bool is_writer_name(std::string_view name) {
  if (name.size() != name_shape.size()) return false;
  for (std::size_t i = 0; i < name.size(); ++i) {
    const bool digit = name[i] >= '0' && name[i] <= '9';
    const bool hex = digit || (name[i] >= 'a' && name[i] <= 'f');
    if (name_shape[i] == 'd' ? !digit : name_shape[i] == 'x' ? !hex : name[i] != name_shape[i]) return false;
  }
  return true;
}

Result<WriterHome> claim_home(const std::string& trail_directory, bool fresh) {
  const auto trail = open_trail(trail_directory);
  if (!trail) return trail.error();
  if (!fresh) {
    const auto names = names_in(trail_directory);
    if (!names) return names.error();
    for (const auto& name : *names) {
      if (!is_writer_name(name)) continue;
      WriterHome home{name, trail_directory + "/" + name, {}, trail_directory};
      if (take(*trail, home) == Taken::yes) return home;
    }
  }
  return make_home(*trail, trail_directory);
}

Result<HomeEnd> find_end(const WriterHome& home) {
  HomeEnd end;
  const auto names = names_in(home.path);
  if (!names) return names.error();
  std::vector<std::uint64_t> numbers;
  for (const auto& name : *names) {
    if (const auto number = segment_number(name); number != 0) numbers.push_back(number);
  }
  std::sort(numbers.begin(), numbers.end());
  for (auto number = numbers.rbegin(); number != numbers.rend() && end.next_sequence == 1; ++number) {
    if (auto looked = look_at(home, *number, end); !looked) return looked.error();
  }
  return end;
}

}  // namespace sallyport::trail
