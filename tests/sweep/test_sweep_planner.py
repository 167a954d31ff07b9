"""Workers × threads: within the cores, the members and the memory; control groups."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlp_cli.sweep.forecast import available_cores, available_memory, cgroup_cores, cgroup_memory, plan_workload

PLENTY = 1 << 50


@given(
    members=st.integers(1, 500),
    parameters=st.integers(0, 10**8),
    threads=st.none() | st.integers(1, 64),
    cores=st.integers(1, 128),
    memory=st.integers(0, 1 << 40),
)
def test_never_more_threads_than_cores(members: int, parameters: int, threads: int | None, cores: int, memory: int) -> None:
    plan = plan_workload(members, parameters=parameters, threads=threads, cores=cores, memory=memory)
    assert plan.threads == (threads or 1)
    assert 1 <= plan.workers <= members
    assert plan.workers == 1 or plan.workers * plan.threads <= cores


@pytest.mark.parametrize(
    ("members", "cores", "threads", "expected"),
    [(16, 2, None, 2), (1, 8, None, 1), (3, 8, None, 3), (100, 8, 3, 2), (100, 8, 8, 1), (100, 2, 4, 1), (100, 64, None, 64)],
)
def test_workers(members: int, cores: int, threads: int | None, expected: int) -> None:
    assert plan_workload(members, threads=threads, cores=cores, memory=PLENTY).workers == expected


def test_one_thread_however_large_the_network() -> None:
    plan = plan_workload(1, parameters=10**8, cores=8, memory=PLENTY)
    assert (plan.workers, plan.threads) == (1, 1)
    assert plan.notice is not None
    assert "--threads 8" in plan.notice
    assert plan_workload(1, parameters=1000, cores=8, memory=PLENTY).notice is None
    assert plan_workload(8, parameters=10**8, cores=8, memory=PLENTY).notice is None


def test_what_the_user_wants_is_done_and_too_much_is_told() -> None:
    plan = plan_workload(10, workers=4, threads=2, cores=4, memory=PLENTY)
    assert (plan.workers, plan.threads) == (4, 2)
    assert plan.notice is not None
    assert "4 workers × 2 threads" in plan.notice
    assert "--workers 2" in plan.notice
    assert plan_workload(10, workers=2, threads=2, cores=4, memory=PLENTY).notice is None
    assert plan_workload(2, workers=6, cores=8, memory=PLENTY).workers == 6


def test_memory_bounds_the_workers() -> None:
    plan = plan_workload(10, member_bytes=900 << 20, cores=8, memory=3 << 30)
    assert plan.workers == 3
    assert plan.notice is not None
    assert "memory" in plan.notice
    assert plan_workload(10, member_bytes=900 << 20, cores=8, memory=0).workers == 1


def group(root: Path, listing: str, values: dict[str, str]) -> Path:
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(listing)
    for name, value in values.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(value + "\n")
    return root


@pytest.mark.parametrize(
    ("listing", "values", "expected"),
    [
        ("0::/a/b\n", {"a/cpu.max": "150000 100000", "a/b/cpu.max": "max 100000"}, 1.5),
        ("0::/a/b\n", {"a/cpu.max": "400000 100000", "a/b/cpu.max": "200000 100000"}, 2.0),
        ("0::/\n", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/only/the/host/sees\n", {"cpu.max": "300000 100000"}, 3.0),
        ("0::/\n", {"cpu.max": "max 100000"}, None),
        ("3:cpu:/job\n", {"cpu/cpu.cfs_quota_us": "250000", "cpu/cpu.cfs_period_us": "100000"}, None),
        ("", {}, None),
    ],
)
def test_cores_of_control_groups(tmp_path: Path, listing: str, values: dict[str, str], expected: float | None) -> None:
    assert cgroup_cores(group(tmp_path, listing, values)) == expected


def test_a_share_of_a_core_is_still_one(tmp_path: Path) -> None:
    assert available_cores(group(tmp_path, "0::/\n", {"cpu.max": "50000 100000"})) == 1


def test_memory_of_control_groups(tmp_path: Path) -> None:
    two = group(tmp_path / "two", "0::/a\n", {"a/memory.max": "1000", "a/memory.current": "400", "memory.max": "max"})
    assert cgroup_memory(two) == 600
    assert available_memory(two) == 600
    assert cgroup_memory(group(tmp_path / "free", "0::/\n", {"memory.max": "max", "memory.current": "1000"})) is None


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no processor affinity")
def test_affinity_is_respected(tmp_path: Path) -> None:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert available_cores(tmp_path) == 1
    finally:
        os.sched_setaffinity(0, before)
