#include "net/txt_lookup.h"

#include "base/conversation.h"

#include <arpa/nameser.h>
#include <netdb.h>
#include <netinet/in.h>
#include <resolv.h>

#include <algorithm>

namespace sallyport::net {

namespace {

/// The longest message that TCP can carry.
constexpr std::size_t message_bytes_max = 65'535;

/// Seconds for one server, and rounds: with three servers that are silent the resolver gives up after half a minute.
constexpr int wait_s_max = 3;
constexpr int rounds_max = 2;

Error fault(ErrorCode code, const std::string& name, std::string what, std::string hint) {
  return {code, Hop::dns, name, std::move(what), std::move(hint), {}};
}

Error no_message(const std::string& name) {
  return fault(ErrorCode::invalid_message, name, "the name server's answer is no DNS message",
               "Check what answers at the addresses in /etc/resolv.conf.");
}

Error lookup_error(const std::string& name, int code) {
  switch (code) {
    case HOST_NOT_FOUND:
      return fault(ErrorCode::not_found, name, "there is no such name", "Check the spelling, or add it.");
    case TRY_AGAIN:
      return fault(ErrorCode::retry_later, name, "the name server did not answer, or failed",
                   "Check the network and the name servers in /etc/resolv.conf.");
    default:
      return fault(ErrorCode::retry_later, name, "the name server refuses to answer",
                   "Check that the name servers in /etc/resolv.conf may be asked for it.");
  }
}

/// TXT is a row of strings, each behind a byte that is its length.
std::optional<std::string> joined_strings(Bytes data) {
  std::string out;
  while (!data.empty()) {
    const std::size_t size = data.front();
    data = data.subspan(1);
    if (size > data.size()) return std::nullopt;
    out += as_text(data.first(size));
    data = data.subspan(size);
  }
  return out;
}

/// A resolver's state that is closed whatever happens.
class Resolver {
 public:
  Resolver() : ready_(res_ninit(&state_) == 0) {
    state_.retrans = std::min(state_.retrans, wait_s_max);
    state_.retry = std::min(state_.retry, rounds_max);
  }
  ~Resolver() {
    if (ready_) res_nclose(&state_);
  }
  Resolver(const Resolver&) = delete;
  Resolver& operator=(const Resolver&) = delete;

  [[nodiscard]] bool ready() const { return ready_; }
  [[nodiscard]] int error() const { return state_.res_h_errno; }
  int ask(const std::string& name, std::vector<std::uint8_t>& answer) {
    return res_nquery(&state_, name.c_str(), ns_c_in, ns_t_txt, answer.data(),
                      static_cast<int>(answer.size()));
  }

 private:
  struct __res_state state_ {};
  bool ready_;
};

}  // namespace

Result<std::vector<std::string>> decode_txt_answer(Bytes message, const std::string& name) {
  ns_msg parsed{};
  if (message.size() > message_bytes_max ||
      ns_initparse(message.data(), static_cast<int>(message.size()), &parsed) != 0)
    return no_message(name);
  std::vector<std::string> out;
  for (int at = 0; at < ns_msg_count(parsed, ns_s_an); ++at) {
    ns_rr record{};
    if (ns_parserr(&parsed, ns_s_an, at, &record) != 0) return no_message(name);
    if (ns_rr_type(record) != ns_t_txt || ns_rr_class(record) != ns_c_in) continue;
    auto text = joined_strings(Bytes{ns_rr_rdata(record), std::size_t{record.rdlength}});
    if (!text) return no_message(name);
    if (out.size() == LookupTxt::records_max) {
      return fault(ErrorCode::limit_exceeded, name,
                   "has more than " + std::to_string(LookupTxt::records_max) + " TXT records",
                   "Use a name that has this record alone.");
    }
    if (text->size() > LookupTxt::record_bytes_max) text->clear();
    out.push_back(std::move(*text));
  }
  return out;
}

Result<std::vector<std::string>> txt_records(const std::string& name) {
  Resolver resolver;
  if (!resolver.ready()) {
    return fault(ErrorCode::retry_later, name, "the look-up cannot begin",
                 "Check that /etc/resolv.conf can be read.");
  }
  std::vector<std::uint8_t> answer(message_bytes_max);
  const int size = resolver.ask(name, answer);
  if (size < 0 && resolver.error() == NO_DATA) return std::vector<std::string>{};
  if (size < 0) return lookup_error(name, resolver.error());
  if (static_cast<std::size_t>(size) > answer.size()) return no_message(name);
  return decode_txt_answer(Bytes{answer}.first(static_cast<std::size_t>(size)), name);
}

}  // namespace sallyport::net
