#include "policy/password_file.h"

#include <algorithm>

namespace sallyport::policy {

namespace {

Error bad(std::size_t line, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::config,     "line " + std::to_string(line),
          std::move(what),       std::move(hint), {}};
}

Result<void> add_line(Verifiers& verifiers, std::string_view line, std::size_t number) {
  const auto colon = line.find(':');
  const auto name = line.substr(0, colon);
  if (colon == std::string_view::npos || !is_login_name(name)) {
    return bad(number, "does not begin with a name and a colon",
               "Write `NAME:SCRAM-SHA-256$…`, as `sallyport passwd NAME` prints it");
  }
  auto verifier = crypto::parse_scram_verifier(line.substr(colon + 1));
  if (!verifier) {
    const bool clear = line.substr(colon + 1, 13) != "SCRAM-SHA-256";
    return bad(number, verifier.error().what,
               clear ? "A password itself may not stand here: make a verifier with `sallyport passwd NAME`"
                     : "Make it anew with `sallyport passwd NAME`");
  }
  if (verifier->iterations < password_iterations_min) {
    return bad(number, "has fewer than 4096 iterations", "Make it anew with `sallyport passwd NAME`");
  }
  if (!verifiers.emplace(std::string{name}, std::move(*verifier)).second) {
    return bad(number, "names an account that an earlier line has", "Keep one of the two lines");
  }
  return {};
}

VerifierShape shape_of(const crypto::ScramVerifier& verifier) {
  return {verifier.iterations, verifier.salt.size()};
}

}  // namespace

bool is_login_name(std::string_view name) {
  if (name.empty() || name.size() > login_bytes_max || name.front() == '#') return false;
  if (name.front() == ' ' || name.back() == ' ') return false;
  return std::none_of(name.begin(), name.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 || byte == 0x7f || c == ':';
  });
}

Result<Verifiers> parse_password_file(std::string_view text) {
  Verifiers verifiers;
  for (std::size_t number = 1; !text.empty(); ++number) {
    const auto end = text.find('\n');
    auto line = text.substr(0, end);
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.ends_with('\r')) line.remove_suffix(1);
    if (line.find_first_not_of(" \t") == std::string_view::npos || line.starts_with('#')) continue;
    if (verifiers.size() >= logins_max) {
      return bad(number, "is one account too many: at most " + std::to_string(logins_max),
                 "Use several files");
    }
    if (auto added = add_line(verifiers, line, number); !added) return added.error();
  }
  return verifiers;
}

VerifierShape usual_shape(const Verifiers& verifiers) {
  std::map<VerifierShape, std::size_t> counts;
  for (const auto& [name, verifier] : verifiers) ++counts[shape_of(verifier)];
  const auto most = std::max_element(counts.begin(), counts.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == counts.end() ? VerifierShape{} : most->first;
}

bool have_one_shape(const Verifiers& verifiers) {
  return std::all_of(verifiers.begin(), verifiers.end(), [&](const auto& one) {
    return shape_of(one.second) == shape_of(verifiers.begin()->second);
  });
}

AskedVerifier verifier_for(const Verifiers& verifiers, std::string_view name, const MockIdentity& mock) {
  AskedVerifier asked{
      crypto::mock_scram_verifier(Bytes{mock.key}, name, mock.shape.iterations, mock.shape.salt_bytes)};
  const auto found = verifiers.find(name);
  if (found == verifiers.end()) return asked;
  asked.verifier = found->second;
  asked.mock = false;
  return asked;
}

}  // namespace sallyport::policy
