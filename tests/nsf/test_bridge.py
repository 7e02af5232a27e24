"""The functions that are a bridge and no more: a switch of many ports, and the sample, a wire."""
from function import nothing_lost, pings


def test_a_switch_joins_all_its_ports(function, host):
    hosts = [host("10.0.0.%d/24" % number) for number in (1, 2, 3)]
    assert function("bridge", *hosts).run("start") == 0
    assert pings(hosts[0], "10.0.0.2") and pings(hosts[1], "10.0.0.3") and pings(hosts[2], "10.0.0.1")


def test_ports_come_and_go_while_others_carry_traffic(function, host):
    hosts = [host("10.0.0.%d/24" % number) for number in (1, 2, 3)]
    one = function("bridge", *hosts[:2])
    one.run("start")
    with nothing_lost(hosts[0], "10.0.0.2"):
        one.add_port(hosts[2])
        assert one.run("update", SF_PORTS_ADDED="eth2") == 0, one.said
        assert pings(hosts[0], "10.0.0.3")
        one.ports.remove("eth2")
        assert one.run("update", SF_PORTS_REMOVED="eth2") == 0, one.said
    assert not pings(hosts[0], "10.0.0.3", within=0.2)


def test_a_switch_that_lost_a_port_is_not_running(function, host):
    one = function("bridge", host("10.0.0.1/24"), host("10.0.0.2/24"))
    one.run("start")
    one.inside("ip", "link", "set", "eth1", "nomaster")
    assert one.run("status") == 1
    assert one.said == "eth1: not on the bridge; start joins it"


def test_spanning_tree_is_on_if_it_is_asked_for(function, host):
    one = function("bridge", host("10.0.0.1/24"), host("10.0.0.2/24"))
    for stp, state in ("on", "1"), ("off", "0"):
        assert one.run("start", BRIDGE_STP=stp) == 0, one.said
        assert one.inside("cat", "/sys/class/net/br0/bridge/stp_state").strip() == state


def test_a_bridge_says_nothing_of_its_own(function, host):
    quiet = host("10.0.0.1/24")
    one = function("bridge", quiet, host("10.0.0.2/24"))
    one.run("start")
    before = quiet.run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout
    assert one.run("update") == 0, one.said
    assert one.inside("ip", "-o", "address", "show", "br0") == ""
    assert quiet.run("cat", "/sys/class/net/eth0/statistics/rx_packets").stdout == before


def test_a_wire_takes_another_size_of_packets_without_a_loss(function, host):
    left, right = host("10.0.0.1/24"), host("10.0.0.2/24")
    one = function("sample", left, right)
    one.run("start")
    assert pings(left, right.ip, size=1400)
    with nothing_lost(left, right.ip):
        assert one.run("update", WIRE_MTU="1000") == 0, one.said
    assert not pings(left, right.ip, size=1400, within=0.2)
    assert pings(left, right.ip, size=900)
