# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='the vsphere and random plugins, the Node SDK of the former'
needs=(npm)
vsphere=$(module_version github.com/hashicorp/terraform-provider-vsphere)
# The release of @pulumi/random with the same provider; the engine warns when it is older than that in package.json.
random=4.21.2
pulumi_parts="random $random, vsphere ${vsphere#v}"
ldflags=(
  -X "esxi-k8s/sim/toolchain/bridged/vsphere.Version=${vsphere#v}"
  -X "esxi-k8s/sim/toolchain/bridged/random.Version=$random"
)

before() {
  # Terraform's modules could come from clouds; nothing here fetches any.
  own_copy github.com/hashicorp/go-getter
  rm "$copy"/*_{gcs,s3}.go
  echo 'package getter; type (GCSGetter struct{ FileGetter }; S3Getter struct{ FileGetter })' >"$copy/clouds.go"
  sed -i -E '/new\((GCS|S3)Getter\)/d' "$copy/get.go"
  sed -i -E '/new\((GCS|S3)Detector\)/d' "$copy/detect.go"
  # Something must be there to embed, or the plugins could not be listed among what is compiled together with gen.
  tee pulumi-resource-{random,vsphere}/schema.json <<<'{}' >/dev/null
  compile ./gen
  # Both providers register Terraform's plugin protocol, each a copy of its own; only gen has them in one process.
  GOLANG_PROTOBUF_REGISTRATION_CONFLICT=ignore "$bin/gen" >>"$log" 2>&1
  rm "$bin/gen"
}

# The SDK as it would be in the registry: JavaScript and types beside package.json.
after() {
  local sdk=$folder/sdks/vsphere
  npm ci --prefix tsc --ignore-scripts --no-audit --no-fund --loglevel=error >>"$log" 2>&1
  # From the folder above, so that the sources find @pulumi/pulumi.
  mv sdk tsc/sdk
  tsc/node_modules/.bin/tsc --project tsc/sdk --outDir "$sdk" --declarationMap false --sourceMap false >>"$log"
  cp tsc/sdk/package.json "$sdk/"
  # What it was compiled with: npm would install that for a package that it links.
  (cd "$sdk" && npm pkg delete devDependencies scripts --loglevel=error) >>"$log" 2>&1
}
