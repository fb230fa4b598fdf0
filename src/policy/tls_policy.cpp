#include "policy/tls_policy.h"

#include <array>
#include <optional>

namespace sallyport {

namespace {

constexpr auto weaker_days_max = std::chrono::days{90};

struct NamedMode {
  TlsMode mode;
  std::string_view name;
};
constexpr std::array modes{NamedMode{TlsMode::disable, "disable"}, NamedMode{TlsMode::require, "require"},
                           NamedMode{TlsMode::verify_ca, "verify-ca"},
                           NamedMode{TlsMode::verify_full, "verify-full"}};

Error bad(std::string where, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::config, std::move(where), std::move(what), std::move(hint), {}};
}

std::optional<int> number(std::string_view digits) {
  int value = 0;
  for (const char digit : digits) {
    if (digit < '0' || digit > '9') return {};
    value = value * 10 + (digit - '0');
  }
  return value;
}

std::optional<std::chrono::sys_days> parse_date(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return {};
  const auto year = number(text.substr(0, 4)), month = number(text.substr(5, 2)),
             day = number(text.substr(8));
  if (!year || !month || !day) return {};
  const std::chrono::year_month_day date{std::chrono::year{*year}, std::chrono::month(unsigned(*month)),
                                         std::chrono::day(unsigned(*day))};
  if (!date.ok()) return {};
  return std::chrono::sys_days{date};
}

std::string format_date(std::chrono::sys_days day) { return format_utc(WallTime{day}).substr(0, 10); }

std::string shortened(const std::string& text) {
  std::string out = text.substr(0, 40);
  for (char& c : out) {
    if (c < ' ' || c > '~') c = '?';
  }
  return out;
}

/// What a mode weaker than verify-full gives away, in the words of the message that asks for a reason.
Result<void> check_weaker(const TlsPolicy& policy, WallTime now) {
  const auto today = std::chrono::floor<std::chrono::days>(now);
  const auto last = format_date(today + weaker_days_max);
  const auto mode = std::string{name_of(policy.mode)};
  if (policy.weaker_reason.find_first_not_of(" \t\r\n") == std::string::npos) {
    return bad("tls.reason", "missing, but mode " + mode + " " + std::string{weakness(policy.mode)},
               "Use mode verify-full, or write tls.reason (why) and tls.until (" + last + " at the latest).");
  }
  if (policy.weaker_until.empty()) {
    return bad("tls.until", "missing, but mode " + mode + " needs an end date",
               "Write tls.until: \"" + last + "\" or earlier.");
  }
  const auto until = parse_date(policy.weaker_until);
  if (!until) {
    return bad("tls.until", "\"" + shortened(policy.weaker_until) + "\" is no date of the form YYYY-MM-DD",
               "Write tls.until: \"" + last + "\" or earlier.");
  }
  if (*until < today) {
    return bad("tls.until",
               "mode " + mode + " was allowed until " + policy.weaker_until + ", which has passed",
               "Use mode verify-full, or extend it to " + last + " at the latest.");
  }
  if (*until > today + weaker_days_max) {
    return bad("tls.until", policy.weaker_until + " is more than 90 days away",
               "Write tls.until: \"" + last + "\" or earlier.");
  }
  return {};
}

}  // namespace

std::string_view name_of(TlsMode mode) {
  for (const auto& known : modes) {
    if (known.mode == mode) return known.name;
  }
  return "?";
}

std::string_view weakness(TlsMode mode) {
  switch (mode) {
    case TlsMode::disable: return "does not encrypt";
    case TlsMode::require: return "encrypts but does not check whose certificate the server has";
    case TlsMode::verify_ca: return "does not check that the certificate is for the host";
    case TlsMode::verify_full: break;
  }
  return "";
}

Result<TlsMode> parse_tls_mode(std::string_view text) {
  for (const auto& known : modes) {
    if (known.name == text) return known.mode;
  }
  std::string hint = "Write disable, require, verify-ca or verify-full.";
  if (text == "prefer" || text == "allow") {
    hint = "It falls back to no encryption without a word; write verify-full, or disable with a reason.";
  } else if (text == "verify_full" || text == "VERIFY_IDENTITY") {
    hint = "Write verify-full.";
  } else if (text == "verify_ca" || text == "VERIFY_CA") {
    hint = "Write verify-ca.";
  }
  return bad("tls.mode", "\"" + shortened(std::string{text}) + "\" is no TLS mode", hint);
}

Result<void> check(const TlsPolicy& policy, WallTime now) {
  if (policy.min_version != "1.2" && policy.min_version != "1.3") {
    return bad("tls.min_version", "\"" + shortened(policy.min_version) + "\" is neither 1.2 nor 1.3",
               "Write tls.min_version: \"1.2\" or \"1.3\".");
  }
  if (policy.client_certificate_file.empty() != policy.client_key_file.empty()) {
    const bool key_missing = policy.client_key_file.empty();
    return bad(
        key_missing ? "tls.client_key" : "tls.client_certificate",
        key_missing ? "missing, but there is a client certificate" : "missing, but there is a client key",
        "Give both files, or neither.");
  }
  if (policy.mode == TlsMode::verify_full) return {};
  return check_weaker(policy, now);
}

}  // namespace sallyport
