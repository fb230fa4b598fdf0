// Reads records with a SAX handler: no tree is built, fields of later versions cost nothing but the
// walk over them, and a field given twice (which a tree would hide) is an error.
#include "trail/record.h"

#include <nlohmann/json.hpp>

#include <set>

namespace sallyport::trail {
namespace {

using TextMap = std::map<std::string, std::string>;
using Json = nlohmann::json;

std::string* text_field(Event& event, std::string_view name) {
  if (name == "database") return &event.database;
  if (name == "lease_accessor") return &event.lease_accessor;
  if (name == "local_address") return &event.local_address;
  if (name == "reason") return &event.reason;
  if (name == "result") return &event.result;
  if (name == "role") return &event.role;
  if (name == "route") return &event.route;
  if (name == "server_certificate_sha256") return &event.server_certificate_sha256;
  if (name == "session") return &event.session;
  if (name == "target") return &event.target;
  if (name == "tls_cipher") return &event.tls_cipher;
  if (name == "tls_protocol") return &event.tls_protocol;
  if (name == "upstream_address") return &event.upstream_address;
  if (name == "upstream_host") return &event.upstream_host;
  if (name == "upstream_user") return &event.upstream_user;
  return nullptr;
}

std::optional<std::uint64_t>* count_field(Event& event, std::string_view name) {
  if (name == "bytes_to_client") return &event.bytes_to_client;
  if (name == "bytes_to_server") return &event.bytes_to_server;
  if (name == "count") return &event.count;
  if (name == "generation") return &event.generation;
  if (name == "transactions") return &event.transactions;
  return nullptr;
}

TextMap* map_field(Event& event, std::string_view name) {
  if (name == "claimed") return &event.claimed;
  if (name == "verified") return &event.verified;
  return nullptr;
}

bool is_known(Event& event, std::string_view name) {
  return text_field(event, name) != nullptr || count_field(event, name) != nullptr ||
         map_field(event, name) != nullptr || name == "at" || name == "kind" || name == "seq" ||
         name == "duration_s" || name == "upstream_pid";
}

class Handler final : public nlohmann::json_sax<Json> {
 public:
  Record record;
  Error error{ErrorCode::invalid_message, Hop::trail, "record", "is no JSON object", "", ""};
  bool has_time = false;

  bool start_object(std::size_t) override {
    ++depth_;
    if (depth_ == 1) return true;
    if (depth_ == 2 && !skipping()) {
      map_ = map_field(record.event, name_);
      if (map_ == nullptr && is_known(record.event, name_)) return wrong_type();
      if (map_ == nullptr) skip_from_ = depth_;
      return true;
    }
    if (map_ != nullptr) return wrong_type();
    return within_depth();
  }

  bool end_object() override { return leave(); }

  bool start_array(std::size_t) override {
    ++depth_;
    if (depth_ == 1) return fail("is no JSON object");
    if (map_ != nullptr || (!skipping() && is_known(record.event, name_))) return wrong_type();
    if (!skipping()) skip_from_ = depth_;
    return within_depth();
  }

  bool end_array() override { return leave(); }

  bool key(string_t& name) override {
    if (skipping()) return true;
    if (depth_ == 2) {
      entry_ = name;
      return true;
    }
    name_ = name;
    if (!seen_.insert(name_).second) return fail("is given twice");
    return true;
  }

  bool string(string_t& value) override {
    if (skipping()) return true;
    if (depth_ == 0) return fail("is no JSON object");
    if (map_ != nullptr) {
      if (!map_->emplace(entry_, std::move(value)).second) return fail("holds a key twice");
      return true;
    }
    if (auto* text = text_field(record.event, name_)) {
      *text = std::move(value);
      return true;
    }
    if (name_ == "kind") return take_kind(value);
    if (name_ == "at") return take_time(value);
    return !is_known(record.event, name_) || wrong_type();
  }

  bool number_unsigned(number_unsigned_t value) override {
    if (is_ignored()) return true;
    if (auto* count = count_field(record.event, name_)) {
      *count = value;
      return true;
    }
    if (name_ == "seq") {
      record.sequence = value;
      return true;
    }
    if (name_ == "duration_s") return take_duration(static_cast<double>(value));
    if (name_ == "upstream_pid" && value <= INT64_MAX) {
      record.event.upstream_pid = static_cast<std::int64_t>(value);
      return true;
    }
    return wrong_type();
  }

  bool number_integer(number_integer_t value) override {
    if (is_ignored()) return true;
    if (name_ != "upstream_pid") return wrong_type();
    record.event.upstream_pid = value;
    return true;
  }

  bool number_float(number_float_t value, const string_t&) override {
    if (is_ignored()) return true;
    return name_ == "duration_s" ? take_duration(value) : wrong_type();
  }

  bool null() override { return is_ignored() || wrong_type(); }
  bool boolean(bool) override { return is_ignored() || wrong_type(); }
  bool binary(binary_t&) override { return wrong_type(); }
  bool parse_error(std::size_t at, const std::string&, const Json::exception&) override {
    if (error.where == "record") error.what = "is no JSON at byte " + std::to_string(at);
    return false;
  }

 private:
  [[nodiscard]] bool skipping() const { return skip_from_ != 0; }

  /// A value in a field that we do not know. (Inside a map only strings are right.)
  bool is_ignored() { return skipping() || (depth_ == 1 && !is_known(record.event, name_)); }

  bool leave() {
    if (skip_from_ == depth_) skip_from_ = 0;
    if (depth_ == 2) map_ = nullptr;
    --depth_;
    return true;
  }

  bool within_depth() {
    if (depth_ <= record_depth_max) return true;
    error.code = ErrorCode::limit_exceeded;
    return fail("is nested too deep");
  }

  bool take_kind(const std::string& value) {
    record.kind = value;
    const auto kind = kind_named(value);
    record.kind_known = kind.has_value();
    if (kind) record.event.kind = *kind;
    return true;
  }

  bool take_time(const std::string& value) {
    const auto at = parse_record_time(value);
    if (!at) return fail("is no time such as 2026-11-25T10:09:23.123456Z");
    record.event.at = *at;
    has_time = true;
    return true;
  }

  bool take_duration(double value) {
    if (value < 0) return fail("is negative");
    record.event.duration_s = value;
    return true;
  }

  bool wrong_type() { return fail("has a value of the wrong type"); }

  bool fail(std::string_view what) {
    error.where = name_.empty() ? "record" : "record field " + name_.substr(0, record_map_key_bytes_max);
    error.what = what;
    return false;
  }

  std::size_t depth_ = 0;
  std::size_t skip_from_ = 0;  // depth of the unknown object or array that we are in
  TextMap* map_ = nullptr;
  std::string name_, entry_;
  std::set<std::string> seen_;
};

}  // namespace

Result<Record> decode_record(std::string_view text) {
  if (text.size() > record_bytes_max) {
    return Error{ErrorCode::limit_exceeded, Hop::trail, "record", "has more than 256 KiB", "", ""};
  }
  Handler handler;
  if (!Json::sax_parse(text.begin(), text.end(), &handler)) return handler.error;
  if (!handler.has_time || handler.record.kind.empty() || handler.record.sequence == 0) {
    return Error{ErrorCode::invalid_message, Hop::trail, "record", "lacks at, kind or seq", "", ""};
  }
  return std::move(handler.record);
}

}  // namespace sallyport::trail
