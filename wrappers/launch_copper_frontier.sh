#!/usr/bin/env bash
# Starts Copper with the settings of Frontier: sites/frontier.conf.
exec "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/launch_copper.sh" --site frontier "$@"
