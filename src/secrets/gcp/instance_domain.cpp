#include "secrets/gcp/instance_domain.h"

#include <algorithm>

namespace sallyport::secrets::gcp {

namespace {

constexpr std::size_t label_bytes_max = 63;
constexpr std::size_t domain_bytes_max = 253;

bool is_label_byte(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
}

bool is_label(std::string_view text) {
  return !text.empty() && text.size() <= label_bytes_max && std::ranges::all_of(text, is_label_byte) &&
         text.front() != '-' && text.back() != '-';
}

Error fault(ErrorCode code, const std::string& domain, std::string what, std::string hint) {
  return {code, Hop::dns, domain, std::move(what), std::move(hint), {}};
}

std::string record_to_add(const std::string& domain) {
  return "Add to its zone: " + domain + ". TXT \"PROJECT:REGION:INSTANCE\"";
}

std::string counted(std::size_t records) {
  if (records == 1) return "has a TXT record, which is not the name of an instance";
  return "has " + std::to_string(records) + " TXT records, none of which is the name of an instance";
}

}  // namespace

std::string domain_in(std::string_view text) {
  if (text.ends_with('.')) text.remove_suffix(1);
  if (text.size() > domain_bytes_max) return {};
  std::size_t begin = 0;
  for (auto dot = text.find('.'); dot != std::string_view::npos; dot = text.find('.', begin)) {
    if (!is_label(text.substr(begin, dot - begin))) return {};
    begin = dot + 1;
  }
  const auto last = text.substr(begin);
  const bool top = begin > 0 && is_label(last) && last.front() >= 'a' && last.front() <= 'z';
  return top ? std::string{text} : std::string{};
}

Result<Instance> choose_instance(const std::string& domain, std::vector<std::string> records) {
  if (records.empty()) return fault(ErrorCode::not_found, domain, "has no TXT record", record_to_add(domain));
  std::ranges::sort(records);
  bool alloydb = false;
  for (const auto& record : records) {
    auto instance = parse_instance(record);
    if (instance && !instance->alloydb) return instance;
    alloydb = alloydb || instance;
  }
  if (alloydb) {
    return fault(
        ErrorCode::bad_config, domain,
        "has a TXT record with the name of an AlloyDB instance, and DNS names instances of Cloud SQL alone",
        "Write the name itself: instance=projects/PROJECT/locations/REGION/clusters/CLUSTER/instances/"
        "INSTANCE");
  }
  return fault(ErrorCode::bad_config, domain, counted(records.size()), record_to_add(domain));
}

Result<Instance> look_up_instance(Inquiry& ask, const std::string& domain) {
  auto found = ask.txt(domain);
  if (found) return choose_instance(domain, (*found)->records);
  auto error = std::move(found).error();
  error.hop = Hop::dns;
  if (error.where.empty()) error.where = domain;
  if (error.code == ErrorCode::not_found) {
    error.hint = "Check the spelling. " + record_to_add(domain);
  } else if (error.hint.empty()) {
    error.hint = "Check the network and the name servers in /etc/resolv.conf";
  }
  return error;
}

}  // namespace sallyport::secrets::gcp
