# shellcheck shell=bash disable=SC2034  # sourced by ../build, with which it shares its variables
description='Consul with its web interface'
