"""Runs one server for as long as the test that started it lives.

The test holds the other end of our standard input. When that closes, because the test dropped its handle,
panicked, was interrupted or killed, we stop the server we started and remove its folder. Nothing else
is ever signalled: only the process group of our own child.

Called by tests/support/kept.rs:  keep.py --signal NAME --grace S --log FILE --remove DIR -- COMMAND...
Prints the child's process id on one line. A line "stay" on standard input spares the folder.
"""

import argparse
import os
import select
import shutil
import signal
import subprocess
import sys
import time


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--signal", required=True, help="how the server is asked to stop: TERM, QUIT, KILL")
    parser.add_argument("--grace", type=float, default=10.0, help="seconds before it is killed")
    parser.add_argument("--log", required=True)
    parser.add_argument("--remove", required=True)
    parser.add_argument("command", nargs="+")
    return parser.parse_args()


def stop(child, how, grace):
    """Asks the child to stop, then kills whatever is left of its process group."""
    if child.poll() is None:
        child.send_signal(how)
        try:
            child.wait(grace)
        except subprocess.TimeoutExpired:
            pass
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()


def remove(folder):
    """A server's last children may still be writing; a few tries are enough for them to go."""
    for _ in range(20):
        shutil.rmtree(folder, ignore_errors=True)
        if not os.path.exists(folder):
            return
        time.sleep(0.1)


def main():
    args = arguments()
    # Ctrl-C at the terminal ends the test; we then hear of it through standard input, in good order.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with open(args.log, "ab") as log:
        # A signal that is ignored (by us, or by the shell we come from) stays ignored in a child.
        child = subprocess.Popen(
            args.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            preexec_fn=lambda: [signal.signal(n, signal.SIG_DFL)
                                for n in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)])
    print(child.pid, flush=True)

    stay = False
    while True:
        # The time limit is for poll(), which reaps a child that ended by itself.
        readable, _, _ = select.select([sys.stdin], [], [], 0.1)
        child.poll()
        if readable:
            line = os.read(sys.stdin.fileno(), 64)
            if not line:
                break
            stay = stay or b"stay" in line
    stop(child, getattr(signal, "SIG" + args.signal), args.grace)
    if not stay:
        remove(args.remove)


if __name__ == "__main__":
    main()
