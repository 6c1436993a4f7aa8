# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='Traefik with its dashboard, the definitions of its Kubernetes objects, the shape of its dynamic configuration'
needs=(npm)
traefik=github.com/traefik/traefik/v3
version=$(module_version "$traefik")
ldflags=(-X "$traefik/pkg/version.Version=${version#v}")

before() {
  # What only talks to clouds goes: of the ways to pass ACME's DNS challenge all but those that ask no provider, and Amazon's ECS.
  own_copy github.com/go-acme/lego/v4
  local kept='acmedns|exec|httpreq|manual|rfc2136'
  sed -i -E "/providers\/dns\/($kept)\"/!{/providers\/dns\//d}; /^\tcase /{N;/return ($kept)\./!d}" \
    "$copy/providers/dns/zz_gen_dns_providers.go"
  own_copy "$traefik"
  rm "$copy"/pkg/provider/ecs/*
  cp ecs/* "$copy/pkg/provider/ecs/"

  # The module has the dashboard's sources, and where its pages are to be embedded a folder without any.
  cp webui/* "$copy/webui/"
  (
    cd "$copy/webui" || exit
    # Answers invented for its development, with a library of their own.
    rm -r src/mocks/*
    echo 'export const worker = undefined' >src/mocks/browser.ts
    npm ci --ignore-scripts --legacy-peer-deps --no-audit --no-fund --loglevel=error
    node_modules/.bin/vite build
  ) >>"$log" 2>&1
}

# Both read the Go types that Traefik itself works with.
after() {
  "$bin/controller-gen" crd:maxDescLen=0 output:crd:dir="$folder/crds" \
    paths="$traefik/pkg/provider/kubernetes/crd/traefikio/v1alpha1" >>"$log" 2>&1
  "$bin/dynamic-schema" >"$folder/dynamic.json"
  rm "$bin/controller-gen" "$bin/dynamic-schema"
}
