// A name server that answers anything to a question for TXT records, and what is made of the records.
#include "base/conversation.h"
#include "net/txt_lookup.h"
#include "secrets/gcp/instance_domain.h"

#include <cstdlib>

using namespace sallyport;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto records = net::decode_txt_answer({data, size}, "db.example");
  if (!records) {
    if (records.error().hop != Hop::dns || records.error().hint.empty()) std::abort();
    return 0;
  }
  if (records->size() > LookupTxt::records_max) std::abort();
  for (const auto& record : *records)
    if (record.size() > LookupTxt::record_bytes_max || record.size() > size) std::abort();
  const auto instance = secrets::gcp::choose_instance("db.example", *records);
  if (!instance) {
    // Nothing of a record is shown: the text depends on how many there are.
    if (describe(instance.error()).size() > 300) std::abort();
    return 0;
  }
  if (instance->alloydb) std::abort();
  for (const auto& record : *records)
    if (record == instance->connection_name()) return 0;
  std::abort();
}
