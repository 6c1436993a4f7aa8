# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='the Pulumi engine and the command plugin'
engine=github.com/pulumi/pulumi/pkg/v3
pulumi=$(module_version "$engine")
# The release whose behaviour the plugin has; the engine warns when it is older than @pulumi/command in package.json.
command=1.2.1
pulumi_parts="engine ${pulumi#v}, command $command"
ldflags=(
  -X "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version=${pulumi#v}"
  -X "main.version=$command"
)

# What only talks to clouds goes: state and keys that are kept there, logs that are read there, calls of Pulumi Cloud's API.
before() {
  own_copy "$engine"
  sed -i -E '/gocloud.dev\/blob\/(azure|file|gcs|s3)blob"/{/fileblob/!d}; /pkg\/v3\/authhelpers"/d
    /^\tif p\.Scheme == (azure|gcs)blob\.Scheme/,/^\t\}/d' "$copy/backend/diy/backend.go"
  sed -i -E '/service\/s3"|"net\/url"/d; /^\toptsCopy\.BeforeCopy = /,/^\t\}/d; /^\tbeforeCopy := /d; /^func fixupS3CopySource/,/^\}/d' \
    "$copy/backend/diy/bucket.go"
  sed -i -E '/gocloud.dev\/secrets\/|pkg\/v3\/authhelpers"|cloudkms\/v1"/d; /^\tcase gcpkms\.Scheme/,/^\tdefault:/{/default:/!d}' \
    "$copy/secrets/cloud/manager.go"
  rm -r "$copy/authhelpers"
  rm "$copy"/operations/operations_{aws,cloud_aws,gcp}.go
  sed -i -E '/^\tcase "(aws|cloud|gcp)":/,+1d' "$copy/operations/resources.go"
  # The command "cloud api" writes OpenAPI's schemas out, with a library that compiles as long as the engine.
  (cd "$copy/cmd/pulumi/cloud" && find . -name '*.go' ! -name envelope.go ! -name resolve.go -delete)
  sed -i -E '/^type describe(dOp|Envelope) struct/,/^\}/d' "$copy/cmd/pulumi/cloud/envelope.go"
  sed -i -E '/cloud\.NewAPICmd\(\)/d; /cmd\/pulumi\/cloud"/d' "$copy/cmd/pulumi/pulumi.go"
}
