"""The library search paths in an ELF file: DT_RPATH and DT_RUNPATH of its dynamic section."""

import struct

PT_LOAD, PT_DYNAMIC = 1, 2
DT_NULL, DT_STRTAB, DT_RPATH, DT_RUNPATH = 0, 5, 15, 29
TEXT_BYTES_MAX = 1 << 16
ENTRIES_MAX = 4096


def search_paths(file):
    """[("rpath" or "runpath", entry), ...] of a file opened for reading bytes; none where it is no (whole) ELF file."""
    try:
        return _search_paths(file)
    except (struct.error, OverflowError, OSError, ValueError):  # cut short, or damaged
        return []


def _search_paths(file):
    ident = file.read(16)
    if len(ident) < 16 or ident[:4] != b"\x7fELF" or ident[4] not in (1, 2) or ident[5] not in (1, 2):
        return []
    wide = ident[4] == 2
    order = "<" if ident[5] == 1 else ">"
    segments = _segments(file, order, wide)
    dynamic = next((segment for segment in segments if segment[0] == PT_DYNAMIC), None)
    if dynamic is None:
        return []
    tags = _dynamic(file, order, wide, dynamic[1], dynamic[3])
    texts = next((_offset(segments, value) for tag, value in tags if tag == DT_STRTAB), None)
    if texts is None:
        return []
    found = []
    for tag, value in tags:
        if tag in (DT_RPATH, DT_RUNPATH):
            kind = "rpath" if tag == DT_RPATH else "runpath"
            found += [(kind, entry) for entry in _text(file, texts + value).split(":") if entry]
    return found


def _unpack(file, at, form):
    file.seek(at)
    return struct.unpack(form, file.read(struct.calcsize(form)))


def _segments(file, order, wide):
    """(type, offset in the file, address, bytes in the file) of each program header."""
    table, = _unpack(file, 32 if wide else 28, order + ("Q" if wide else "I"))
    size, count = _unpack(file, 54 if wide else 42, order + "HH")
    found = []
    for i in range(count):
        if wide:
            kind, _, offset, address, _, in_file = _unpack(file, table + i * size, order + "IIQQQQ")
        else:
            kind, offset, address, _, in_file = _unpack(file, table + i * size, order + "IIIII")
        found.append((kind, offset, address, in_file))
    return found


def _dynamic(file, order, wide, at, size):
    """The (tag, value) pairs of the dynamic section."""
    form = order + ("qQ" if wide else "iI")
    each = struct.calcsize(form)
    tags = []
    for i in range(min(size // each, ENTRIES_MAX)):
        tag, value = _unpack(file, at + i * each, form)
        if tag == DT_NULL:
            break
        tags.append((tag, value))
    return tags


def _offset(segments, address):
    """Where in the file that address is loaded from."""
    for kind, offset, start, size in segments:
        if kind == PT_LOAD and start <= address < start + size:
            return offset + address - start
    return None


def _text(file, at):
    file.seek(at)
    return file.read(TEXT_BYTES_MAX).split(b"\0", 1)[0].decode("utf-8", "surrogateescape")
