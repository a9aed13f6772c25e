# SPDX-License-Identifier: Apache-2.0
"""The arithmetic: medians, quartiles, spreads, and ratios within rounds."""

import statistics

# Fewer samples say nothing about their spread.
LEAST_SAMPLES = 3


def median(values):
    return statistics.median(values)


def quartiles(values):
    """The lowest and the highest quartile; of one value, that value twice."""
    values = list(values)
    if len(values) == 1:
        return values[0], values[0]
    low, _, high = statistics.quantiles(values, n=4, method="inclusive")
    return low, high


def spread(values):
    """
    The interquartile range in relation to the median: a quarter of the samples on
    each side may be as wrong as they like.  None where there are too few samples,
    and where samples that differ have the median 0.
    """
    values = list(values)
    if len(values) < LEAST_SAMPLES:
        return None
    low, high = quartiles(values)
    if low == high:
        return 0.0
    middle = median(values)
    return (high - low) / abs(middle) if middle else None


def is_good(values, limit):
    """Whether the median of these values may be believed."""
    found = spread(values)
    return found is not None and found <= limit


def ratios(samples, reference):
    """
    The ratios of two rows, each of which maps rounds to samples.  A ratio needs
    both samples of a round, and a reference that is not 0.
    """
    return [
        sample / reference[number]
        for number, sample in samples.items()
        if reference.get(number)
    ]
