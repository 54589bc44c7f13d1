#!/usr/bin/env bash
# Stops Copper with the settings of Frontier: sites/frontier.conf.
exec "$(dirname -- "$(readlink -f -- "${BASH_SOURCE[0]}")")/stop_copper.sh" --site frontier "$@"
