"""A path analysis as files: CSV for programs, path_analysis.md with advice for people."""

import collections
import csv
import os

import ways_out
from environments import below
from path_analysis import count, is_library, used_files

SHOWN = 20  # rows of a list in path_analysis.md


def write(directory, analysis, exits, links_out, options):
    """links_out: the job's count of links that the kernels asked for and that led out of the mount, or None. options: the
    job's, as the launcher wrote them."""
    write_csv(directory, "path_analysis.csv", ["path", "environment", "state", "type", "asks", "loads", "bytes"],
              ([one.path, one.environment, one.state, one.type, one.observed.asks, one.observed.loads,
                one.observed.bytes] for one in analysis.states))
    write_csv(directory, "path_environments.csv", ENVIRONMENT_COLUMNS,
              (environment_row(analysis, environment) for environment in analysis.environments))
    write_csv(directory, "path_duplicates.csv", ["module", "entry", "state", "asks"], analysis.duplicates)
    write_csv(directory, "path_ways_out.csv", ["path", "kind", "target", "into", "used"],
              ([one.path, one.kind, one.target, one.into, "yes" if one.used else "no"] for one in exits))
    with open(os.path.join(directory, "path_analysis.md"), "w", encoding="utf-8", errors="backslashreplace") as file:
        file.write(markdown(analysis, exits, links_out, options))


def write_csv(directory, name, header, rows):
    # Bytes that are no UTF-8 become \xNN, as in what the ranks write.
    with open(os.path.join(directory, name), "w", encoding="utf-8", errors="strict", newline="") as file:
        lines = csv.writer(file)
        lines.writerow(header)
        lines.writerows([escaped(field) for field in row] for row in rows)


def escaped(field):
    if not isinstance(field, str):
        return field
    return "".join(r"\x%02x" % (ord(c) - 0xDC00) if 0xDC80 <= ord(c) <= 0xDCFF else c for c in field)


# ---- figures ----

ENVIRONMENT_COLUMNS = ["environment", "kind", "files", "files_used", "files_used_percent", "directories",
                       "directories_used", "candidates", "missing", "gone"]
FILES = ("file", "link")


def environment_row(analysis, environment):
    root = environment.root
    files = sum(kind in FILES for kind in environment.names.values())
    directories = sum(kind == "directory" for kind in environment.names.values())
    used = count(analysis, root, "used", FILES)
    return [root, environment.kind, files, used, f"{100 * used / files:.1f}" if files else "0.0", directories,
            count(analysis, root, "used", ("directory",)), count(analysis, root, "candidate", FILES),
            count(analysis, root, "missing"), count(analysis, root, "gone")]


# ---- text ----

def markdown(analysis, exits, links_out, options):
    mount = options.get("mount") or "$MOUNT"
    text = ["# What was used of the environments", ""]
    if not analysis.environments:
        text += ["No environment was found in the paths that were asked for. Name its directory with `--application-root DIR`,",
                 "and run this where that directory is.", ""]
    text += table(["environment", "kind", "files", "used", "share", "candidates", "asked for in vain"],
                  ([f"`{row[0]}`", row[1], row[2], row[3], f"{row[4]} %", row[7], row[8]]
                   for row in (environment_row(analysis, one) for one in analysis.environments)))
    text += ["", "A candidate is there and was not asked for. A name that a node answered from a listing that it held is not",
             "among what was asked for, unless somebody read the file: record a trace (`launch_copper.sh --record`) and give",
             "it with `--trace` to have these too, above all those asked for in vain.", "", "## What to prefix", ""]
    for environment in analysis.environments:
        text += advice(analysis, environment, mount)
    text += [library_advice(mount, directory, used) for directory, used in analysis.libraries.most_common(SHOWN)]
    text += ["", "Not all of PYTHONPATH, VIRTUAL_ENV, CONDA_PREFIX, CONDA_ROOT, LD_LIBRARY_PATH and PATH at once, and nothing",
             "that is written to.", "", "## Modules in several entries", ""]
    text += duplicates_text(analysis.duplicates)
    text += ["", "## Ways out of the view", ""] + ways_out_text(exits, links_out, options.get("map_links"))
    text += ["", "## Asked for in vain", ""] + missing_text(analysis)
    return "\n".join(text) + "\n"


def table(header, rows):
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return lines + ["| " + " | ".join(str(field).replace("|", "\\|") for field in row) + " |" for row in rows]


def advice(analysis, environment, mount):
    """Lines that name the fewest variables through which this environment goes by way of the mount."""
    root = environment.root
    entries = [(entry, len(used_files(analysis, entry))) for entry in environment.entries]
    lines = []
    if environment.kind == "conda":
        lines.append(f"- `conda activate {mount}{root}`, and nothing else.")
    else:
        lines += [f"- PYTHONPATH: prefix this entry, from which {used} files were used: `{mount}{entry}`"
                  for entry, used in entries if used]
        programs, libraries = outside_entries(analysis, environment)
        lines += [library_advice(mount, directory, used) for directory, used in libraries]
        lines += [f"- PATH: prefix `{mount}{directory}` only if its programs ({', '.join(names)}) are to be read through "
                  "the mount." for directory, names in programs]
    unused = [entry for entry, used in entries if not used]
    lines += [f"- Leave `{entry}` as it is: nothing in it was used." for entry in unused]
    return lines or [f"- `{root}`: nothing in it was asked for; prefix nothing."]


def library_advice(mount, directory, used):
    return f"- LD_LIBRARY_PATH: prefix this entry, from which {used} libraries were used: `{mount}{directory}`"


def outside_entries(analysis, environment):
    """[(directory, names of programs), ...] and [(directory, number of libraries), ...], of what was used."""
    programs, libraries = collections.OrderedDict(), collections.Counter()
    for state in used_files(analysis, environment.root):
        directory, name = os.path.split(state.path)
        if any(below(state.path, entry) for entry in environment.entries):
            continue
        if is_library(name):
            libraries[directory] += 1
        elif os.path.basename(directory) == "bin":
            programs.setdefault(directory, []).append(name)
    return list(programs.items()), libraries.most_common()


def duplicates_text(duplicates):
    if not duplicates:
        return ["None: each module that was used was asked for in one entry only."]
    vain = collections.Counter()
    for row in duplicates:
        if row.state == "absent":
            vain[row.entry] += row.asks
    shadowed = sum(row.state == "shadowed" for row in duplicates)
    lines = table(["module", "entry", "state", "asks"],
                  ([f"`{row.module}`", f"`{row.entry}`", row.state, row.asks] for row in duplicates[:SHOWN]))
    lines += more(duplicates, "path_duplicates.csv") + [""]
    if vain:
        entry, asks = vain.most_common(1)[0]
        lines.append(f"Behind the others, `{entry}` would have saved {asks} questions in vain.")
    if shadowed:
        lines.append(f"{shadowed} modules are in an entry behind the one they were taken from: two versions, perhaps.")
    return lines


def ways_out_text(exits, links_out, map_links):
    lines = ["The job ran with `--map-links`: absolute links led on below the mount.", ""] if map_links else []
    if links_out is not None:
        lines += [f"The kernels of all nodes asked for {links_out} symbolic links that led out of the mount "
                  "(`fuse_links_out`).", ""]
    if not exits:
        return lines + ["No absolute link, interpreter, library path or setting is in the environments."]
    kinds = collections.Counter((one.kind, one.into) for one in exits)
    used = collections.Counter((one.kind, one.into) for one in exits if one.used)
    lines += table(["kind", "leads into", "names", "of them used", "mended by"],
                   ([kind, "an environment" if into == "environment" else "elsewhere", names, used[kind, into],
                     ways_out.MENDED_BY[kind] if into == "environment" or kind == "link" else "-"]
                    for (kind, into), names in sorted(kinds.items())))
    inner = [one for one in exits if one.into == "environment"]
    inner.sort(key=lambda one: not one.used)
    lines += ["", "What leads into an environment would be served, if only it led through the mount:", ""] if inner else []
    lines += [f"- {one.kind}{' (used)' if one.used else ''}: `{one.path}` -> `{one.target}`" for one in inner[:SHOWN]]
    return lines + more(inner, "path_ways_out.csv")


def missing_text(analysis):
    missing = sorted((one for one in analysis.states if one.state == "missing"), key=lambda one: -one.observed.asks)
    if not missing:
        return ["Nothing that the ranks saw."]
    return [f"- {one.observed.asks} times `{one.path}`" for one in missing[:SHOWN]] + more(missing, "path_analysis.csv")


def more(rows, file):
    return ["", f"{len(rows) - SHOWN} more are in `{file}`."] if len(rows) > SHOWN else []
