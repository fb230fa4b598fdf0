#include "net/http_request.h"

#include "base/ascii.h"
#include "net/dns.h"
#include "net/http.h"

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sallyport::net {

namespace {

struct UrlFree {
  void operator()(CURLU* url) const { curl().url_cleanup(url); }
};

Error bad(std::string where, std::string what, std::string hint) {
  return {ErrorCode::bad_config, Hop::secret_source, std::move(where), std::move(what), std::move(hint), {}};
}

std::string part_of(CURLU* url, CURLUPart part) {
  char* text = nullptr;
  if (curl().url_get(url, part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return {};
  std::string out = text;
  curl().free(text);
  return out;
}

bool append(HeaderList& list, const char* line) {
  curl_slist* grown = curl().slist_append(list.get(), line);
  if (grown == nullptr) return false;
  [[maybe_unused]] auto* same = list.release();
  list.reset(grown);
  return true;
}

}  // namespace

void HeaderListFree::operator()(curl_slist* list) const {
  for (auto* at = list; at != nullptr; at = at->next) wipe_memory(at->data, std::strlen(at->data));
  curl().slist_free_all(list);
}

Result<Url> parse_url(const HttpRequest& request) {
  if (auto ready = load_http_library(); ready.has_error()) return ready.error();
  const auto& text = request.url;
  const std::unique_ptr<CURLU, UrlFree> url{curl().url()};
  const bool clean = std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7f; });
  if (url == nullptr || !clean || curl().url_set(url.get(), CURLUPART_URL, text.c_str(), 0) != CURLUE_OK) {
    return bad("URL", "is not one", "Write https://HOST[:PORT]/…, with everything else percent-encoded.");
  }
  if (!part_of(url.get(), CURLUPART_USER).empty() || !part_of(url.get(), CURLUPART_PASSWORD).empty()) {
    return bad("URL", "holds a user or password", "Remove it: credentials are never part of an address.");
  }
  Url out{part_of(url.get(), CURLUPART_SCHEME), part_of(url.get(), CURLUPART_HOST),
          part_of(url.get(), CURLUPART_PORT)};
  if (out.host.size() > 2 && out.host.front() == '[') out.host = out.host.substr(1, out.host.size() - 2);
  if (out.scheme == "https" || (out.scheme == "http" && request.plain_http_allowed)) return out;
  if (out.scheme == "http") {
    return bad(out.host + ":" + out.port + ", not sent",
               "is addressed by plain http, which would send secrets in clear", "Use https.");
  }
  return bad("URL", "has the scheme " + out.scheme + ", and only https is spoken", "Use https.");
}

bool is_local(const Url& url) {
  if (url.host == "localhost" || url.host.ends_with(".localhost")) return true;
  const auto address = literal_address(url.host, 0);
  return address && (address->is_loopback() || address->is_link_local());
}

bool is_token(const std::string& name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           std::strchr("!#$%&'*+-.^_`|~", c) != nullptr;
  });
}

Result<HeaderList> headers_of(const HttpRequest& request) {
  HeaderList list;
  bool has_type = false;
  bool stored = append(list, "Expect:");  // never wait for 100-continue
  for (const auto& header : request.headers) {
    const auto value = header.value.reveal();
    const bool printable =
        std::ranges::all_of(value, [](char c) { return static_cast<unsigned char>(c) >= ' ' && c != 0x7f; });
    if (!is_token(header.name) || !printable) {
      return bad(is_token(header.name) ? header.name : "header", "cannot be sent as an HTTP header",
                 "Look for a line break or control character in the secret it is made from.");
    }
    has_type = has_type || equal_but_for_case(header.name, "content-type");
    auto line = Secret::of_size(header.name.size() + value.size() + 3);  // zero byte at the end
    auto* at = reinterpret_cast<char*>(line.writable().data());
    at = std::ranges::copy(header.name, at).out;
    at = std::ranges::copy(value.empty() ? std::string_view{";"} : std::string_view{": "}, at).out;
    std::ranges::copy(value, at);
    stored = stored && append(list, line.reveal().data());
  }
  if (!has_type) stored = stored && append(list, "Content-Type:");  // libcurl would call every body a form
  if (!stored)
    return Error{ErrorCode::retry_later, Hop::secret_source, "libcurl, not sent", "out of memory", {}, {}};
  return list;
}

Result<HeaderList> resolve_for(const Url& url) {
  HeaderList list;
  std::uint16_t port = 0;
  std::from_chars(url.port.data(), url.port.data() + url.port.size(), port);
  auto addresses = resolve(url.host, port);
  if (addresses.has_error()) {
    auto error = addresses.error();
    error.hop = Hop::secret_source;
    error.where = url.host + ":" + url.port + ", not sent";
    return error;
  }
  if (is_ip_literal(url.host)) return list;
  std::string line = url.host + ":" + url.port + ":";
  for (const auto& address : *addresses) {
    const auto text = address.to_string();
    line += (line.back() == ':' ? "" : ",") + text.substr(0, text.rfind(':'));
  }
  append(list, line.c_str());
  return list;
}

namespace {

curl_blob blob_of(std::string_view text) {
  return {const_cast<char*>(text.data()), text.size(), CURL_BLOB_NOCOPY};  // NOLINT: libcurl only reads it
}

}  // namespace

void set_material(Options& easy, const HttpRequest& request) {
  if (!request.ca_file.empty()) {
    set(easy, CURLOPT_CAINFO, request.ca_file.c_str());
    // Else the system's store counts, too.
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (request.authorities) {
    auto authorities = blob_of(request.authorities->pem);
    set(easy, CURLOPT_CAINFO_BLOB, &authorities);
    set(easy, CURLOPT_CAPATH, static_cast<const char*>(nullptr));
  }
  if (request.client_certificate.empty()) return;
  auto certificate = blob_of(request.client_certificate);
  auto key = blob_of(request.client_key.reveal());
  set(easy, CURLOPT_SSLCERTTYPE, "PEM");
  set(easy, CURLOPT_SSLKEYTYPE, "PEM");
  set(easy, CURLOPT_SSLCERT_BLOB, &certificate);
  set(easy, CURLOPT_SSLKEY_BLOB, &key);
}

}  // namespace sallyport::net
