# SPDX-License-Identifier: Apache-2.0
"""The arithmetic: medians, quartiles, and ratios within rounds."""

import statistics


def median(values):
    return statistics.median(values)


def quartiles(values):
    """The lowest and the highest quartile; of one value, that value twice."""
    values = list(values)
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def ratio(samples, reference):
    """
    The median of the ratios of two rows, each of which maps rounds to samples.
    A ratio needs both samples of a round, and a reference that is not 0; where
    no round has them, the result is None.
    """
    ratios = [
        sample / reference[number]
        for number, sample in samples.items()
        if reference.get(number)
    ]
    return median(ratios) if ratios else None
