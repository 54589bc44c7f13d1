#!/usr/bin/python3
"""Real packages are imported through four nodes at once: numpy, and torch where it is installed. The storage model
plays the file system below /usr/lib, so each object's questions are counted; the shared libraries come through it too
(LD_LIBRARY_PATH)."""

import json
import os
import subprocess
import sysconfig
import unittest

from copper_nodes import PYTHON, MountTest, main, run
from on_model import asked_of_front_ends, nodes_on_model

PACKAGES = "/usr/lib/python3/dist-packages"
LIBRARIES = "/usr/lib/" + sysconfig.get_config_var("MULTIARCH")
CACHE = ("--cache-bytes", str(1 << 30))  # of each node: what is dropped is asked again
PROGRAM = """
import json, sys
import {package}
print(json.dumps([m.__file__ for m in list(sys.modules.values())
                  if getattr(m, "__file__", None) and "dist-packages" in m.__file__]))
print([line.split()[-1] for line in open("/proc/self/maps") if "libc.so" in line][0])
print({check})
"""


def missing(package):
    if os.path.isdir(os.path.join(PACKAGES, package)):
        return None
    print(f"SKIPPED: {PACKAGES}/{package} is not there (apt install python3-{package})", flush=True)
    return f"python3-{package} is not installed"


def names_asked(asked):
    return {name: n for name, n in asked.items() if name in ("fuse_lookup", "fuse_getattr", "fuse_open", "fuse_opendir")}


class Imports(MountTest):
    limit_s = 280

    def import_everywhere(self, package, check):
        program = PROGRAM.format(package=package, check=check)
        right = run([PYTHON, "-c", program]).stdout.splitlines()[-1]

        with nodes_on_model("/usr/lib", settled=True, options=CACHE) as (self.nodes, storage, place):
            nodes = self.nodes

            def modules(node):
                top = nodes.path(node, place) + "/python3/dist-packages"
                libraries = nodes.path(node, place) + "/" + os.path.basename(LIBRARIES)
                done = subprocess.run([PYTHON, "-c", program], cwd="/",
                                      env={**os.environ, "PYTHONPATH": top, "LD_LIBRARY_PATH": libraries},
                                      capture_output=True, text=True, check=False, timeout=self.limit_s)
                self.assertEqual(done.returncode, 0, done.stderr)
                files, mapped, said = done.stdout.splitlines()
                self.assertEqual(said, right)
                self.assertIn(libraries, mapped)
                strangers = [path for path in json.loads(files) if not path.startswith(top)]
                self.assertEqual(strangers, [])
                return len(json.loads(files))

            loaded = nodes.on_each(modules)
            self.assertGreater(loaded[0], 50)
            self.assertEqual(len(set(loaded)), 1)
            counts = storage.counts()
            self.assertEqual(counts.more_than_once(), [])
            self.assertGreaterEqual(counts.total("open"), loaded[0])
            print(f"    {package}: {loaded[0]} modules; {counts.total('opendir')} listings, "
                  f"{counts.total('open')} files, {counts.total('blocks')} blocks asked of storage by four nodes", flush=True)

            asked, again = asked_of_front_ends(nodes, lambda: nodes.on_each(modules))
            self.assertEqual(again, loaded)
            # Not a name is asked for again. Pages the kernel may drop, and on machines that page out what is idle for
            # seconds it does: those it asks for again, of the node, and with them perhaps pages that nobody has read before.
            self.assertEqual([names_asked(of_node) for of_node in asked], [{}] * nodes.count)
            in_all = storage.counts()
            self.assertEqual([path for path, count in in_all.items() if count.bytes_again], [])
            for what in ("opendir", "absent"):
                self.assertEqual(in_all.total(what), counts.total(what), what)

    @unittest.skipIf(missing("numpy"), "python3-numpy is not installed")
    def test_numpy_through_four_nodes_asks_storage_once_and_again_nobody(self):
        self.import_everywhere("numpy", "numpy.arange(10).sum()")

    @unittest.skipIf(missing("torch"), "python3-torch is not installed")
    def test_torch_through_four_nodes_asks_storage_once_and_again_nobody(self):
        self.import_everywhere("torch", "torch.arange(10).sum()")


if __name__ == "__main__":
    main()
