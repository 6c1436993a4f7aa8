# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='the kubernetes plugin'
official_cli_brings=it
# The tag that the module's pseudo-version stands for.
ldflags=(-X github.com/pulumi/pulumi-kubernetes/provider/v4/pkg/version.Version=4.25.0)

before() {
  cp "$(module_folder github.com/pulumi/pulumi-kubernetes/provider/v4)/cmd/pulumi-resource-kubernetes/schema.json" pulumi-resource-kubernetes/
}
