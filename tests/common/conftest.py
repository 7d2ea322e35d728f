"""What several tests of the package depend on."""

import signal

import pytest


@pytest.fixture
def ctrl_c():
    """An interrupt arrives as KeyboardInterrupt, here and in children started here, as in a shell in the foreground.

    A run started in the background or by nohup ignores interrupts, and so do its children.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
