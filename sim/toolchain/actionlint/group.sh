# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description='actionlint, for the workflows'
version=$(module_version github.com/rhysd/actionlint)
ldflags=(-X "github.com/rhysd/actionlint.version=${version#v}")
