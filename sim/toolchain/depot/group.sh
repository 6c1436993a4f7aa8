# shellcheck shell=bash disable=SC2034  # sourced by ../build, with which it shares its variables
description='the package repository and image registry of the lab'
