// The grammar, read once from left to right with the position kept, so that each error can point.
//
//   reference  = scheme ":" locator [ "#" field ] [ "?" attributes ]      (the last two in either order)
//   attributes = key "=" value *( "&" key "=" value )
//
// Everything but the words of `exec:` is percent-decoded, and checked after decoding: `%2e%2e` is as much a
// way up as `..`.
#include "secrets/reference.h"

#include "base/ascii.h"
#include "dsn/percent.h"
#include "secrets/caret.h"
#include "secrets/nearest.h"
#include "secrets/schemes.h"
#include "secrets/words.h"

namespace sallyport::secrets {

namespace {

constexpr std::size_t key_bytes_max = 64;

bool key_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
}

std::string_view scheme_of(std::string_view text) {
  const auto colon = text.find(':');
  return colon == std::string_view::npos ? std::string_view{} : text.substr(0, colon);
}

Error wrong(std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::reference, {}, std::move(what), std::move(hint), {}};
}

/// What has no known scheme may be a password or a whole connection string: it is not quoted.
Error unknown_scheme(std::string_view text) {
  const auto near = nearest_scheme(text);
  if (!near.empty()) {
    const auto seen = scheme_of(text);
    return wrong("the scheme \"" + std::string{seen} + ":\" is not known; did you mean \"" +
                     std::string{near} + ":\"?\n    " + std::string{seen} + ":\xE2\x80\xA6\n    ^",
                 "Write " + std::string{find_scheme(near)->example});
  }
  return wrong("this is no reference: it does not begin with a known scheme",
               "Known are " + list_of_schemes() + " for example vault:database/creds/app-role");
}

class Parser {
 public:
  Parser(std::string_view text, const Scheme& scheme) : text_(text), scheme_(scheme) {}

  Result<Reference> parse() {
    reference_.scheme = scheme_.name;
    const std::size_t start = scheme_.name.size() + 1;
    std::size_t at = end_of_locator(start);
    if (auto done = locator(start, at); !done) return std::move(done).error();
    bool seen_field = false;
    bool seen_attributes = false;
    while (at < text_.size()) {
      bool& seen = text_[at] == '#' ? seen_field : seen_attributes;
      if (seen)
        return at_error(at, "a second one", "Write it as %23 or %3F where the character itself is meant");
      seen = true;
      const std::size_t end = std::min(text_.find_first_of("#?", at + 1), text_.size());
      auto done = text_[at] == '#' ? field(at + 1, end) : attributes(at + 1, end);
      if (!done) return std::move(done).error();
      at = end;
    }
    return std::move(reference_);
  }

 private:
  [[nodiscard]] Error at_error(std::size_t at, std::string_view what, std::string hint) const {
    return wrong(with_caret(what, text_, scheme_.name.size(), at), std::move(hint));
  }

  [[nodiscard]] std::size_t end_of_locator(std::size_t start) const {
    if (scheme_.kind == LocatorKind::words) return start + end_of_words(text_.substr(start));
    return std::min(text_.find_first_of("#?", start), text_.size());
  }

  /// Decodes text_[from, to) into `out`; `each` sees every decoded character with its place.
  template <class Each>
  Result<void> decode(std::size_t from, std::size_t to, std::string& out, Each each) {
    for (std::size_t i = from; i < to; ++i) {
      const std::size_t place = i;
      char c = text_[i];
      if (c == '%') {
        const auto byte = dsn::hex_pair_at(text_.substr(0, to), i + 1);
        if (!byte) {
          return at_error(i, "a % that two hexadecimal digits do not follow", "Write a percent sign as %25");
        }
        c = static_cast<char>(*byte);
        i += 2;
      }
      if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
        return at_error(place, "a control character", "Remove it");
      }
      if (auto done = each(c, place); !done) return done;
      out.push_back(c);
    }
    return {};
  }

  Result<void> decode(std::size_t from, std::size_t to, std::string& out) {
    return decode(from, to, out, [](char, std::size_t) { return Result<void>{}; });
  }

  Result<void> locator(std::size_t from, std::size_t to) {
    if (scheme_.kind == LocatorKind::words) return words(from, to);
    if (scheme_.kind == LocatorKind::nothing) {
      if (from == to) return {};
      return at_error(from, "a locator, where the workload's own identity is meant",
                      "Write " + std::string{scheme_.example} + "?host=…&user=…");
    }
    if (from == to) return at_error(from, "nothing after the colon", "Write " + std::string{scheme_.example});
    auto decoded = decode(from, to, reference_.locator);
    if (!decoded) return decoded;
    const bool absolute = reference_.locator.front() == '/';
    if (scheme_.kind == LocatorKind::absolute_path && !absolute) {
      return at_error(from, "not an absolute path", "Write " + std::string{scheme_.example});
    }
    if (scheme_.kind == LocatorKind::path && absolute) {
      return at_error(from, "a slash in front", "Write " + std::string{scheme_.example});
    }
    return parts(from, to, absolute);
  }

  /// No part may be empty, `.` or `..` (threat 12), and a name has one part only.
  Result<void> parts(std::size_t from, std::size_t to, bool absolute) {
    std::string part;
    std::size_t part_at = from;
    bool at_front = absolute;
    auto end_part = [&]() -> Result<void> {
      if (part.empty()) return at_error(part_at, "an empty part", "Remove the extra slash");
      if (part == "." || part == "..") {
        return at_error(part_at, "a part that leads elsewhere", "Write the path without . and ..");
      }
      part.clear();
      return {};
    };
    std::string ignored;
    auto walked = decode(from, to, ignored, [&](char c, std::size_t place) -> Result<void> {
      if (c != '/') {
        if (part.empty()) part_at = place;
        part.push_back(c);
        return {};
      }
      if (scheme_.kind == LocatorKind::name) {
        return at_error(place, "a slash in a name", "Write " + std::string{scheme_.example});
      }
      if (std::exchange(at_front, false)) {
        part_at = place + 1;
        return {};
      }
      auto done = end_part();
      part_at = place + 1;
      return done;
    });
    return walked ? end_part() : walked;
  }

  Result<void> words(std::size_t from, std::size_t to) {
    const auto text = text_.substr(from, to - from);
    for (std::size_t i = 0; i < text.size(); ++i) {
      const auto byte = static_cast<unsigned char>(text[i]);
      if (byte < 0x20 || byte == 0x7F) return at_error(from + i, "a control character", "Remove it");
    }
    WordsError error;
    const auto split = split_words(text, error);
    if (!error.what.empty())
      return at_error(from + error.at, error.what, "Write " + std::string{scheme_.example});
    const auto program = "/" + split.front() + "/";
    if (split.front().empty() || split.front().front() != '/') {
      return at_error(from, "the program is not an absolute path", "Write " + std::string{scheme_.example});
    }
    if (program.find("/../") != std::string::npos || program.find("/./") != std::string::npos ||
        program.find("//", 2) != std::string::npos) {
      return at_error(from, "the program's path has a part that is empty, . or ..", "Write the plain path");
    }
    reference_.locator = text;
    return {};
  }

  Result<void> field(std::size_t from, std::size_t to) {
    if (from == to)
      return at_error(from, "no field after the #", "Write for example #password, or remove the #");
    return decode(from, to, reference_.field);
  }

  Result<void> attributes(std::size_t from, std::size_t to) {
    if (from == to)
      return at_error(from, "no attribute after the ?", "Write for example ?host=db.example.com");
    while (true) {
      const std::size_t end = std::min(text_.find('&', from), to);
      if (auto done = attribute(from, end); !done) return done;
      if (end == to) return {};
      from = end + 1;
    }
  }

  Result<void> attribute(std::size_t from, std::size_t to) {
    const std::size_t equals = std::min(text_.find('=', from), to);
    const auto key = text_.substr(from, equals - from);
    for (std::size_t i = from; i < equals; ++i) {
      if (!key_character(text_[i])) {
        return at_error(i, "not a character of an attribute's name",
                        "Names are lower case: ?host=db.example.com");
      }
    }
    if (key.empty() || key.size() > key_bytes_max) {
      return at_error(from, "an attribute without a name", "Write name=value, separated by &");
    }
    if (equals == to) return at_error(to, "an attribute without a value", "Write name=value");
    std::string value;
    if (auto done = decode(equals + 1, to, value); !done) return done;
    if (!reference_.attributes.emplace(std::string{key}, std::move(value)).second) {
      return at_error(from, "an attribute that was given before", "Remove one of the two");
    }
    return {};
  }

  std::string_view text_;
  const Scheme& scheme_;
  Reference reference_;
};

}  // namespace

bool looks_like_reference(std::string_view text) { return find_scheme(scheme_of(text)) != nullptr; }

std::string_view nearest_scheme(std::string_view text) {
  const auto seen = scheme_of(text);
  // `postgres://…` is no typing error of anything here, and "k8s" is as near to "abs" as to itself.
  if (seen.empty() || find_scheme(seen) != nullptr || text.substr(seen.size()).starts_with("://")) return {};
  for (const char c : seen) {
    if (!key_character(to_lower(c))) return {};
  }
  std::vector<std::string_view> names;
  for (const auto& scheme : schemes()) {
    if (scheme.name.size() > 3 || scheme.name.front() == seen.front()) names.push_back(scheme.name);
  }
  return nearest(seen, names);
}

Result<Reference> parse_reference(std::string_view text) {
  if (text.empty()) return wrong("the reference is empty", "Write for example vault:database/creds/app-role");
  if (text.size() > reference_bytes_max) {
    return wrong("longer than a reference may be (4096 bytes)",
                 "Write for example vault:database/creds/app-role");
  }
  const auto* scheme = find_scheme(scheme_of(text));
  if (scheme == nullptr) return unknown_scheme(text);
  if (!scheme->available) {
    return wrong("the scheme \"" + std::string{scheme->name} + ":\" is not in this version",
                 "This version has " + list_of_schemes());
  }
  return Parser{text, *scheme}.parse();
}

std::string to_string(const Reference& reference) {
  const auto* scheme = find_scheme(reference.scheme);
  const bool words = scheme != nullptr && scheme->kind == LocatorKind::words;
  static constexpr std::string_view plain = "/:@!$'()*,;= ";
  std::string out = reference.scheme + ":";
  out += words ? reference.locator : dsn::percent_encode(reference.locator, plain);
  char separator = '?';
  for (const auto& [key, value] : reference.attributes) {
    out += separator + key + "=" + dsn::percent_encode(value, "/:@,");
    separator = '&';
  }
  if (!reference.field.empty()) out += "#" + dsn::percent_encode(reference.field, "/:@");
  return out;
}

}  // namespace sallyport::secrets
