"""Environments on disk: trees of files that a program was installed into, such as a venv, a conda environment or a
directory of `pip install --target`; and the directories in them that stand on PYTHONPATH, here called entries."""

import collections
import os
import re

PYTHON_DIRECTORY = re.compile(r"(site|dist)-packages$")
INSTALLED = (".dist-info", ".egg-info")

# root: path; kind: venv, conda or directory; entries: paths; names: every path below the root -> its kind of name
Environment = collections.namedtuple("Environment", "root kind entries names")


def below(path, root):
    return path == root or path.startswith(root.rstrip("/") + "/")


def ancestors(path):
    """/a/b/c -> /a/b, /a."""
    while True:
        path = os.path.dirname(path)
        if path in ("/", ""):
            return
        yield path


def kind_of(root):
    if os.path.isfile(os.path.join(root, "pyvenv.cfg")):
        return "venv"
    return "conda" if os.path.isdir(os.path.join(root, "conda-meta")) else "directory"


def is_entry(directory):
    """Python packages are installed into it."""
    if PYTHON_DIRECTORY.search(directory):
        return True
    try:
        return any(name.endswith(INSTALLED) for name in os.listdir(directory))
    except OSError:
        return False


def find_roots(observed):
    """The environments that the observed paths lie in, by the marks that installers leave on disk."""
    directories = {above for path in observed for above in ancestors(path)} | set(observed)
    found = set()
    for entry in filter(is_entry, directories):
        enclosing = [above for above in ancestors(entry) if kind_of(above) != "directory"]
        found.add(enclosing[-1] if enclosing else entry)
    return outermost(found)


def outermost(roots):
    return sorted(root for root in roots if not any(above in roots for above in ancestors(root)))


def given_roots(directories, observed):
    """As the user names them or, where a link is on the way and nothing was observed below that name, resolved."""
    roots = set()
    for directory in directories:
        root = os.path.abspath(directory)
        if not any(below(path, root) for path in observed):
            root = os.path.realpath(root)
        roots.add(root)
    return outermost(roots)


def read_environment(root):
    names = dict(walk(root))
    directories = [root] + [path for path, kind in names.items() if kind == "directory"]
    entries = {directory for directory in directories if is_entry(directory)}
    return Environment(root, kind_of(root), outermost(entries), names)


def walk(root):
    """(path, "file", "directory", "link" or "other") of all below root; no link is followed."""
    left = [root]
    while left:
        try:
            found = list(os.scandir(left.pop()))
        except OSError:
            continue  # not ours to read, or gone
        for name in found:
            if name.is_symlink():
                kind = "link"
            elif name.is_dir():
                kind = "directory"
            else:
                kind = "file" if name.is_file() else "other"
            yield name.path, kind
            if kind == "directory":
                left.append(name.path)
