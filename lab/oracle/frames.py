# Writes every thread's frames as gdb sees them to OUT, as JSON: innermost first, with the inlined calls and
# the tail calls that gdb makes up, which say what they are.
import gdb
import json
import os
import re
import select
import signal

PATIENCE = 3  # seconds for a thread

KINDS = {gdb.NORMAL_FRAME: "normal", gdb.INLINE_FRAME: "inline", gdb.TAILCALL_FRAME: "tailcall", gdb.SIGTRAMP_FRAME: "signal"}


def mappings():
    """The files that the core says were mapped: (start, end, offset, path)."""
    try:
        text = gdb.execute("info proc mappings", to_string=True)
    except gdb.error:
        return []
    found = re.findall(r"^\s*(0x\w+)\s+(0x\w+)\s+0x\w+\s+(0x\w+)\s+(/.*)$", text, re.M)
    return [(int(start, 16), int(end, 16), int(offset, 16), path) for start, end, offset, path in found]


def unread():
    """The modules whose files gdb did not find, as the dynamic linker knows them, by base name."""
    text = gdb.execute("info sharedlibrary", to_string=True)
    return {os.path.basename(path): path for path in re.findall(r"^ +No +(.*)$", text, re.M)}


def place(pc, maps):
    """The module of an address, and its distance from the module's start: the file's nearest beginning below. The
    same file may be mapped elsewhere, too, by somebody who reads it."""
    for start, end, _, path in maps:
        if start <= pc < end:
            return path, pc - max((s for s, _, offset, p in maps if p == path and offset == 0 and s <= pc), default=start)
    return gdb.solib_name(pc) or "", -1


def describe(frame, maps):
    sal, symbol, pc = frame.find_sal(), frame.function(), frame.pc()
    module, offset = place(pc, maps)
    return {
        "PC": pc,
        "SP": int(frame.read_register("sp")) & (1 << 64) - 1,
        "Kind": KINDS.get(frame.type(), "other"),
        "Function": frame.name() or "",
        "Linkage": symbol.linkage_name if symbol else "",
        "Symbol": symbol is not None,
        "File": sal.symtab.filename if sal.symtab else "",
        "Line": sal.line,
        "Module": module,
        "Unread": UNREAD.get(os.path.basename(module), ""),
        "Offset": offset,
    }


def walk(thread, maps):
    thread.switch()
    stack = {"TID": thread.ptid[1] or thread.ptid[0], "Frames": [], "End": ""}
    try:
        frame = gdb.newest_frame()
        while frame is not None and frame.is_valid() and len(stack["Frames"]) < MOST:
            stack["Frames"].append(describe(frame, maps))
            last, frame = frame, frame.older()
        stack["Cut"] = frame is not None
        stack["End"] = gdb.frame_stop_reason_string(last.unwind_stop_reason())
    except (gdb.error, gdb.MemoryError) as why:
        stack["End"] = str(why)
    return stack


def walk_apart(thread, maps):
    """The same in a process of its own, because gdb may never come back."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        with os.fdopen(writer, "w") as out:
            json.dump(walk(thread, maps), out)
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as source:
        came, _, _ = select.select([source], [], [], PATIENCE)
        text = source.read() if came else ""
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return json.loads(text) if text else {"TID": thread.ptid[1] or thread.ptid[0], "Frames": [], "End": "gdb hangs"}


maps = mappings()
UNREAD = unread()
each = walk_apart if APART else walk
threads = [each(t, maps) for t in sorted(gdb.selected_inferior().threads(), key=lambda t: t.num)]
with open(OUT, "w") as out:
    json.dump(threads, out)
