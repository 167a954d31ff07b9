"""A worker in which members go wrong after each epoch: those whose labels begin with the name of a poison, and those that
MLP_POISONS, a JSON object of labels and poisons, gives one. `once` dies after the first epoch alone, so that a second attempt goes
on from the checkpoint. For tests alone: `python poisoned_worker.py PATHS SOCKET PARENT`."""

import ctypes
import json
import os
import signal
import sys
import time

sys.path[:] = json.loads(sys.argv[1])

from mlp_cli.sweep import pool  # noqa: E402  (only now is it found)
from mlp_cli.training import trainer  # noqa: E402


def segfault() -> None:
    ctypes.string_at(0)


def exception() -> None:
    raise ZeroDivisionError("a poisoned member")


def memory() -> None:
    raise MemoryError("no memory for a poisoned member")


def endless() -> None:
    while True:
        time.sleep(0.01)


def exit0() -> None:
    os._exit(0)


def exit3() -> None:
    os._exit(3)


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def told() -> None:
    """Told to stop by somebody other than the sweep."""
    os.kill(os.getpid(), signal.SIGTERM)


def deaf() -> None:
    """An endless loop that no signal ends but SIGKILL."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    endless()


def noisy() -> None:
    print("words on stdout", flush=True)
    print("words on stderr", file=sys.stderr, flush=True)
    os.write(1, b"words past Python\n")


def obey_modes() -> None:
    """Gives up root's right to write anywhere (CAP_DAC_OVERRIDE), so that a read-only folder is one for this process too."""
    if sys.platform == "linux" and os.geteuid() == 0:
        libc = ctypes.CDLL(None, use_errno=True)
        header, sets = (ctypes.c_uint32 * 2)(0x20080522, 0), (ctypes.c_uint32 * 6)()
        if libc.capget(header, sets) == 0:
            sets[0] &= ~(1 << 1)
            libc.capset(header, sets)


POISONS = {poison.__name__: poison for poison in (segfault, exception, memory, endless, exit0, exit3, killed, told, deaf, noisy)}
CHOSEN = json.loads(os.environ["MLP_POISONS"])


def main() -> None:
    from mlp_cli.experiment import Attempt

    obey_modes()

    plain = trainer.Trainer._finish_epoch
    train = Attempt.finish
    label = ""

    def remember(self, *arguments):
        nonlocal label
        label = self.config.name
        return train(self, *arguments)

    def finish_epoch(self, row, callbacks):
        plain(self, row, callbacks)
        name = CHOSEN.get(label) or label.partition("-")[0]
        if name in POISONS:
            POISONS[name]()
        elif name == "once" and row.epoch == 1:
            segfault()

    Attempt.finish = remember
    trainer.Trainer._finish_epoch = finish_epoch
    pool.work(int(sys.argv[2]), int(sys.argv[3]))


main()
