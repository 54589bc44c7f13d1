"""Questions to a path, each with an answer that can be compared: what the source answers the mount must answer."""

import ctypes
import errno
import fcntl
import hashlib
import mmap
import os
import platform
import stat
import termios

LIBC = ctypes.CDLL(None, use_errno=True)
LIBC.opendir.restype = LIBC.readdir.restype = ctypes.c_void_p
for _name in ("closedir", "readdir", "rewinddir", "telldir"):
    getattr(LIBC, _name).argtypes = [ctypes.c_void_p]
LIBC.telldir.restype = ctypes.c_long
LIBC.seekdir.argtypes = [ctypes.c_void_p, ctypes.c_long]
GETDENTS64 = {"x86_64": 217, "aarch64": 61}.get(platform.machine())


def outcome(question, *arguments):
    """The answer, or the name of the error."""
    try:
        return question(*arguments)
    except OSError as error:
        return errno.errorcode[error.errno]


def attributes(path):
    """What lstat says, without st_dev, st_ino (compared by equality) and st_atime."""
    st = os.lstat(path)
    return {field: getattr(st, field) for field in
            ("st_mode", "st_nlink", "st_uid", "st_gid", "st_size", "st_mtime_ns", "st_ctime_ns", "st_blocks",
             "st_blksize", "st_rdev")}


def inode(path):
    return os.lstat(path).st_ino


def names(path):
    """name -> type, of a listing; each name once."""
    with os.scandir(path) as entries:
        items = [(entry.name, kind(entry)) for entry in entries]
    assert len(items) == len(dict(items)), f"a name twice in {path!r}"
    return dict(items)


def kind(entry):
    return ("directory" if entry.is_dir(follow_symlinks=False) else
            "link" if entry.is_symlink() else "file" if entry.is_file(follow_symlinks=False) else "special")


def names_by_small_getdents(path, size=600):
    """The names as read by many small system calls, sorted (a name given twice is there twice)."""
    found = []
    buffer = ctypes.create_string_buffer(size)
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while True:
            got = LIBC.syscall(GETDENTS64, fd, buffer, size)
            if got < 0:
                raise OSError(ctypes.get_errno(), "getdents64")
            if got == 0:
                return sorted(found)
            at = 0
            while at < got:
                length = int.from_bytes(buffer.raw[at + 16:at + 18], "little")
                found.append(buffer.raw[at + 19:at + length].split(b"\0")[0])
                at += length
    finally:
        os.close(fd)


class Directory:
    """opendir and its kin, as C sees them."""

    def __init__(self, path):
        self.stream = LIBC.opendir(os.fsencode(path))
        if not self.stream:
            raise OSError(ctypes.get_errno(), "opendir")

    def close(self):
        LIBC.closedir(self.stream)

    def read(self):
        item = LIBC.readdir(self.stream)
        return ctypes.string_at(item + 19) if item else None

    def rest(self):
        return list(iter(self.read, None))

    def rewind(self):
        LIBC.rewinddir(self.stream)

    def tell(self):
        return LIBC.telldir(self.stream)

    def seek(self, place):
        LIBC.seekdir(self.stream, place)


def content_hash(path):
    digest = hashlib.blake2b()
    with open(path, "rb", buffering=0) as file:
        while piece := file.read(1 << 18):
            digest.update(piece)
    return digest.hexdigest()


def pread(path, size, offset):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.pread(fd, size, offset)
    finally:
        os.close(fd)


def mapped(path, flags):
    """What a mapping shows, its last page's zeros included."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, flags=flags, prot=mmap.PROT_READ) as view:
            return hashlib.blake2b(view).hexdigest()


def mapped_and_changed(path):
    """A private mapping can be written to; the file stays as it is."""
    with open(path, "rb", buffering=0) as file:
        size = os.fstat(file.fileno()).st_size
        with mmap.mmap(file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE) as view:
            view[0] = view[0] ^ 1
            return view[0], os.pread(file.fileno(), 1, 0)


def terminal(path):
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.isatty(fd), outcome(termios_of, fd), outcome(fcntl.ioctl, fd, 0x1234, b"")
    finally:
        os.close(fd)


def termios_of(fd):
    try:
        return termios.tcgetattr(fd)
    except termios.error as error:
        raise OSError(error.args[0], error.args[1]) from error


def locks(path):
    """Locks of both kinds between two descriptors."""
    first, second = os.open(path, os.O_RDONLY), os.open(path, os.O_RDONLY)
    try:
        fcntl.flock(first, fcntl.LOCK_EX)
        refused = outcome(fcntl.flock, second, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(first, fcntl.LOCK_UN)
        granted = outcome(fcntl.flock, second, fcntl.LOCK_SH | fcntl.LOCK_NB)
        shared = outcome(fcntl.lockf, first, fcntl.LOCK_SH | fcntl.LOCK_NB)
        exclusive = outcome(fcntl.lockf, first, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return refused, granted, shared, exclusive
    finally:
        os.close(first)
        os.close(second)


def filesystem(path):
    st = os.statvfs(path)
    return st.f_bsize, st.f_frsize, st.f_blocks, st.f_files, st.f_namemax


def data_ranges(path):
    """[(begin, end)] by SEEK_DATA and SEEK_HOLE."""
    fd = os.open(path, os.O_RDONLY)
    try:
        size, at, found = os.fstat(fd).st_size, 0, []
        while at < size:
            try:
                begin = os.lseek(fd, at, os.SEEK_DATA)
            except OSError as error:
                if error.errno == errno.ENXIO:
                    break
                raise
            at = os.lseek(fd, begin, os.SEEK_HOLE)
            assert begin < at <= size, (begin, at, size)
            found.append((begin, at))
        for whence in (os.SEEK_DATA, os.SEEK_HOLE):
            assert outcome(os.lseek, fd, size, whence) == "ENXIO"
        return found
    finally:
        os.close(fd)


def mutations(directory, file, link, subdirectory, new):
    """name -> a call that would change something; each must be refused with EROFS."""
    def opened(path, flags):
        return lambda: os.close(os.open(path, flags, 0o644))

    return {
        "open for writing": opened(file, os.O_WRONLY),
        "open for both": opened(file, os.O_RDWR),
        "open to truncate": opened(file, os.O_WRONLY | os.O_TRUNC),
        "open to append": opened(file, os.O_WRONLY | os.O_APPEND),
        "create": opened(new, os.O_WRONLY | os.O_CREAT),
        "create for reading": opened(new, os.O_RDONLY | os.O_CREAT | os.O_EXCL),
        "unnamed file": opened(directory, os.O_RDWR | os.O_TMPFILE),
        "mkdir": lambda: os.mkdir(new),
        "mkfifo": lambda: os.mkfifo(new),
        "mknod": lambda: os.mknod(new, stat.S_IFREG | 0o600),
        "symlink": lambda: os.symlink("x", new),
        "link": lambda: os.link(file, new),
        "unlink": lambda: os.unlink(file),
        "unlink a link": lambda: os.unlink(link),
        "rmdir": lambda: os.rmdir(subdirectory),
        "rename": lambda: os.rename(file, new),
        "rename onto": lambda: os.rename(file, link),
        "chmod": lambda: os.chmod(file, 0o600),
        "chown": lambda: os.chown(file, 1, 1),
        "chown a link": lambda: os.lchown(link, 1, 1),
        "truncate": lambda: os.truncate(file, 1),
        "utime": lambda: os.utime(file, (1, 1)),
        "setxattr": lambda: os.setxattr(file, "user.x", b"1"),
        "removexattr": lambda: os.removexattr(file, "user.x"),
    }
