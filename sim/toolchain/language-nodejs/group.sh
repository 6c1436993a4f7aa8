# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description="Pulumi's language host for Node"
sdk=$(module_version github.com/pulumi/pulumi/sdk/v3)
pulumi_parts="language host ${sdk#v}"
ldflags=(-X "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${sdk#v}")
