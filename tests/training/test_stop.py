"""A stop request: what a signal sets, and what is as before when the body is done. The second signal is proved in processes."""

import os
import signal
import threading
from collections.abc import Iterator

import pytest

from mlp_cli.training.stop import StopRequest, stop_on_signals


@pytest.fixture(autouse=True)
def nothing_is_left() -> Iterator[None]:
    """Handlers are as they were, and there is no thread or descriptor that was not there; those of earlier tests may go meanwhile."""
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    threads, descriptors = set(threading.enumerate()), set(os.listdir("/dev/fd"))
    yield
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert set(threading.enumerate()) <= threads and set(os.listdir("/dev/fd")) <= descriptors
    wakeup = signal.set_wakeup_fd(-1)
    assert wakeup == -1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_noted_at_once(number: int) -> None:
    with stop_on_signals() as stop:
        assert stop.signal is None
        signal.raise_signal(number)
        assert stop.signal == number
        stop.signal = None  # heeded


def test_without_a_signal_nothing_happens() -> None:
    with stop_on_signals() as stop:
        pass
    assert stop.signal is None


def test_what_was_not_heeded_is_raised() -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_signals():
        signal.raise_signal(signal.SIGINT)


def test_an_error_of_the_body_goes_on() -> None:
    with pytest.raises(ZeroDivisionError), stop_on_signals():
        signal.raise_signal(signal.SIGINT)
        raise ZeroDivisionError


def test_one_inside_another() -> None:
    """The inner one gets the signal; the outer one works again when the inner is done."""
    with stop_on_signals() as outer:
        with stop_on_signals() as inner:
            signal.raise_signal(signal.SIGTERM)
            assert (inner.signal, outer.signal) == (signal.SIGTERM, None)
            inner.signal = None
        signal.raise_signal(signal.SIGINT)
        assert outer.signal == signal.SIGINT
        outer.signal = None


def test_another_signal_is_none_of_ours() -> None:
    before = signal.signal(signal.SIGUSR1, lambda *_: None)
    with stop_on_signals() as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGUSR1)
        signal.raise_signal(signal.SIGINT)
        assert stop.signal == signal.SIGINT
        stop.signal = None
    signal.signal(signal.SIGUSR1, before)


def test_outside_the_main_thread_there_is_never_a_request() -> None:
    found: list[StopRequest] = []

    def body() -> None:
        with stop_on_signals() as stop:
            found.append(stop)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    assert found[0].signal is None
