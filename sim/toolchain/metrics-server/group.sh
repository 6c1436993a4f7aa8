# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='The metrics server'
version=$(module_version sigs.k8s.io/metrics-server)
ldflags=(-X "k8s.io/client-go/pkg/version.gitVersion=$version")
