"""Where the tests of the deployment find what they share, and what they are given."""
import os
import pathlib
import sys

import pytest

HERE = pathlib.Path(__file__).resolve().parent
sys.path += [str(HERE), str(HERE.parent)]

from kit import must  # noqa: E402


@pytest.fixture(scope="session")
def help_text() -> str:
    return must(os.environ["TODO_BACKEND"], "--help")
