"""A tree of everything a file system can hold, for the tests that compare. make(directory) builds it:

    plain/      files of the sizes at which blocks begin and end, sparse files, hard links, modes, times
    many/       5,000 small files in 250 directories
    names/      names of odd bytes, invalid UTF-8, 255 bytes
    deep/       a path of many components
    links/      symbolic links of all kinds
    special/    FIFO, socket, device nodes (as root)
    wide3000/   a directory with 3,000 names
    wide40000/  one whose listing needs several blocks
"""

import os
import random
import socket
import stat

MIB = 1 << 20
SIZES = {"empty": 0, "one": 1, "page-1": 4095, "page": 4096, "page+1": 4097, "block-1": MIB - 1, "block": MIB,
         "block+1": MIB + 1, "blocks": 7 * MIB // 2}
LARGE_LISTING = 40_000
OLD_NS = 1_000_000_000_123_456_789


def write(path, content=b""):
    with open(path, "wb") as file:
        file.write(content)


def sparse(path, size, *pieces):
    with open(path, "wb") as file:
        for offset, content in pieces:
            file.seek(offset)
            file.write(content)
        file.truncate(size)


def odd_names():
    names = [bytes([byte]) * 3 + b"x" for byte in range(1, 256) if byte != ord("/")]
    names += ["Grüße".encode(), "日本語".encode(), "e\u0301".encode(), "\u00e9".encode(), b"\xff\xfe", b"caf\xe9",
              b"n" * 255, b"\xc3" * 255, b"...", b"..x", b" ", b"-rf", b"~", b"a\\b", b"new\nline", b"%s%n", b"*"]
    return names


def make(directory, large=True):
    """large=False: wide40000 has 300 names, where each is asked for in turn."""
    numbers = random.Random(2)
    top = os.fsencode(directory)

    def at(*parts):
        return os.path.join(top, *(os.fsencode(part) for part in parts))

    for name in ("plain", "many", "names", "deep", "links", "special", "wide3000", "wide40000", "empty directory"):
        os.mkdir(at(name))

    for name, size in SIZES.items():
        write(at("plain", name), numbers.randbytes(size))
    sparse(at("plain", "sparse"), 5 * MIB, (0, b"begin"), (2 * MIB + 100, b"middle"), (5 * MIB - 3, b"end"))
    sparse(at("plain", "all hole"), 3 * MIB + 1)
    sparse(at("plain", "hole at the end"), 2 * MIB, (0, numbers.randbytes(5000)))
    for n in range(5):
        os.link(at("plain", "page"), at("plain", f"hard{n}"))
    os.link(at("plain", "page"), at("many", "hard elsewhere"))
    unreadable = [0o000] if os.geteuid() == 0 else []  # to others, programs end with a complaint
    for mode in (0o400, 0o444, 0o600, 0o711, 0o755, 0o1644, 0o2755, 0o4755, 0o6777, *unreadable):
        write(at("plain", f"mode{mode:o}"), b"%o" % mode)
        os.chmod(at("plain", f"mode{mode:o}"), mode)
    write(at("plain", "old"), b"old")
    os.utime(at("plain", "old"), ns=(OLD_NS, OLD_NS))
    write(at("plain", "before 1970"), b"older")
    os.utime(at("plain", "before 1970"), ns=(-5_000_000_000, -5_000_000_000))
    write(at("plain", "attributed"), b"has an extended attribute")
    try:
        os.setxattr(at("plain", "attributed"), "user.copper", b"value")
    except OSError:
        pass  # the source's file system has none

    for n in range(250):
        os.mkdir(at("many", f"d{n:03}"))
        for m in range(20):
            text = b"line %d\nneedle %d\n" % (n, m) if m % 7 == 0 else b"line %d of %d\n" % (n, m)
            write(at("many", f"d{n:03}", f"file{m:02}.py"), text * (1 + (n * m) % 40))

    for name in odd_names():
        write(at("names", name), name)
    os.mkdir(at("names", b"directory \xff"))
    write(at("names", b"directory \xff", b"\xfe"), b"below")

    deep = at("deep")
    for n in range(60):
        deep = os.path.join(deep, b"level%02d" % n)
        os.mkdir(deep)
        write(os.path.join(deep, b"file"), b"%d" % n)

    for name, target in (("relative", "../plain/page"), ("absolute", os.fsdecode(at("plain", "one"))), ("dangling", "no"),
                         ("to a directory", "../many/d001"), ("to itself", "to itself"), ("loop a", "loop b"),
                         ("loop b", "loop a"), ("long", "../plain/" * 1 + "./" * 1900 + "page"), ("odd", b"\xff\xfe\n"),
                         ("through a file", "../plain/page/x"), ("up", "../../..")):
        os.symlink(os.fsencode(target), at("links", name))
    os.chmod(at("links"), 0o750)

    os.mkfifo(at("special", "fifo"), 0o640)
    with socket.socket(socket.AF_UNIX) as listener:
        here = os.open(at("special"), os.O_PATH)  # a socket's path is at most 107 bytes
        listener.bind(f"/proc/self/fd/{here}/socket")
        os.close(here)
    if os.geteuid() == 0:
        os.mknod(at("special", "null"), 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(at("special", "disk"), 0o600 | stat.S_IFBLK, os.makedev(259, 70_000))
        os.chown(at("special", "fifo"), 12_345, 54_321)

    for n in range(3000):
        write(at("wide3000", f"name{n}"))
    for n in range(LARGE_LISTING if large else 300):
        os.close(os.open(at("wide40000", f"a name that takes some room {n:06}"), os.O_CREAT | os.O_WRONLY))


def walk(directory, without=()):
    """All paths below, relative, bytes, sorted; does not enter the top-level directories in `without`."""
    found = []

    def enter(path, relative):
        with os.scandir(path) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                name = relative + entry.name
                found.append(name)
                if entry.is_dir(follow_symlinks=False) and name not in without:
                    enter(entry.path, name + b"/")

    enter(os.fsencode(directory), b"")
    return found
