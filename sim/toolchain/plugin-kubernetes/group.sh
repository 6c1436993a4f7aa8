# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='the kubernetes plugin'
# The tag that the module's pseudo-version stands for.
version=4.25.0
pulumi_parts="kubernetes $version"
ldflags=(-X "github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=$version")

before() {
  cp "$(module_folder github.com/pulumi/pulumi-kubernetes/provider/v4)/cmd/pulumi-resource-kubernetes/schema.json" pulumi-resource-kubernetes/

  # Components (ConfigGroup, Chart) register each object by the Go type of its kind, of which nothing but the name counts: the way
  # that custom resources go does for all, without 60 packages of types that compile longer than the rest of the plugin.
  own_copy github.com/pulumi/pulumi-kubernetes/sdk/v4
  sed -i '/pulumi-kubernetes\/sdk\/v4\/go\/kubernetes\//d
    /^func RegisterResource/,/^}/ {
      s/^\tfullKind := .*/\tif apiVersion == "v1" {\n\t\tapiVersion = "core\/v1"\n\t}/
      s/switch fullKind/switch/
      /^\tcase /,/^\t\treturn &res, nil/d
      s/apiextensions\.CustomResource/pulumi.CustomResourceState/
    }' "$copy/go/kubernetes/yaml/v2/kinds.go"

  # Kubernetes has removed a version of autoscaling's objects that this corrects, as clusters did long before.
  own_copy github.com/fluxcd/pkg/ssa
  sed -i '/autoscaling\/v2beta2"/d; /case \*hpav2beta2/,/o\.Spec\.Metrics = metrics/d' "$copy/normalize/normalize.go"
}
