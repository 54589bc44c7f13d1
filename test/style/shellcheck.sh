#!/usr/bin/env bash
# Every script is clean under shellcheck; what is excluded is in .shellcheckrc, with its reason.
set -u
if ! type -P shellcheck >/dev/null; then
  echo "SKIPPED: shellcheck is not here (apt install shellcheck)"
  exit 77
fi
cd "$COPPER_SOURCE" || exit 1
find wrappers test -name '*.sh' -print0 | xargs -0 shellcheck .ci/run
