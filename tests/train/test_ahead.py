"""Reading ahead keeps order, hands errors over and lets go when the consumer does."""

import threading

import pytest

from pipeline.train.ahead import ahead


def test_order_is_kept():
    assert list(ahead(iter(range(100)), depth=3)) == list(range(100))


def test_an_error_is_raised_where_the_items_are_consumed():
    def items():
        yield 1
        raise ValueError("broken")

    found = ahead(items())
    assert next(found) == 1
    with pytest.raises(ValueError, match="broken"):
        next(found)


def test_the_thread_ends_with_its_consumer():
    before = threading.active_count()
    found = ahead(iter(range(10**9)), depth=2)
    assert next(found) == 0
    found.close()
    assert threading.active_count() == before
