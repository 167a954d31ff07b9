"""Trains the jobs in a file of JSON lines with two workers, and prints the id of each that is over. For tests alone."""

import json
import sys
from pathlib import Path

from mlp_cli.sweep.executors import Job, open_executor


def main() -> None:
    jobs = {job.run_id: job for job in (Job(**json.loads(line)) for line in Path(sys.argv[1]).read_text().splitlines())}
    with open_executor("processes", workers=2) as executor:
        for job in jobs.values():
            executor.submit(job)
        while jobs:
            for result in executor.results(0.5):
                if result.status == "completed":
                    del jobs[result.run_id]
                else:
                    executor.submit(jobs[result.run_id])


if __name__ == "__main__":
    main()
