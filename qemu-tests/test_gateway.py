"""A gateway's life, in order: install, configure, deploy, packets, restart, reboot, upgrade, remove.

Each test goes on where the one before left the gateway, as its user would; what they measure is printed in the end.
"""
import json
import os
import re
import time

import pytest

from composer import __version__
from figures import PAPER_DISK, PAPER_MEMORY, functions

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
HOME = json.load(open(os.path.join(TOP, "agent/examples/home.json")))
FAR = {"sffg": {
    "id": "far", "SFs": [],
    "saps": [{"id": "v", "type": "vlan", "vlan": {"vlan-id": "100", "if-name": "lan0"}},
             {"id": "g", "type": "gre", "gre": {"local-ip": "192.0.2.1", "remote-ip": "192.0.2.2", "gre-key": "1"}}],
    "flowrules": [
        {"id": "1", "priority": 10, "match": {"port_in": "service-access-point:v"},
         "actions": {"output_to_port": "service-access-point:g"}},
        {"id": "2", "priority": 10, "match": {"port_in": "service-access-point:g"},
         "actions": {"output_to_port": "service-access-point:v"}}]}}
AGENT_LIMIT = 16  # MB of resident memory, on ARM
RESPAWN = 5  # seconds, of the init script

pytestmark = [pytest.mark.timeout(600)]


def agent(gateway):
    """Return the pid of the agent, 0 if it does not run."""
    said = gateway.run("pidof python3", check=False)
    found = re.match(r"\d+", said)
    return int(found.group()) if found else 0


def eventually(condition, limit=30):
    end = time.monotonic() + limit
    while not condition():
        assert time.monotonic() < end, "not within %d s" % limit
        time.sleep(0.3)


def available(gateway):
    """Return the kB of memory that the gateway has for others."""
    return int(re.search(r"MemAvailable: *(\d+)", gateway.run("cat /proc/meminfo")).group(1))


def ping(gateway, host, address, count=3):
    """Return how many of `count` packets came back."""
    said = gateway.run("ip netns exec %s ping -i 0.2 -c %d -W 3 %s" % (host, count, address), check=False)
    found = re.search(r"(\d+) received", said)
    return int(found.group(1)) if found else 0


def test_the_packages_install_and_the_agent_runs(gateway):
    begun = time.monotonic()
    said = gateway.run("cd /root/ipk && opkg install python3-h11_* composer-agent_* composer-nsf-firewall_* composer-nsf-nat_*")
    gateway.figures["install"] = [time.monotonic() - begun]
    assert "needs" not in said, said
    assert "composer-agent - %s-r1" % __version__ in gateway.run("opkg list-installed")
    assert gateway.run("composer-agent --version").strip() == __version__
    eventually(lambda: "agent: started" in gateway.run("cat /var/log/composer.log", check=False))
    assert agent(gateway)
    assert "node=OpenWrt-123456" in gateway.run("cat /var/log/composer.log")  # uci-defaults gave it a name of its own
    assert gateway.run("ls /etc/uci-defaults").strip() == ""


def test_a_package_whose_needs_are_not_there_is_not_installed(gateway):
    said = gateway.run("cd /root/ipk && opkg install composer-nsf-vpn_*", check=False)
    assert "composer-nsf-vpn: needs wireguard-tools" in said
    assert "composer-nsf-vpn" not in gateway.run("opkg list-installed")


def test_a_changed_configuration_reaches_the_agent(gateway):
    before = agent(gateway)
    gateway.run("/etc/init.d/composer reload")
    assert agent(gateway) == before, "nothing has changed, and it was started again"
    gateway.run("printf '\\nconfig interface\\n\\toption name lan0\\n\\nconfig interface\\n\\toption name wan0\\n' >>/etc/config/composer")
    gateway.run("uci set composer.main.auth=none && uci set composer.main.listen=10.0.2.15:8080 && uci commit composer && reload_config")
    gateway.reachable()
    assert agent(gateway) != before
    assert json.loads(gateway.run("/etc/init.d/composer configuration")) == {
        "node": "OpenWrt-123456", "auth": "none", "listen": "10.0.2.15:8080", "interfaces": [{"name": "lan0"}, {"name": "wan0"}]}
    assert gateway.run("stat -c %a /etc/config/composer /var/run/composer.json").split() == ["600", "600"]


def test_a_bad_configuration_changes_nothing_and_is_named(gateway):
    before = agent(gateway)
    gateway.run("cp -p /etc/config/composer /tmp/good && uci set composer.main.liten=1")
    said = gateway.run("reload_config")
    assert "the agent goes on as it was" in said and "liten" in said and "listen" in said, said
    assert agent(gateway) == before and gateway.ask("GET", "/health")[0] == 200
    gateway.run("cat /tmp/good >/etc/config/composer && reload_config")
    assert agent(gateway) == before


def test_it_stops_starts_and_is_started_again_when_it_ends(gateway):
    gateway.run("/etc/init.d/composer stop")
    assert not agent(gateway) and gateway.ask("GET", "/health", limit=5)[0] == 0
    gateway.run("/etc/init.d/composer start")
    gateway.reachable()
    before = agent(gateway)
    gateway.run("kill -9 %d" % before)
    eventually(lambda: agent(gateway) not in (0, before), RESPAWN + 30)
    gateway.reachable()


def test_a_graph_is_deployed_and_its_packets_pass_the_kernel_datapath(gateway):
    assert "datapath=system" in gateway.run("cat /var/log/composer.log")
    gateway.figures["deploy"] = [deploy(gateway, HOME)]  # with the modules of the kernel that it wants
    assert gateway.ask("DELETE", "/graphs/home")[0] == 204
    gateway.figures["deploy"].append(deploy(gateway, HOME))
    assert ping(gateway, "lan", "192.168.2.2") == 3
    assert "recirc_id" in gateway.run("ovs-dpctl dump-flows")
    # The NAT hides who asks: the server sees the gateway's address.  The firewall drops port 8081, and nothing else.
    assert fetch(gateway, 80) == "hello from 192.168.2.1"
    assert fetch(gateway, 8081) == ""


def deploy(gateway, graph):
    """PUT a graph; return the seconds until it is there."""
    begun = time.monotonic()
    status, answer = gateway.ask("PUT", "/graphs/" + graph["sffg"]["id"], graph)
    assert status == 201, answer
    return time.monotonic() - begun


def fetch(gateway, port):
    """Return what a server in wan says to a client in lan: who the client is."""
    gateway.run("ip netns exec wan timeout 20 python3 -c 'import socket; a, peer = socket.create_server((\"\", %d)).accept(); "
                "a.send((\"hello from \" + peer[0]).encode())' >/dev/null 2>&1 & sleep 3" % port)
    said = gateway.run("ip netns exec lan python3 -c 'import socket; print(socket.create_connection((\"192.168.2.2\", %d), 5)"
                       ".recv(99).decode())'" % port, check=False)
    return said.strip() if said.startswith("hello") else ""


def test_a_vlan_and_a_gre_tunnel_are_joined(gateway):
    deploy(gateway, FAR)
    assert ping(gateway, "lan", "10.9.9.2") == 3
    assert ping(gateway, "lan", "192.168.2.2") == 3  # untagged, and nobody else's
    assert int(re.search(r"RX:.*\n *\d+ +(\d+)", gateway.run("ip -n far -s link show gre1")).group(1)) >= 3


def test_a_restart_of_the_agent_loses_no_packet(gateway):
    gateway.run("ip netns exec lan ping -i 0.1 -c 150 -W 5 192.168.2.2 >/tmp/ping 2>&1 &")
    steps = gateway.run("/etc/init.d/composer restart; wc -l </var/log/composer.log")
    gateway.reachable()
    eventually(lambda: "received" in gateway.run("cat /tmp/ping"), 60)
    assert "150 received" in gateway.run("cat /tmp/ping"), gateway.run("tail -n 3 /tmp/ping")
    since = gateway.run("tail -n +%d /var/log/composer.log" % (int(steps.split()[-1]) + 1))
    assert "event: ready" in since and "ip -batch" not in since and "--bundle" not in since, since
    assert set(graphs(gateway)) == {"home", "far"}


def graphs(gateway):
    return [graph["id"] for graph in gateway.ask("GET", "/graphs")[1]["graphs"]]


def test_after_a_reboot_the_graphs_are_back(gateway):
    gateway.run("/etc/init.d/first-frame enable")
    gateway.figures["boot"].append(gateway.reboot())
    line, seconds = gateway.wait_for("guest: first frame", 120)
    gateway.figures["first frame"] = [seconds]
    gateway.figures["uptime"] = [float(re.search(r"after ([0-9.]+) s", line).group(1))]
    gateway.reachable()
    assert set(graphs(gateway)) == {"home", "far"}
    assert ping(gateway, "lan", "192.168.2.2") == 3 and ping(gateway, "lan", "10.9.9.2") == 3
    assert gateway.ask("GET", "/graphs/home/status")[1]["state"] == "deployed"
    # Open vSwitch 3.1.0 counts no cores when it is started within 10 s of boot, and takes no packets.
    deaf = "Overriding n-handler-threads to 0" in gateway.run("cat /var/log/openvswitch/ovs-vswitchd.log")
    assert not deaf or "bridges are made anew" in gateway.run("cat /var/log/composer.log")
    gateway.figures["deaf"] = ["yes, cured" if deaf else "no"]


def test_memory_and_flash_are_below_the_papers(gateway):
    time.sleep(10)
    figures = gateway.figures
    clean = int(re.search(r"MemAvailable: *(\d+)", gateway.run("cat /run/memory")).group(1))
    figures["memory"], figures["available"] = [(clean - available(gateway)) / 1000], [clean / 1000]
    for name, pid in (("composer-agent", agent(gateway)), ("ovsdb-server", "$(pidof ovsdb-server)"), ("ovs-vswitchd", "$(pidof ovs-vswitchd)")):
        said = gateway.run("grep -E '^(Rss|Pss):' /proc/%s/smaps_rollup" % pid)
        figures[name] = [int(re.search(key + r": *(\d+)", said).group(1)) / 1000 for key in ("Rss", "Pss")]
    begun = time.monotonic()
    assert gateway.ask("GET", "/node")[0] == 200
    figures["description"] = [time.monotonic() - begun]
    gateway.run("mkdir /root/again && mv /root/ipk/composer-agent_* /root/again/ && rm -r /root/ipk")
    figures["packages"] = [int(gateway.run("du -sk /overlay/upper").split()[0]) / 1000]
    figures["image"] = [os.path.getsize(os.path.join(gateway.image, "root.squashfs")) / 1e6]
    whole, system = [int(line) / 1e6 for line in open(os.path.join(gateway.image, "sizes"))]
    figures["functions"] = functions(gateway.arch)
    figures["added"] = [whole - system + figures["packages"][0]]
    assert gateway.arch != "arm" or figures["composer-agent"][0] < AGENT_LIMIT
    assert figures["memory"][0] < PAPER_MEMORY
    assert figures["added"][0] < PAPER_DISK


def test_an_upgrade_keeps_configuration_and_graphs(gateway):
    before, configuration = agent(gateway), gateway.run("cat /etc/config/composer")
    gateway.run("cp -a /root/again/. /root/ && opkg install /root/composer-agent_*")
    gateway.reachable()
    assert agent(gateway) != before and gateway.run("cat /etc/config/composer") == configuration
    assert set(graphs(gateway)) == {"home", "far"} and ping(gateway, "lan", "192.168.2.2") == 3
    assert "95composer" in gateway.run("ls /etc/rc.d")


def test_removed_it_leaves_its_configuration_and_the_graphs(gateway):
    for graph in graphs(gateway):
        assert gateway.ask("DELETE", "/graphs/" + graph)[0] == 204
    gateway.run("opkg remove composer-nsf-nat composer-nsf-firewall composer-agent python3-h11")
    assert not agent(gateway) and "composer" not in gateway.run("ls /etc/rc.d /etc/init.d")
    left = gateway.run("find / -xdev -path '*composer*' ! -path '/overlay/*' ! -path '/rom/*' ! -path '/tmp/*' ! -path '/root/*' | sort").split()
    assert left == ["/etc/composer", "/etc/composer/graphs", "/etc/config/composer"], left
