# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='The controller of snapshots of volumes'
version=$(module_version github.com/kubernetes-csi/external-snapshotter/v8)
ldflags=(-X "main.version=$version")
