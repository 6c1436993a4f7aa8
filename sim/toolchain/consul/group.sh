# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='Consul with its web interface'
consul=github.com/hashicorp/consul
version=$(module_version "$consul")

before() {
  # Of the ways to find servers, those that ask clouds go; mDNS and Kubernetes stay.
  own_copy github.com/hashicorp/go-discover
  sed -i -E '/go-discover\/provider\/mdns/!{/go-discover\/provider\//d}; /&mdns\./!{/\.Provider\{\},$/d}' "$copy/discover.go"

  # All messages of Envoy's, for settings that Consul hands on without knowing them; those that it makes itself stay.
  own_copy "$consul/troubleshoot"
  echo 'package troubleshoot' >"$copy/proxy/z_xds_packages.go"
  own_copy "$consul"
  echo 'package xds' >"$copy/agent/xds/z_xds_packages.go"
  # Its pages were built before the version was decided.
  sed -i -E "s/(%22CONSUL_VERSION%22%3A%22)[^%]*(%5Cn)?%22/\1${version#v}%22/" "$copy/agent/uiserver/dist/index.html"
}
