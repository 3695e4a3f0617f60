"""Estimates pi by throwing darts at a square: ``pi.py [PARTITIONS]``.

Each partition throws a hundred thousand, wherever the cluster runs it.
"""

from __future__ import annotations

import random
import sys

from pyspark.sql import SparkSession  # type: ignore[import-not-found]

DARTS = 100_000


def hits(partition: int) -> int:
    """How many darts of one partition fall into the circle."""
    throw = random.Random(partition).uniform  # noqa: S311 - a simulation, no secret
    return sum(throw(-1, 1) ** 2 + throw(-1, 1) ** 2 <= 1 for _ in range(DARTS))


def main() -> None:
    """Prints the estimate."""
    partitions = int(sys.argv[1]) if len(sys.argv) > 1 else 10
    spark = SparkSession.builder.appName("pi").getOrCreate()
    found = spark.sparkContext.parallelize(range(partitions), partitions).map(hits).sum()
    print(f"Pi is roughly {4 * found / (DARTS * partitions):.6f}")  # noqa: T201 - its output
    spark.stop()


if __name__ == "__main__":
    main()
