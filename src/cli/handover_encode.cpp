// Writing what is said at a binary upgrade: what would not fit is not said.
#include "cli/handover_form.h"
#include "cli/handover_messages.h"

#include <algorithm>

namespace sallyport::cli::handover {

namespace {

class Encoder {
 public:
  explicit Encoder(Kind kind) {
    out_.text(magic);
    out_.u8(form);
    out_.u8(static_cast<std::uint8_t>(kind));
  }

  Encoder& bytes(Tag tag, Bytes value) {
    fits_ = fits_ && value.size() <= text_bytes_max;
    out_.u8(static_cast<std::uint8_t>(tag));
    out_.u16(static_cast<std::uint16_t>(std::min(value.size(), text_bytes_max)));
    out_.bytes(value.first(std::min(value.size(), text_bytes_max)));
    return *this;
  }
  Encoder& text(Tag tag, std::string_view value) { return bytes(tag, as_bytes(value)); }
  Encoder& texts(Tag tag, const std::vector<std::string>& values) {
    fits_ = fits_ && values.size() <= names_max;
    for (const auto& value : values) text(tag, value);
    return *this;
  }
  Encoder& flag(Tag tag, bool value) { return number(tag, value ? 1 : 0, 1); }
  Encoder& number(Tag tag, std::uint64_t value, unsigned size) {
    std::uint8_t field[8];
    for (unsigned i = 0; i < size; ++i) field[i] = static_cast<std::uint8_t>(value >> (8 * (size - 1 - i)));
    return bytes(tag, {field, size});
  }

  std::string take() {
    if (!fits_ || bytes_.size() > packet_bytes_max) return {};
    return std::string{as_text(bytes_)};
  }

 private:
  std::vector<std::uint8_t> bytes_;
  ByteWriter out_{bytes_};
  bool fits_ = true;
};

std::string encode_cancel(const Cancel& message) {
  const auto& asker = message.claim.asker;
  Encoder out{Kind::cancel};
  out.number(Tag::number, message.number, 8)
      .number(Tag::pid, static_cast<std::uint32_t>(message.claim.pid), 4)
      .bytes(Tag::key, message.claim.key)
      .text(Tag::route, asker.route)
      .text(Tag::address, asker.address)
      .flag(Tag::secured, asker.secured)
      .flag(Tag::clear, asker.clear)
      .flag(Tag::local, asker.local)
      .flag(Tag::counted, asker.counted);
  if (asker.uid) out.number(Tag::uid, *asker.uid, 4);
  if (asker.certificate != nullptr) {
    out.text(Tag::certificate_subject, asker.certificate->subject)
        .texts(Tag::certificate_dns, asker.certificate->dns_names)
        .text(Tag::certificate_spiffe, asker.certificate->spiffe_id);
  }
  return out.take();
}

struct Encode {
  std::string operator()(const Hello& m) const {
    return Encoder{Kind::hello}.text(Tag::version, m.version).text(Tag::config_file, m.config_file).take();
  }
  std::string operator()(const Welcome& m) const {
    return Encoder{Kind::welcome}.text(Tag::version, m.version).take();
  }
  std::string operator()(const Refusal& m) const {
    return Encoder{Kind::refusal}.text(Tag::what, m.what).text(Tag::fix, m.fix).take();
  }
  std::string operator()(const Give&) const { return Encoder{Kind::give}.take(); }
  std::string operator()(const Socket& m) const {
    return Encoder{Kind::socket}.text(Tag::path, m.path).take();
  }
  std::string operator()(const AllGiven& m) const {
    return Encoder{Kind::all_given}
        .number(Tag::count, m.count, 4)
        .texts(Tag::credential, m.credentials)
        .take();
  }
  std::string operator()(const Serving&) const { return Encoder{Kind::serving}.take(); }
  std::string operator()(const Released& m) const {
    return Encoder{Kind::released}.texts(Tag::paused, m.paused).take();
  }
  std::string operator()(const Cancel& m) const { return encode_cancel(m); }
  std::string operator()(const CancelDone& m) const {
    return Encoder{Kind::cancel_done}.number(Tag::number, m.number, 8).flag(Tag::found, m.found).take();
  }
  std::string operator()(const Reloaded&) const { return Encoder{Kind::reloaded}.take(); }
};

}  // namespace

std::string encode_message(const Message& message) { return std::visit(Encode{}, message); }

}  // namespace sallyport::cli::handover
