# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='Helm, for the tests of the charts'
version=$(module_version helm.sh/helm/v3)
ldflags=(-X "helm.sh/helm/v3/internal/version.version=$version")
