#include "cli/mock_key.h"

#include "credentials/private_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace sallyport::cli {

namespace {

constexpr const char* file_name = "unknown-names.key";

Error bad(ErrorCode code, const std::string& where, std::string what, std::string hint = {}) {
  return {code, Hop::config, where, std::move(what), std::move(hint), {}};
}

}  // namespace

Result<MockKey> load_mock_key(const std::string& state_directory, Randomness& randomness) {
  const auto path = state_directory + "/passwords";
  const auto where = path + "/" + file_name;
  auto directory = credentials::open_private_directory(path);
  if (!directory) return directory.error();
  const net::UniqueFd file{
      openat(directory->get(), file_name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!file.valid())
    return bad(ErrorCode::internal, where, std::string{"cannot be opened: "} + std::strerror(errno));
  if (!credentials::try_lock(file))
    return bad(ErrorCode::retry_later, where, "another process is making it", "Start again");
  if (!credentials::is_private_file(file))
    return bad(ErrorCode::bad_config, where, "is not a file that only we may write",
               "Remove it: it is made anew");
  MockKey key{};
  const auto known = credentials::read_from_start(file, key.size());
  if (!known) return known.error();
  if (known->size() == key.size()) {
    std::copy(known->begin(), known->end(), key.begin());
    return key;
  }
  // Empty: new, or its first writer was killed.
  if (!known->empty()) return bad(ErrorCode::bad_config, where, "is too short", "Remove it: it is made anew");
  randomness.fill(key);
  if (auto written = credentials::append(file, as_text(Bytes{key}), where); !written) return written.error();
  if (fsync(file.get()) != 0)
    return bad(ErrorCode::internal, where, std::string{"cannot be kept: "} + std::strerror(errno));
  return key;
}

}  // namespace sallyport::cli
