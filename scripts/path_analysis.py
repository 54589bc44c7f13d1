"""What a job used of an environment: which of its paths were asked for, which were not, which were asked for in vain.

Asked for means: of Copper, on any rank, as profiling_top_paths.csv has it (whole with -A), or of a mount, as a trace has
it (launch with --record). A rank does not see a name that its node's front end answers from a listing that it holds; a
trace has these too. Reads the environments on disk, so it must run where they are.
"""

import collections
import os
import re

from environments import below, find_roots, given_roots, read_environment
from rank_profiles import path_bytes

# A path that was asked for. found: somebody got an answer other than "no such file".
Observed = collections.namedtuple("Observed", "asks found loads bytes")
NOT_OBSERVED = Observed(0, False, 0, 0)

# state: "used"; "candidate" (there, and not asked for: a copy of the environment may do without); "missing" (asked for,
# absent); "gone" (was there, is no more).
PathState = collections.namedtuple("PathState", "path environment state type observed")
# One module (a relative path without what follows the first dot) in one entry: "used", "shadowed" (there, not asked
# for) or "absent" (asked for in vain).
Duplicate = collections.namedtuple("Duplicate", "module entry state asks")
# libraries: directory outside of all environments -> how many shared libraries in it were used
Analysis = collections.namedtuple("Analysis", "environments states duplicates libraries")

PERCENT_BYTE = re.compile(r"%([0-9A-F]{2})")
COMPILED = re.compile(r"(.*/)__pycache__/([^/]+?)\.[^/]*\.pyc$")


# ---- what was asked for ----

def observed_in_profile(rows):
    """path -> Observed, from the rows of profiling_top_paths.csv."""
    found = {}
    for row in rows:
        path = os.fsdecode(path_bytes(row["path"]))
        so_far = found.get(path, NOT_OBSERVED)
        found[path] = Observed(so_far.asks + row["asks"], so_far.found or row["asks"] > row["absent"],
                               so_far.loads + row["loads"], so_far.bytes + row["bytes"])
    return found


def observed_in_trace(lines):
    """path -> Observed, from the lines of a trace. A trace does not say what a name in a held listing was: disk does."""
    paths = {}
    asks = collections.Counter()
    for line in lines:
        words = line.split()
        if line.startswith("path ") and len(words) == 3:
            paths[words[1]] = traced_path(words[2])
        elif len(words) == 4 and words[0].isdigit() and words[2] in paths:  # a request; questions begin with a space
            asks[paths[words[2]]] += 1
    return {path: Observed(count, os.path.lexists(path), 0, 0) for path, count in asks.items()}


def traced_path(text):
    as_bytes = PERCENT_BYTE.sub(lambda match: os.fsdecode(bytes([int(match.group(1), 16)])), text)
    return os.fsdecode(os.fsencode(as_bytes))


def merged(*parts):
    total = {}
    for part in parts:
        for path, seen in part.items():
            so_far = total.get(path, NOT_OBSERVED)
            total[path] = Observed(so_far.asks + seen.asks, so_far.found or seen.found, so_far.loads + seen.loads,
                                   so_far.bytes + seen.bytes)
    return total


def joined(profile, traces):
    """What was seen twice, by the ranks and by the mounts, counts once."""
    total = dict(profile)
    for path, seen in traces.items():
        known = total.get(path, NOT_OBSERVED)
        total[path] = known._replace(asks=max(known.asks, seen.asks), found=known.found or seen.found)
    return total


# ---- what it means ----

def analyse(observed, roots=()):
    environments = [read_environment(root) for root in (given_roots(roots, observed) if roots else find_roots(observed))]
    states = [state for environment in environments for state in states_of(environment, observed)]
    return Analysis(environments, states, duplicates_in(environments, states), libraries_outside(environments, observed))


def is_library(path):
    return path.endswith(".so") or ".so." in os.path.basename(path)


def libraries_outside(environments, observed):
    found = collections.Counter()
    for path, seen in observed.items():
        if seen.found and is_library(path) and not any(below(path, one.root) for one in environments):
            found[os.path.dirname(path)] += 1
    return found


def states_of(environment, observed):
    root, names = environment.root, environment.names
    used = {path for path, seen in observed.items() if seen.found and below(path, root)}
    used |= {source_of(path) for path in used}
    used |= {above for path in used for above in directories_above(path, root)}
    used |= {path for path in names if os.path.dirname(path) in used and is_empty_package(path)}
    states = []
    for path in sorted(set(names) | used | {path for path in observed if below(path, root)}):
        seen = observed.get(path, NOT_OBSERVED)
        if path == root:
            continue
        if path in names:
            state = "used" if path in used else "candidate" if not seen.asks else "missing"
        elif path in used and seen.found:
            state = "gone"
        elif seen.asks and not seen.found:
            state = "missing"
        else:
            continue  # only thought to be there, and is not
        states.append(PathState(path, root, state, names.get(path, ""), seen))
    return states


def source_of(path):
    """Python looks at a module's source before it reads what was compiled from it; no rank sees that look."""
    match = COMPILED.match(path)
    return match.group(1) + match.group(2) + ".py" if match else path


def is_empty_package(path):
    """Nobody asks for the bytes of a file that has none."""
    try:
        return os.path.basename(path) == "__init__.py" and os.stat(path).st_size == 0
    except OSError:
        return False


def directories_above(path, root):
    while len(path) > len(root):
        path = os.path.dirname(path)
        yield path


def module_of(path, entry):
    """entry/pkg/__init__.py, entry/pkg/__pycache__/__init__.cpython-311.pyc -> pkg; entry/x.abi3.so -> x."""
    parts = path[len(entry) + 1:].split("/")
    parts[-1] = parts[-1].split(".", 1)[0] or parts[-1]
    parts = [part for part in parts if part not in ("__pycache__", "__init__")]
    return "/".join(parts)


def duplicates_in(environments, states):
    """What several entries have, or were asked for, where one of them was used."""
    entries = [entry for environment in environments for entry in environment.entries]
    modules = {}
    for state in states:
        entry = next((entry for entry in entries if below(state.path, entry) and state.path != entry), None)
        if entry is None or state.state == "gone" or ".dist-info" in state.path or ".egg-info" in state.path:
            continue
        of_module = modules.setdefault(module_of(state.path, entry), {})
        of_module.setdefault(entry, []).append(state)
    found = []
    for module in sorted(modules):
        rows = [duplicate(module, entry, modules[module][entry]) for entry in entries if entry in modules[module]]
        if len(rows) > 1 and any(row.state == "used" for row in rows):
            found += rows
    return found


def duplicate(module, entry, states):
    names = {state.state for state in states}
    state = "used" if "used" in names else "shadowed" if "candidate" in names else "absent"
    return Duplicate(module, entry, state, sum(state.observed.asks for state in states))


# ---- figures ----

def count(analysis, root, state, kinds=("file", "directory", "link", "other", "")):
    return sum(one.environment == root and one.state == state and one.type in kinds for one in analysis.states)


def used_files(analysis, directory):
    return [state for state in analysis.states
            if state.state == "used" and state.type in ("file", "link") and below(state.path, directory)]
