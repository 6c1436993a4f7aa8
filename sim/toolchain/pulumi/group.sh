# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='the Pulumi engine and the command plugin'
official_cli_brings=it
pulumi=$(module_version github.com/pulumi/pulumi/pkg/v3)
ldflags=(
  -X "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${pulumi#v}"
  # The release whose behaviour the plugin has; the engine warns when it is older than @pulumi/command in package.json.
  -X main.version=1.2.1
)
