#include "secrets/kubernetes/api.h"

#include "base/limits.h"
#include "crypto/base64_pem.h"
#include "secrets/address.h"
#include "secrets/kubernetes/fields.h"

namespace sallyport::secrets::kubernetes {

namespace {

Error wrong(ErrorCode code, const Options& options, std::string what, std::string hint) {
  return {code, Hop::secret_source, options.where(), std::move(what), std::move(hint), {}};
}

/// "https://10.96.0.1:443".
Result<std::string> server_of(Inquiry& ask, const Options& options) {
  if (!options.server.empty()) return options.server;
  auto host = ask.text("KUBERNETES_SERVICE_HOST");
  if (!host) return std::move(host).error();
  auto port = ask.text("KUBERNETES_SERVICE_PORT");
  if (!port) return std::move(port).error();
  if (host->empty()) {
    return wrong(
        ErrorCode::bad_config, options, "not inside a cluster: KUBERNETES_SERVICE_HOST is not set",
        "Run it in a pod, or name the API server: server=https://…, token_file=/path and ca_file=/path");
  }
  const bool bare_ipv6 = host->find(':') != std::string::npos && host->front() != '[';
  const auto written = bare_ipv6 ? "[" + *host + "]" : *host;
  auto address =
      parse_address("https://" + written + ":" + (port->empty() ? "443" : *port), "KUBERNETES_SERVICE_HOST");
  if (!address) {
    auto error = std::move(address).error();
    error.hint = "The kubelet sets it, with KUBERNETES_SERVICE_PORT, for example to 10.96.0.1 and 443";
    return error;
  }
  return to_string(*address);
}

/// A file of the mount, whole, that is no secret.
Result<std::string> mounted(Inquiry& ask, const Options& options, std::string_view path) {
  auto content = ask.file({std::string{path}, limits::secret_bytes_max, FileTrust::any});
  if (content) return std::string{(*content)->reveal()};
  auto error = std::move(content).error();
  error.hop = Hop::secret_source;
  error.where = options.where() + " (" + std::string{path} + ")";
  if (error.code == ErrorCode::not_found) {
    error.hint = "The pod has no service account mounted: remove automountServiceAccountToken: false";
  }
  return error;
}

/// Of the cluster. Without them the token would go to whoever the system's roots vouch for.
Result<Authorities> cluster_authorities(Inquiry& ask, const Options& options) {
  auto pem = mounted(ask, options, mounted_authorities);
  if (!pem) return std::move(pem).error();
  if (crypto::pem_body(*pem, "CERTIFICATE"))
    return Authorities{std::move(*pem), std::string{mounted_authorities}};
  return wrong(
      ErrorCode::bad_config, options, "no whole certificate in " + std::string{mounted_authorities},
      "It is of the ConfigMap kube-root-ca.crt: look at it in the pod's namespace, and start the pod again");
}

/// With the namespace, which the reference may leave out.
Result<Options> located(Inquiry& ask, const Options& options) {
  Options out = options;
  if (!out.name_space.empty()) return out;
  auto text = mounted(ask, options, mounted_namespace);
  if (!text) return std::move(text).error();
  while (text->ends_with('\n')) text->pop_back();
  if (!is_label(*text)) {
    return wrong(ErrorCode::bad_config, options, "no namespace in " + std::string{mounted_namespace},
                 "Write it into the reference: k8s:NAMESPACE/SECRET");
  }
  out.name_space = std::move(*text);
  return out;
}

Result<Fetched> taken(const WebReply& reply, const Options& options) {
  const auto root = reply.root();
  const auto metadata = root["metadata"];
  if (root["kind"].text() != "Secret" || metadata["name"].text() != options.name ||
      metadata["namespace"].text() != options.name_space) {
    return wrong(ErrorCode::peer_misbehaved, options, "the answer of the API server is not this Secret",
                 "Check that the address is an API server's, and no proxy's or login page's");
  }
  auto fetched = shape_data(root["data"], options.shape, options.where());
  if (!fetched) return std::move(fetched).error();
  fetched->credential.version = shown_code(metadata["resourceVersion"].text());
  fetched->refetch_after = refetch_after;
  return fetched;
}

}  // namespace

Result<Then> fetch_secret(Inquiry& ask, const Options& wanted, Fetched& yield) {
  auto server = server_of(ask, wanted);
  if (!server) return std::move(server).error();
  auto options = located(ask, wanted);
  if (!options) return std::move(options).error();
  const auto where = options->where();
  const bool own_token = options->token_file.empty();
  const std::string token_file = own_token ? std::string{mounted_token} : options->token_file;
  auto token = read_web_token(ask, token_file, where);
  if (!token) {
    auto error = std::move(token).error();
    if (error.code == ErrorCode::not_found && own_token) {
      error.hint = "The pod has no service account mounted: remove automountServiceAccountToken: false";
    }
    return error;
  }
  std::optional<Authorities> authorities;
  if (options->ca_file.empty() && options->server.empty()) {
    auto mounted = cluster_authorities(ask, *options);
    if (!mounted) return std::move(mounted).error();
    authorities = std::move(*mounted);
  }
  const auto make = [&](Moment) {
    HttpRequest request;
    request.url = *server + "/api/v1/namespaces/" + options->name_space + "/secrets/" + options->name;
    request.headers.push_back({"Authorization", joined({"Bearer ", token->reveal()})});
    request.headers.push_back(web_header("Accept", "application/json"));
    request.ca_file = options->ca_file;
    request.authorities = authorities;
    return request;
  };
  auto reply = ask_web(ask, make, {}, where);
  if (!reply) return std::move(reply).error();
  if (reply->status == 401 && ask.attempt() == 0) return Then::all_again;
  if (!reply->success()) return meaning_of(*reply, claims_of(*token), *options, ask.now().wall);
  auto fetched = taken(*reply, *options);
  if (!fetched) return std::move(fetched).error();
  fetched->origin = *server;
  yield = std::move(*fetched);
  return Then::next_step;
}

}  // namespace sallyport::secrets::kubernetes
