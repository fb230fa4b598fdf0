// What single values mean: numbers, durations, paths, and which valid word a wrong one was meant to be.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace sallyport::config {

/// Decimal digits only; nullopt for anything else and for what does not fit.
std::optional<std::int64_t> parse_integer(std::string_view text);

/// "30s", "10 min", "500 ms", "1h", "2 days": milliseconds. nullopt: no number, no unit, or beyond 10 years.
std::optional<std::int64_t> parse_duration(std::string_view text);

/// True for "/a/b": absolute, no empty, "." or ".." part, no slash at the end (but "/" itself).
bool is_plain_absolute_path(std::string_view path);

/// "/a/b" of "/a/b" and of "file:/a/b".
std::string_view strip_file_scheme(std::string_view path);

/// A name of a target or role: Kind::name.
bool is_name(std::string_view text);

/// A host name, by characters and lengths only; underscores are let through, as resolvers do.
bool is_host_name(std::string_view text);
bool is_ip_literal(std::string_view text);

/// An address or a name that no public certificate authority vouches for: private, loopback and link-local
/// ranges, names without a dot, and suffixes such as .internal and .local.
bool looks_private(std::string_view host);

/// The candidate that `word` was probably meant to be (secrets/nearest.h), else empty.
std::string nearest(std::string_view word, const std::vector<std::string>& candidates);

/// "a|b" as {"a", "b"}.
std::vector<std::string> split_choices(std::string_view choices);

/// "`a`, `b` or `c`", each as in_backquotes() shows it.
std::string join_choices(const std::vector<std::string>& choices);

}  // namespace sallyport::config
