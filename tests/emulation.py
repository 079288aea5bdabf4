"""Tests that need what not every machine has say what is missing where it is."""

import pytest

from bitsback.lower.build.native.linking import lld

needs_lld = pytest.mark.skipif(lld() is None, reason="needs ld.lld, which `make setup-emulation` installs")
