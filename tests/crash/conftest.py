import os

import pytest


@pytest.fixture(scope="session")
def seed():
    chosen = int(os.environ.get("TODO_CRASH_SEED") or int.from_bytes(os.urandom(4)))
    print(f"TODO_CRASH_SEED={chosen}")
    return chosen
