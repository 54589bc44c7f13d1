"""The first process of a virtual host: gives it what a machine has of its own, then runs what `vssh` asks for.

    host.py NAME SOCKET KEPT...      in namespaces of its own; a line on stdout: it can be asked

A request is one message with three descriptors (stdin, stdout, stderr): the command, for a shell, run as the user who asks.
The reply is its exit status. Who hangs up before sends his command SIGHUP, as sshd does.
"""

import os
import selectors
import signal
import socket
import struct
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))

from namespaces import MS_NODEV, MS_NOSUID, cover  # pylint: disable=wrong-import-position

# Own: what a real host does not share with another. Everything else is the same files on each, as on a parallel file system.
OWN = (("/proc", "proc", ""), ("/sys", "sysfs", ""), ("/tmp", "tmpfs", "mode=1777"),
       ("/dev/shm", "tmpfs", "mode=1777,size=1g"), ("/run", "tmpfs", "mode=755"))


class Commands:
    def __init__(self, listener):
        self.listener = listener
        self.asked_by = {}  # pid -> the connection that waits for its status
        self.events = selectors.DefaultSelector()
        ended, wake = socket.socketpair()
        for end in (ended, wake):
            end.setblocking(False)
        signal.set_wakeup_fd(wake.fileno(), warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        self.wake = wake
        self.events.register(listener, selectors.EVENT_READ, self.start)
        self.events.register(ended, selectors.EVENT_READ, lambda: ended.recv(4096) and self.reap())

    def serve(self):
        while True:
            for key, _ in self.events.select():
                if key.fileobj.fileno() >= 0:  # else closed by an event before it
                    key.data()

    def start(self):
        connection, _ = self.listener.accept()
        command, descriptors, _, _ = socket.recv_fds(connection, 1 << 20, 3)
        if len(descriptors) != 3:  # only looked whether we are there
            connection.close()
            return
        pid = os.fork()
        if pid == 0:
            become(asker(connection), command, descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
        self.asked_by[pid] = connection
        self.events.register(connection, selectors.EVENT_READ, lambda: self.hang_up(pid))

    def hang_up(self, pid):
        self.forget(pid)
        for kill in (os.kill, os.killpg):  # it may have no group of its own yet
            try:
                kill(pid, signal.SIGHUP)
            except ProcessLookupError:
                pass

    def reap(self):
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid in self.asked_by:
                code = os.waitstatus_to_exitcode(status)
                try:
                    self.asked_by[pid].send(b"%d" % (code if code >= 0 else 128 - code))
                except OSError:
                    pass  # hung up just now
                self.forget(pid)

    def forget(self, pid):
        connection = self.asked_by.pop(pid)
        self.events.unregister(connection)
        connection.close()


def asker(connection):
    """Its user and group."""
    return struct.unpack("iII", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[1:]


def become(who, command, descriptors):
    try:
        if who[0] != os.geteuid():
            os.setgroups([])
            os.setgid(who[1])
            os.setuid(who[0])
        os.setsid()
        for number, descriptor in enumerate(descriptors):
            os.dup2(descriptor, number)
        os.closerange(3, 1 << 16)
        signal.set_wakeup_fd(-1)
        for name in (signal.SIGPIPE, signal.SIGINT, signal.SIGCHLD):
            signal.signal(name, signal.SIG_DFL)
        os.chdir("/")
        os.execv("/bin/sh", [b"sh", b"-c", command])
    finally:
        os._exit(127)


def main():
    name, path, *kept = sys.argv[1:]
    socket.sethostname(name)
    for point, kind, data in OWN:
        cover(point, kind, kept + ["/sys/fs/cgroup"], MS_NOSUID | MS_NODEV, data)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    os.chmod(path, 0o666)
    listener.listen(128)
    commands = Commands(listener)
    print("ready", flush=True)
    null = os.open("/dev/null", os.O_RDWR)
    for number in (0, 1):
        os.dup2(null, number)
    commands.serve()


if __name__ == "__main__":
    main()
