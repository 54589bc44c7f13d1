#!/usr/bin/python3
"""Each way out of the view is found where it is, and nothing is found where there is none."""

import io
import os
import pathlib
import shutil
import struct
import subprocess
import tempfile
import unittest

import job_directory  # noqa: F401  (finds the scripts)

import elf_paths
import environments
import ways_out


def elf(order, wide, tags):
    """A file with one PT_LOAD at address 0x1000, and a dynamic section in it with these (tag, text) pairs."""
    texts = b"\0" + b"".join(text.encode() + b"\0" for _, text in tags)
    header, program, each = (64, 56, 16) if wide else (52, 32, 8)
    dynamic = header + 2 * program
    strings = dynamic + each * (len(tags) + 2)
    pairs, at = [(5, 0x1000 + strings)], 1
    for tag, text in tags:
        pairs.append((tag, at))
        at += len(text.encode()) + 1
    body = b"".join(struct.pack(order + ("qQ" if wide else "iI"), *pair) for pair in pairs + [(0, 0)]) + texts
    size = dynamic + len(body)

    def segment(kind, offset, length):
        if wide:
            return struct.pack(order + "IIQQQQQQ", kind, 0, offset, 0x1000 + offset, 0, length, length, 1)
        return struct.pack(order + "IIIIIIII", kind, offset, 0x1000 + offset, 0, length, length, 0, 1)

    ident = b"\x7fELF" + bytes([2 if wide else 1, 1 if order == "<" else 2, 1]) + bytes(9)
    fields = (3, 62, 1, 0, header, 0, 0, header, program, 2, 0, 0, 0)
    start = ident + struct.pack(order + ("HHIQQQIHHHHHH" if wide else "HHIIIIIHHHHHH"), *fields)
    return start + segment(1, 0, size) + segment(2, dynamic, len(body) - len(texts)) + body


class Elf(unittest.TestCase):
    def test_search_paths_are_read_whatever_the_width_and_the_order_of_bytes(self):
        for order in "<>":
            for wide in (False, True):
                file = elf(order, wide, [(15, "/lus/a:$ORIGIN/b"), (29, "/lus/c")])
                self.assertEqual(elf_paths.search_paths(io.BytesIO(file)),
                                 [("rpath", "/lus/a"), ("rpath", "$ORIGIN/b"), ("runpath", "/lus/c")])

    def test_a_file_cut_short_or_damaged_anywhere_has_none_or_those_it_has(self):
        whole = elf("<", True, [(29, "/lus/c")])
        for length in range(len(whole)):
            elf_paths.search_paths(io.BytesIO(whole[:length]))
        for at in range(len(whole)):
            for value in (0, 0x7F, 0xFF):
                elf_paths.search_paths(io.BytesIO(whole[:at] + bytes([value]) + whole[at + 1:]))

    def test_what_a_linker_writes_is_read(self):
        compiler = shutil.which("c++") or self.skipTest("no c++ here")
        with tempfile.TemporaryDirectory() as folder:
            for flag, kind in (("--enable-new-dtags", "runpath"), ("--disable-new-dtags", "rpath")):
                library = os.path.join(folder, kind + ".so")
                subprocess.run([compiler, "-shared", "-x", "c++", "/dev/null", "-o", library,
                                f"-Wl,{flag},-rpath,/lus/one:/lus/two"], check=True, timeout=60)
                with open(library, "rb") as file:
                    self.assertEqual(elf_paths.search_paths(file), [(kind, "/lus/one"), (kind, "/lus/two")])


class WaysOut(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = os.path.realpath(folder.name)

    def file(self, name, content, mode=0o644):
        path = pathlib.Path(self.root, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        path.chmod(mode)
        return str(path)

    def found(self):
        environment = environments.read_environment(self.root)
        return {(os.path.relpath(one.path, self.root), one.kind, one.target, one.into)
                for one in ways_out.find([environment], lambda path: False)}

    def test_each_kind_is_found_and_whether_it_leads_into_an_environment(self):
        inside = self.root + "/bin"
        self.file("bin/tool", f"#!{inside}/python3 -s\n", 0o755)
        self.file("bin/plain", "#!/bin/sh\n", 0o755)
        self.file("bin/activate", f'VIRTUAL_ENV="{self.root}"\nexport VIRTUAL_ENV\n')
        self.file("bin/activate.fish", f'set -gx VIRTUAL_ENV "{self.root}"\n')
        self.file("pyvenv.cfg", "home = /usr/bin\nversion = 3.11\n")
        self.file("lib/site-packages/x.pth", f"import site\n{self.root}/src\n../rel\n")
        self.file("lib/liba.so.1", elf("<", True, [(29, inside), (15, "$ORIGIN")]))
        os.symlink("/usr/bin/python3", inside + "/python3")
        os.symlink(inside + "/tool", inside + "/tool2")
        self.assertEqual(self.found(), {
            ("bin/tool", "shebang", inside + "/python3", "environment"),
            ("bin/plain", "shebang", "/bin/sh", "elsewhere"),
            ("bin/activate", "activate", self.root, "environment"),
            ("bin/activate.fish", "activate", self.root, "environment"),
            ("pyvenv.cfg", "pyvenv.cfg", "/usr/bin", "elsewhere"),
            ("lib/site-packages/x.pth", "pth", self.root + "/src", "environment"),
            ("lib/liba.so.1", "runpath", inside, "environment"),
            ("bin/python3", "link", "/usr/bin/python3", "elsewhere"),
            ("bin/tool2", "link", inside + "/tool", "environment"),
        })

    def test_what_stays_in_the_view_is_not_found(self):
        self.file("bin/env", "#!/usr/bin/env python3\n", 0o755)
        self.file("bin/empty", "", 0o755)
        self.file("bin/bang", "#!", 0o755)
        self.file("data", "#!/bin/sh: no program, since nobody may run it\n")
        self.file("lib/liba.so", elf("<", True, [(29, "$ORIGIN/../lib")]))
        self.file("lib/text.so", "INPUT(liba.so)\n")
        os.symlink("lib", self.root + "/lib64")
        self.assertEqual(self.found(), set())

    def test_every_kind_says_how_it_is_mended(self):
        self.assertEqual(set(ways_out.MENDED_BY),
                         {"link", "shebang", "rpath", "runpath", "pyvenv.cfg", "pth", "activate"})


if __name__ == "__main__":
    unittest.main()
