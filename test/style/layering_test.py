#!/usr/bin/env python3
"""The layering check is tested itself: a clean tree passes, and each planted line is found."""
import pathlib
import sys
import tempfile

import layering

CLEAN = {
    "tree/key.h": "#include <string>\n",
    "tree/simulation/world.h": '#include "tree/key.h"\n',
    "service/segment/segment.h": '#include "tree/key.h"\n',
    "service/mpi/api.h": "#include <mpi.h>\n",
    "service/arena.h": "",
    "fuse_frontend/kernel/fuse.h": '#include <fuse_lowlevel.h>\n#include "service/segment/segment.h"\n',
    "wrappers/copper/main.cpp": '#include "wrappers/copper/tables.h"\n#include "tree/simulation/world.h"\n',
    "wrappers/copper/tables.h": "",
    "test/tree/key_test.cpp": '#include "tree/key.h"\n',
}
PLANTED = [
    ("tree/key.h", '#include "service/arena.h"'),
    ("tree/key.h", '#include "tree/simulation/world.h"'),
    ("service/arena.h", '#include "tree/simulation/world.h"'),
    ("tree/simulation/world.h", "#include <fstream>"),
    ("tree/key.h", "#include <thread>"),
    ("tree/key.h", "#include <mpi.h>"),
    ("tree/key.h", "auto now = std::chrono::steady_clock::now();"),
    ("service/arena.h", '#include "fuse_frontend/kernel/fuse.h"'),
    ("service/arena.h", "#include <mpi.h>"),
    ("service/arena.h", "#include <fuse3/fuse_lowlevel.h>"),
    ("service/arena.h", '#include "segment.h"'),
    ("service/arena.h", '#include "test/tree/key_test.cpp"'),
    ("fuse_frontend/kernel/fuse.h", '#include "service/arena.h"'),
    ("fuse_frontend/kernel/fuse.h", "  #  include <mpi.h>"),
    ("wrappers/copper/tables.h", '#include "service/segment/segment.h"'),
]


def broken_by(planted_in=None, line=""):
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        for name, text in CLEAN.items():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            (root / name).write_text(text + (line + "\n" if name == planted_in else ""))
        return layering.check(root)


failures = [f"the clean tree: {line}" for line in broken_by()]
failures += [f"not found: {line} in {name}" for name, line in PLANTED if not broken_by(name, line)]
print("\n".join(failures) or f"{len(PLANTED)} planted lines found")
sys.exit(1 if failures else 0)
