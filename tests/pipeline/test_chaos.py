"""Parts are taken away under load, one scenario after the other on the same data."""
import json
import threading
import uuid

import pytest

from campaign import DEAD_TOPICS, TOPICS
from harness.server import eventually

AWAY_SECONDS = 5
LONG_AWAY_SECONDS = 60
SHUTDOWN_DELAY = "1s"
DEAD_SECONDS = 30


def away(seconds: float) -> None:
    """Nothing is waited for: this is how long the part is away."""
    threading.Event().wait(seconds)


def judge(result) -> None:
    assert not result.problems, "\n".join(map(str, result.problems[:20]))


def test_the_broker_is_killed(campaign):
    with campaign.under_load("broker killed -9") as result:
        campaign.parts.broker.kill()
        away(AWAY_SECONDS)
        campaign.parts.broker.start()
    judge(result)


def test_a_sidecar_is_killed(campaign):
    with campaign.under_load("daprd killed -9") as result:
        campaign.parts.kill_sidecar(campaign.parts.replicas[0])
        campaign.await_return()
    judge(result)


@pytest.mark.slow
def test_one_replica_is_killed(campaign):
    with campaign.under_load("one replica killed -9") as result:
        replica = campaign.parts.replicas[1]
        campaign.kill_server(replica)
        away(AWAY_SECONDS)
        campaign.start_server(replica)
        campaign.await_return()
    judge(result)


def test_replicas_roll_without_a_failed_request(campaign):
    with campaign.under_load("SIGTERM roll of both replicas") as result:
        for replica in campaign.parts.replicas:
            replica.server.settings["SHUTDOWN_DELAY"] = SHUTDOWN_DELAY
            restart_by_sigterm(campaign, replica)
        unavailable = campaign.load.unavailable
    judge(result)
    assert unavailable == 0, f"{unavailable} requests were answered 503"


def restart_by_sigterm(campaign, replica) -> None:
    # Whoever balances the load learns of it while the server still answers.
    campaign.keep_out(replica)
    assert replica.server.stop() == 0
    campaign.start_server(replica)
    campaign.await_return()


def test_poison_in_every_topic_goes_to_its_dead_letters(campaign):
    poison = [(topic, b"poison", value.encode()) for topic in TOPICS
              for value in (f"not json: {topic}", f'{{"id": "{topic}"}}',
                            f'{{"id": "{uuid.uuid4()}", "data": {{"schema_version": "2.0"}}}}')]
    dead_before = campaign.parts.metric("todo_events_dead_total")
    with campaign.under_load("poison in each topic") as result:
        campaign.produce(poison)
        letters = eventually(lambda: len(told := campaign.dead_letters()) == len(poison) and told,
                             DEAD_SECONDS)
        campaign.poison = {letter.split()[0] for letter in letters}
    judge(result)
    assert any("schema_version 2.0" in letter for letter in letters), letters
    assert campaign.parts.metric("todo_events_dead_total") - dead_before >= len(poison)
    logged = [line for replica in campaign.parts.replicas for line in replica.server.log
              if "an event went to the dead letters" in line]
    assert len(logged) >= len(poison)
    by_hand = [json.loads(value)["data"] for topic, _, value in campaign.consume_all(DEAD_TOPICS)
               if b"todo.dead_letter" in value]
    assert {each["topic"] for each in by_hand} == set(TOPICS)
    assert all(each["reason"] and each["event"] for each in by_hand)


def test_events_come_again_and_in_another_order(campaign):
    with campaign.under_load("published again, shuffled") as result:
        messages = campaign.consume_all()
        campaign.random.shuffle(messages)
        campaign.produce(messages)
    judge(result)
    assert result.duplicates > 0


@pytest.mark.slow
def test_a_new_consumer_group_replays_everything(campaign):
    with campaign.under_load("topics replayed from offset 0") as result:
        for replica in campaign.parts.replicas:
            campaign.parts.stop_sidecar(replica)
        for replica in campaign.parts.replicas:
            replica.sidecar.change(consumerGroup="todo-backend-again")
            campaign.parts.want(replica)
        campaign.await_return()
    judge(result)
    assert result.duplicates > 0


@pytest.mark.slow
def test_the_broker_is_away_when_everything_starts(campaign):
    with campaign.under_load("broker away at the start") as result:
        restarts_before = campaign.parts.restarts
        campaign.parts.broker.kill()
        for replica in campaign.parts.replicas:
            campaign.kill_server(replica)
            campaign.parts.kill_sidecar(replica)
        for replica in campaign.parts.replicas:
            replica.server.start()
        away(AWAY_SECONDS)
        assert campaign.parts.restarts > restarts_before, "sidecars are started in vain"
        campaign.parts.broker.start()
        campaign.await_return()
        for replica in campaign.parts.replicas:
            campaign.let_in(replica)
    judge(result)


@pytest.mark.slow
def test_both_replicas_are_killed(campaign):
    with campaign.under_load("both replicas killed -9") as result:
        for replica in campaign.parts.replicas:
            campaign.kill_server(replica)
        away(AWAY_SECONDS)
        for replica in campaign.parts.replicas:
            campaign.start_server(replica)
        campaign.await_return()
    judge(result)


@pytest.mark.slow
def test_the_database_is_restarted(campaign):
    with campaign.under_load("PostgreSQL restarted") as result:
        campaign.parts.cluster.stop_immediate()
        away(AWAY_SECONDS)
        campaign.parts.cluster.start()
        campaign.await_database()
        campaign.await_return()
    judge(result)


@pytest.mark.slow
def test_the_consumer_is_away_while_events_pile_up(campaign):
    with campaign.under_load("consumer away for a minute") as result:
        for replica in campaign.parts.replicas:
            replica.door.shut()
        away(LONG_AWAY_SECONDS)
        for replica in campaign.parts.replicas:
            replica.door.open()
    judge(result)
