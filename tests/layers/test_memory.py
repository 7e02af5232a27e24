"""Memory is a feature: the agent as a user starts it, idle, stays under a ceiling, with a broker too."""
from broker import Broker, Client
from node import memory

CEILING = 28  # MB of RSS, DESIGN.md 10


def test_an_idle_agent_stays_under_the_ceiling(agent):
    agent.stop()
    agent.start()  # the first start may have compiled the sources
    assert memory(agent.pid)["rss"] < CEILING


def test_so_does_one_with_a_broker(agent, node):
    agent.stop()
    agent.config["mqtt"] = {"host": "127.0.0.1"}
    with Broker(node.host), Client(node.host, "composer/v1/node/#") as ear:
        agent.start()
        ear.wait("composer/v1/node/description")
        assert memory(agent.pid)["rss"] < CEILING
