#!/usr/bin/env python3
"""Every folder (but a corpus) has a README.md of at most 40 lines: readmes.py SOURCE_ROOT."""
import os
import pathlib
import sys

LINES_MAX = 40

root = pathlib.Path(sys.argv[1])
broken = []
for folder, folders, files in os.walk(root):
    folders[:] = [f for f in folders if not f.startswith((".", "build", "__pycache__", "corpus"))]
    readme = pathlib.Path(folder) / "README.md"
    if not readme.is_file():
        broken.append(f"{readme.relative_to(root)} is missing")
    elif len(readme.read_text().splitlines()) > LINES_MAX and readme.parent != root:
        broken.append(f"{readme.relative_to(root)} has more than {LINES_MAX} lines")
print("\n".join(broken) or "every folder has its README")
sys.exit(1 if broken else 0)
