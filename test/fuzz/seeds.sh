#!/usr/bin/env bash
# seeds.sh MAKE_SEEDS CORPUS: are the corpus's seeds those that the encoders would write today? A seed of a former layout is
# refused at the door, and tests nothing behind it.
set -eu
make_seeds=$1 corpus=$2
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
"$make_seeds" "$made"
cd "$made"
stale=0
while read -r seed; do
  cmp -- "$seed" "$corpus/$seed" || stale=1
done < <(find . -type f -printf '%P\n' | sort)
((stale == 0)) || echo "Seeds are of a former layout: $make_seeds $corpus" >&2
exit $stale
