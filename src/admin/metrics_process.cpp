#include "admin/metrics_process.h"

#include <chrono>

namespace sallyport::admin {

namespace {

/// By the names that every Prometheus client library gives them.
void write_figures(const broker::Status& status, MetricsWriter& out) {
  const auto& figures = status.process.figures;
  out.gauge("process_start_time_seconds", "When the process began, since the epoch.", "seconds");
  out.sample({}, seconds(status.process.started));
  out.counter("process_cpu_seconds", "Processor time that the process has used.", "seconds");
  if (figures.cpu) out.sample({}, seconds(*figures.cpu));
  out.gauge("process_resident_memory_bytes", "Memory of the process that is in RAM.", "bytes");
  if (figures.resident_bytes) out.sample({}, *figures.resident_bytes);
  out.gauge("process_open_fds", "Descriptors that are open.");
  if (figures.open_descriptors) out.sample({}, *figures.open_descriptors);
  out.gauge("process_max_fds", "Descriptors that may be open.");
  if (figures.descriptors_max) out.sample({}, *figures.descriptors_max);
}

}  // namespace

void write_process(const broker::Status& status, MetricsWriter& out) {
  write_figures(status, out);
  const auto& process = status.process;
  out.gauge("sallyport_build_info", "Always 1: which version this is.");
  out.sample({{"version", process.version}}, number(1));
  out.gauge("sallyport_start_time_seconds", "When the process began, since the epoch.", "seconds");
  out.sample({}, seconds(process.started));
  out.gauge("sallyport_uptime_seconds", "How long the process has run.", "seconds");
  out.sample({}, seconds(process.uptime));
  out.gauge("sallyport_draining", "1: it was asked to stop and takes no new sessions.");
  out.sample({}, number(process.draining ? 1 : 0));
  out.gauge("sallyport_protection_missing", "1 for each protection that the machine does not give.");
  for (const auto& what : process.missing) out.sample({{"what", what}}, number(1));
  out.gauge("sallyport_certificate_left_seconds",
            "Until a certificate or revocation list of the configuration ends; below 0: since then.",
            "seconds");
  for (const auto& one : process.expiries)
    out.sample({{one.kind, one.name}, {"what", one.what}}, seconds(one.until - status.at));
}

}  // namespace sallyport::admin
