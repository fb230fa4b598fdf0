// The worlds of `k8s:`, for source_fixtures.h.
#pragma once

#include "test/contract/source_world.h"

#include <string>

namespace sallyport::contract {

inline constexpr std::string_view kubernetes_secret =
    R"({"kind":"Secret","apiVersion":"v1","metadata":{"name":"db","namespace":"prod","resourceVersion":"4001"},"data":{"password":"Y2FuYXJ5LXBhc3N3b3Jk","username":"YXBw"},"type":"Opaque"})";

inline SourceWorld kubernetes_world() {
  SourceWorld world;
  world.variables["KUBERNETES_SERVICE_HOST"] = "10.96.0.1";
  world.variables["KUBERNETES_SERVICE_PORT"] = "443";
  const std::string mount = "/var/run/secrets/kubernetes.io/serviceaccount/";
  world.files[mount + "token"] =
      "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJzeXN0ZW06c2VydmljZWFjY291bnQ6cHJvZDphcHAifQ.canary-token";
  world.files[mount + "ca.crt"] = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
  world.files[mount + "namespace"] = "prod";
  world.http["GET https://10.96.0.1:443/api/v1/namespaces/prod/secrets/db"] = {200, kubernetes_secret};
  return world;
}

}  // namespace sallyport::contract
