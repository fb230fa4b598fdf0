#include "admin/openmetrics.h"

#include <array>
#include <charconv>

namespace sallyport::admin {

namespace {

std::string escaped(std::string_view value) {
  std::string out;
  for (const char c : value) {
    if (c == '\\' || c == '"') out += '\\';
    if (c == '\n') {
      out += "\\n";
    } else {
      out += static_cast<unsigned char>(c) < 0x20 ? '?' : c;
    }
  }
  return out;
}

template <class Number>
std::string text_of(Number value) {
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}

double seconds(std::uint64_t us) { return static_cast<double>(us) / 1e6; }

}  // namespace

std::string_view content_type_of(MetricsFormat format) {
  return format == MetricsFormat::openmetrics ? "application/openmetrics-text; version=1.0.0; charset=utf-8"
                                              : "text/plain; version=0.0.4; charset=utf-8";
}

void MetricsWriter::family(std::string_view name, std::string_view type, std::string_view help,
                           std::string_view unit) {
  name_ = name;
  counter_ = type == "counter";
  const bool open = format_ == MetricsFormat::openmetrics;
  const auto described = name_ + (counter_ && !open ? "_total" : "");
  out_.append("# HELP ").append(described).append(" ").append(help).append("\n");
  out_.append("# TYPE ").append(described).append(" ").append(type).append("\n");
  if (open && !unit.empty()) out_.append("# UNIT ").append(described).append(" ").append(unit).append("\n");
}

void MetricsWriter::counter(std::string_view name, std::string_view help, std::string_view unit) {
  family(name, "counter", help, unit);
}

void MetricsWriter::gauge(std::string_view name, std::string_view help, std::string_view unit) {
  family(name, "gauge", help, unit);
}

void MetricsWriter::histogram(std::string_view name, std::string_view help) {
  family(name, "histogram", help, "seconds");
}

void MetricsWriter::line(std::string_view suffix, const Labels& labels, std::string_view value) {
  out_.append(name_).append(suffix);
  char before = '{';
  for (const auto& [label, text] : labels) {
    out_ += before;
    out_.append(label).append("=\"").append(escaped(text)).append("\"");
    before = ',';
  }
  if (before == ',') out_ += '}';
  out_.append(" ").append(value).append("\n");
}

void MetricsWriter::sample(const Labels& labels, double value) {
  line(counter_ ? "_total" : "", labels, text_of(value));
}

void MetricsWriter::sample(const Labels& labels, std::uint64_t value) {
  line(counter_ ? "_total" : "", labels, text_of(value));
}

void MetricsWriter::sample(const Labels& labels, const Histogram& values, std::size_t first,
                           std::size_t last) {
  std::uint64_t below = 0;
  std::size_t next = 0;
  auto with_bound = labels;
  with_bound.emplace_back("le", "");
  for (auto bucket = first; bucket <= last; bucket += 2) {
    while (next <= bucket) below += values.count_in(next++);
    const auto bound = text_of(seconds(std::uint64_t{1} << bucket));
    with_bound.back().second = bound;
    line("_bucket", with_bound, text_of(below));
  }
  const auto all = text_of(values.count());
  with_bound.back().second = "+Inf";
  line("_bucket", with_bound, all);
  line("_sum", labels, text_of(seconds(values.sum_us())));
  line("_count", labels, all);
}

std::string MetricsWriter::finish() {
  if (format_ == MetricsFormat::openmetrics) out_ += "# EOF\n";
  return std::move(out_);
}

}  // namespace sallyport::admin
