# shellcheck shell=bash disable=SC2034,SC2154  # sourced by ../build, with which it shares its variables
description="Pulumi's language host for Node"
official_cli_brings=it
