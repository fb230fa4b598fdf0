// The tracker against the model of a session (test/wire/session_tracker_model.h); the input is the dice.
#include "../test/wire/session_tracker_model.h"

#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2 || size > 4096) return 0;
  const bool wild = (data[0] & 1) != 0;
  std::size_t at = 1;
  sallyport::test::TrackerModel model{[&](unsigned below) { return at < size ? data[at++] % below : 0; }};
  while (at < size) {
    model.step(wild);
    if (model.tracker.at_boundary() && !model.at_rest()) std::abort();
  }
  model.come_to_rest();
  if (!model.tracker.nothing_outstanding() && !model.tracker.awaits_client()) std::abort();
  if (wild) return 0;
  model.finish_politely();
  if (model.tracker.at_boundary() != (model.status() == 'I')) std::abort();
  return 0;
}
