"""The harness itself: packets pass, and boxes leave nothing behind."""
import os
import signal
import subprocess
import sys
import time

from node import ROOT, Host


def test_two_hosts_talk_through_a_bridge(node, lan, wan):
    node.ovs("vsctl", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=" + node.datapath,
             "fail_mode=secure", "--", "add-port", "br0", "lan0", "--", "add-port", "br0", "wan0")
    assert lan.run("ping", "-c1", "-W1", wan.ip, check=False).returncode == 1
    node.ovs("ofctl", "add-flow", "br0", "actions=NORMAL")
    lan.run("ping", "-c1", "-w5", wan.ip)
    server = wan.popen("iperf3", "-s", "-1", "--forceflush", stdout=subprocess.PIPE)
    server.stdout.readline()
    lan.run("iperf3", "-c", wan.ip, "-n", "10M", timeout=10)


def test_a_namespace_made_in_a_node_is_seen_there_only(node):
    node.run("ip", "netns", "add", "inner")
    assert node.run("ip", "netns", "exec", "inner", "ls", "/sys/class/net").stdout == "lo\n"
    assert node.run("ls", "/run/netns").stdout == "inner\n"
    assert not os.path.exists("/run/netns/inner")
    assert set(node.run("ls", "/sys/class/net").stdout.split()) >= {"lan0", "wan0"}


def test_a_signal_goes_to_the_program_not_to_nsenter():
    with Host("box") as box:
        program = box.popen("sleep", "100")
        program.terminate()
        assert program.wait(1) == -signal.SIGTERM
        assert box.pids("sleep") == []


def test_vswitchd_dies_and_comes_back(node):
    node.ovs("vsctl", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=" + node.datapath)
    node.stop_vswitchd()
    assert node.pids("ovs-vswitchd") == []
    node.start_vswitchd()
    assert "br0" in node.run("ls", "/sys/class/net").stdout.split()


def test_a_test_speaks_in_the_network_of_a_host(node, lan, wan):
    node.ovs("vsctl", "add-br", "br0", "--", "set", "bridge", "br0", "datapath_type=" + node.datapath,
             "--", "add-port", "br0", "lan0", "--", "add-port", "br0", "wan0")
    with wan.socket() as listener, lan.socket() as caller:
        listener.bind((wan.ip, 80))
        listener.listen()
        caller.settimeout(5)
        caller.connect((wan.ip, 80))
        with listener.accept()[0] as heard:
            assert heard.getpeername()[0] == lan.ip


KILLED = """
import os, signal
from node import Host, Node, wire
node, lan = Node("killed"), Host("killed", "10.0.0.1/24")
wire(lan, node, "lan0")
node.popen("dnsmasq", "--no-daemon", "--port=0")
lan.popen("sleep", "1000").send_signal(signal.SIGSTOP)
node.run("ip", "netns", "add", "inner")
print(node.pid, lan.pid, node.dir, lan.dir, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_run_leaves_nothing_behind():
    run = subprocess.run([sys.executable, "-c", KILLED], stdout=subprocess.PIPE, text=True,
                         env=dict(os.environ, PYTHONPATH=ROOT + "/tests"))
    assert run.returncode == -signal.SIGKILL
    node, lan, *folders = run.stdout.split()
    end = time.monotonic() + 5
    while any(map(os.path.exists, ["/proc/" + node, "/proc/" + lan, *folders])):
        assert time.monotonic() < end, "still there"
        time.sleep(0.01)
    # The keeper of a process namespace is the last to go, so nothing else is left in it.
