import os

import pytest

from campaign import Campaign, table
from harness.replicas import Replicas


def pytest_addoption(parser):
    parser.addoption("--every", action="store_true", help="all scenarios, not only the quick ones")


def pytest_configure(config):
    config.addinivalue_line("markers", "slow: only with --every")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--every"):
        return
    slow = [item for item in items if item.get_closest_marker("slow")]
    items[:] = [item for item in items if item not in slow]
    config.hook.pytest_deselected(items=slow)


@pytest.fixture(scope="session")
def seed():
    chosen = int(os.environ.get("TODO_PIPELINE_SEED") or int.from_bytes(os.urandom(4)))
    print(f"TODO_PIPELINE_SEED={chosen}")
    return chosen


@pytest.fixture(scope="session")
def campaign(tmp_path_factory, seed, request):
    """Everything runs once, for all scenarios; both crons tick all the time."""
    with Replicas(tmp_path_factory.mktemp("pipeline"), cron="@every 1s") as replicas:
        campaign = Campaign(replicas, seed)
        yield campaign
        capture = request.config.pluginmanager.getplugin("capturemanager")
        with capture.global_and_fixture_disabled():
            print("\n" + table(campaign.results))
