"""Memory is a feature: the agent as a user starts it, idle, stays under a ceiling."""
from node import memory

CEILING = 28  # MB of RSS, DESIGN.md 10


def test_an_idle_agent_stays_under_the_ceiling(agent):
    agent.stop()
    agent.start()  # the first start may have compiled the sources
    assert memory(agent.pid)["rss"] < CEILING
