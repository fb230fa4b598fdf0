// Reading what the other process says at a binary upgrade: fields in any order, each once unless it is a list.
#include "base/limits.h"
#include "cli/handover_form.h"
#include "cli/handover_messages.h"
#include "trail/text.h"

#include <algorithm>

namespace sallyport::cli::handover {

namespace {

/// The fields of a packet; what is missing or wrong is remembered.
class Fields {
 public:
  explicit Fields(ByteReader& in) {
    while (in.ok() && in.left() > 0) {
      const auto tag = in.u8();
      const auto value = in.take(in.u16());
      if (value.size() > text_bytes_max || all_.size() >= names_max + 32) in.fail();
      all_.push_back({static_cast<Tag>(tag), value});
    }
    good_ = in.ok();
  }

  [[nodiscard]] bool has(Tag tag) const {
    return std::any_of(all_.begin(), all_.end(), [&](const Field& field) { return field.tag == tag; });
  }

  Bytes bytes(Tag tag) {
    Bytes found;
    int count = 0;
    for (const auto& field : all_) {
      if (field.tag != tag) continue;
      found = field.value;
      ++count;
    }
    good_ = good_ && count == 1;
    return found;
  }

  std::string text(Tag tag) { return std::string{as_text(bytes(tag))}; }

  /// May be shown to people and stand in a log.
  std::string printable(Tag tag) {
    auto found = text(tag);
    check(found);
    return found;
  }

  std::vector<std::string> texts(Tag tag) {
    std::vector<std::string> found;
    for (const auto& field : all_) {
      if (field.tag == tag) found.emplace_back(as_text(field.value));
    }
    good_ = good_ && found.size() <= names_max;
    return found;
  }

  std::vector<std::string> names(Tag tag) {
    auto found = texts(tag);
    for (const auto& name : found) check(name);
    return found;
  }

  std::uint64_t number(Tag tag, unsigned size) {
    const auto field = bytes(tag);
    good_ = good_ && field.size() == size;
    std::uint64_t value = 0;
    for (const auto byte : field.first(std::min<std::size_t>(field.size(), 8))) value = value << 8 | byte;
    return value;
  }

  bool flag(Tag tag) {
    const auto value = number(tag, 1);
    good_ = good_ && value <= 1;
    return value == 1;
  }

  void require(bool condition) { good_ = good_ && condition; }
  [[nodiscard]] bool good() const { return good_; }

 private:
  void check(const std::string& text) { good_ = good_ && trail::printable(text) == text; }

  struct Field {
    Tag tag;
    Bytes value;
  };
  std::vector<Field> all_;
  bool good_ = true;
};

Cancel read_cancel(Fields& fields) {
  Cancel message;
  message.number = fields.number(Tag::number, 8);
  message.claim.pid = static_cast<std::int32_t>(static_cast<std::uint32_t>(fields.number(Tag::pid, 4)));
  const auto key = fields.bytes(Tag::key);
  fields.require(key.size() >= 4 && key.size() <= limits::cancel_key_bytes_max);
  message.claim.key.assign(key.begin(), key.end());
  auto& asker = message.claim.asker;
  asker.route = fields.text(Tag::route);
  asker.address = fields.text(Tag::address);
  asker.secured = fields.flag(Tag::secured);
  asker.clear = fields.flag(Tag::clear);
  asker.local = fields.flag(Tag::local);
  asker.counted = fields.flag(Tag::counted);
  if (fields.has(Tag::uid)) asker.uid = static_cast<std::uint32_t>(fields.number(Tag::uid, 4));
  if (!fields.has(Tag::certificate_subject)) return message;
  policy::ClientCertificate certificate;
  certificate.subject = fields.text(Tag::certificate_subject);
  certificate.dns_names = fields.texts(Tag::certificate_dns);
  certificate.spiffe_id = fields.text(Tag::certificate_spiffe);
  asker.certificate = std::make_shared<const policy::ClientCertificate>(std::move(certificate));
  return message;
}

Message read(Kind kind, Fields& fields) {
  switch (kind) {
    case Kind::hello: {
      Hello message;
      message.version = fields.printable(Tag::version);
      message.config_file = fields.printable(Tag::config_file);
      return message;
    }
    case Kind::welcome: return Welcome{fields.printable(Tag::version)};
    case Kind::refusal: {
      Refusal message;
      message.what = fields.printable(Tag::what);
      message.fix = fields.printable(Tag::fix);
      return message;
    }
    case Kind::give: return Give{};
    case Kind::socket: return Socket{fields.printable(Tag::path)};
    case Kind::all_given: {
      AllGiven message;
      message.count = static_cast<std::uint32_t>(fields.number(Tag::count, 4));
      message.credentials = fields.names(Tag::credential);
      return message;
    }
    case Kind::serving: return Serving{};
    case Kind::released: return Released{fields.names(Tag::paused)};
    case Kind::cancel: return read_cancel(fields);
    case Kind::cancel_done: {
      CancelDone message;
      message.number = fields.number(Tag::number, 8);
      message.found = fields.flag(Tag::found);
      return message;
    }
    case Kind::reloaded: return Reloaded{};
  }
  fields.require(false);
  return Give{};
}

}  // namespace

Result<Message> decode_message(Bytes packet) {
  const auto wrong = [] {
    return Error{ErrorCode::invalid_message,
                 Hop::listener,
                 "take-over",
                 "the other process does not speak as this version of Sallyport does",
                 "Restart Sallyport instead: stop the one that runs, and start the new one.",
                 {}};
  };
  ByteReader in{packet};
  const auto begin = in.take(magic.size());
  if (packet.size() > packet_bytes_max || as_text(begin) != magic || in.u8() != form) return wrong();
  const auto kind = static_cast<Kind>(in.u8());
  Fields fields{in};
  auto message = read(kind, fields);
  if (!fields.good()) return wrong();
  return message;
}

}  // namespace sallyport::cli::handover
