import pytest
from control_plane import ControlPlane


@pytest.fixture(scope="session")
def plane():
    with ControlPlane() as started:
        yield started
