#!/usr/bin/env bash
# Starts Copper with the settings of Aurora: sites/aurora.conf.
exec "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/launch_copper.sh" --site aurora "$@"
