"""The configuration: complete whatever it leaves out, and every mistake named with its place and its remedy."""
import json
import os
import re
import subprocess
import sys

import pytest

from composer import config
from composer.core.errors import BadRequest

FULL = {
    "node": "gw-1.home_a",
    "listen": ["127.0.0.1:8080", "[::1]:8080", "0.0.0.0:80", "unix:/run/composer.sock"],
    "interfaces": ["eth0", {"name": "eth1", "neighbour": "isp", "vlans": [10, "20-29", "30", 12, "11-13", "25-40"],
                            "owners": None}, {"name": "br-lan.100@x"}],
    "state": "/overlay/composer/",
    "runtime": "/run//composer",
    "repository": "/usr/share/functions/",
    "cache": {"folder": "/mnt/usb/", "size": 256},
    "vswitch": "erfs",
    "ovs": {"rundir": "/var/run/ovs2", "datapath": "netdev"},
    "graphs": ["/etc/composer/first.json", "/etc/composer/second.json"],
    "log": "syslog",
    "mqtt": {"host": "broker.example", "port": 8884, "user": "gw-1", "password": "secret", "keepalive": 10, "commands": True,
             "tls": {"ca": "/etc/ssl/ca.pem", "certificate": "/etc/ssl/gw.pem", "key": "/etc/ssl/gw.key"}},
    "tls": {},
    "description": {"infrastructure": False, "resources": False},
    "auth": "none",
    "inband": {"interface": "eth1", "address": "192.0.2.1/24", "gateway": "192.0.2.254", "confirm": 60},
}


def test_nothing_said_is_a_whole_configuration():
    assert config.parse("{}", {})._asdict() == {
        "node": "localhost", "listen": ["127.0.0.1:8080"], "interfaces": [], "state": "/etc/composer",
        "runtime": "/var/run/composer", "repository": "/usr/lib/composer/nsf",
        "cache": config.Cache("/etc/composer/cache", 32), "vswitch": "ovs",
        "ovs": config.Ovs("", "auto", "auto"), "graphs": [], "log": "stderr",
        "mqtt": config.Mqtt("", 1883, "", "", 30, False, None), "tls": {},
        "auth": config.Auth([], 3600), "inband": config.Inband("", "", "", 0), "resources": config.Resources(None, None),
        "description": config.Description(True, True)}


def test_everything_said_is_taken():
    ours = config.parse(FULL, {"OVS_RUNDIR": "/ignored"}, "ignored")
    assert ours.node == "gw-1.home_a"
    assert ours.listen == FULL["listen"]
    assert ours.interfaces == [
        config.Interface("eth0", "", [(1, 4094)], None),
        config.Interface("eth1", "isp", [(10, 13), (20, 40)], None),
        config.Interface("br-lan.100@x", "", [(1, 4094)], None)]
    assert (ours.state, ours.runtime) == ("/overlay/composer", "/run/composer")
    assert (ours.repository, ours.vswitch, ours.log) == ("/usr/share/functions", "erfs", "syslog")
    assert ours.cache == config.Cache("/mnt/usb", 256)
    assert (ours.ovs.rundir, ours.ovs.datapath) == ("/var/run/ovs2", "netdev")
    assert ours.graphs == FULL["graphs"]
    assert ours.mqtt == config.Mqtt("broker.example", 8884, "gw-1", "secret", 10, True, config.Tls(
        "/etc/ssl/ca.pem", "/etc/ssl/gw.pem", "/etc/ssl/gw.key"))
    assert config.parse({"mqtt": {"host": "b", "tls": {}}}).mqtt == config.Mqtt("b", 8883, "", "", 30, False, config.Tls("", "", ""))
    assert ours.description == config.Description(False, False)
    assert (ours.tls, ours.auth.users, ours.inband) == (
        {}, None, config.Inband("eth1", "192.0.2.1/24", "192.0.2.254", 60))


def test_text_bytes_and_value_are_the_same():
    text = json.dumps(FULL)
    assert config.parse(text) == config.parse(text.encode()) == config.parse(FULL)


def test_the_environment_and_the_host_name_fill_what_is_not_said():
    ours = config.parse({"ovs": {"datapath": "system"}}, {"OVS_RUNDIR": "/tmp/ovs"}, "gw")
    assert (ours.node, ours.ovs.rundir, ours.ovs.datapath) == ("gw", "/tmp/ovs", "system")
    assert config.parse({"ovs": {"rundir": ""}}, {"OVS_RUNDIR": "/tmp/ovs"}).ovs.rundir == "/tmp/ovs"


def test_a_document_is_left_as_it_is_and_defaults_are_not_shared():
    document = {"tls": {}}
    ours, other = config.parse(document), config.parse(document)
    ours.interfaces.append("x")
    ours.tls["x"] = 1
    assert document == {"tls": {}} and (other.interfaces, other.tls) == ([], {})
    assert config.parse({}).tls == {}


def test_one_listen_address_needs_no_list():
    for address in ("[fe80::1]:1", "unix:/a/b", "localhost:65535", "127.0.0.1:0", "[::]:80"):
        assert config.parse({"listen": address, "auth": "none"}).listen == [address]


def test_a_repository_may_be_a_url():
    for url in ("http://10.0.0.1", "https://repository.example:8443/a%20b", "http://[fd00::1]:80/~x"):
        assert config.parse({"repository": url + "/"}).repository == config.parse({"repository": url}).repository == url
    assert config.parse({"state": "/overlay", "cache": {"size": 1}}).cache == config.Cache("/overlay/cache", 1)


@pytest.mark.parametrize("vlans, ranges", [
    ([], []), ([1], [(1, 1)]), ([4094], [(4094, 4094)]), (["1-4094"], [(1, 4094)]), (["7"], [(7, 7)]),
    ([3, 1, 2], [(1, 3)]), (["10-20", "15-30"], [(10, 30)]), (["10-20", "12-13"], [(10, 20)]), ([5, 5], [(5, 5)]),
    ([1, 3], [(1, 1), (3, 3)]), (["5-5"], [(5, 5)])])
def test_vlans_become_ranges(vlans, ranges):
    assert config.parse({"interfaces": [{"name": "e", "vlans": vlans}]}).interfaces[0].vlans == ranges


LISTEN = "must be like 127.0.0.1:8080"
NAME = "1 to 15 letters"
ROUND = "must be an absolute path"

# (configuration, place, part of the message)
BAD = [
    ({"nod": "a"}, "nod", "nearest known is node"),
    ({"interface": []}, "interface", "nearest known is interfaces"),
    ({"Listen": "x"}, "Listen", "nearest known is listen"),
    ({"colour": "x"}, "colour", "known are auth, cache, description, graphs"),
    ({"": 1}, "", "unknown key ''"),
    ({"node": ""}, "node", "1 to 64"),
    ({"node": "a b"}, "node", "'a b'"),
    ({"node": "a/b"}, "node", "1 to 64"),
    ({"node": "a\n"}, "node", "1 to 64"),
    ({"node": "x" * 65}, "node", "1 to 64"),
    ({"node": 7}, "node", "not 7"),
    ({"node": None}, "node", "not None"),
    ({"listen": 8080}, "listen", "must be a list"),
    ({"listen": []}, "listen", "must have an address"),
    ({"listen": "8080"}, "listen", LISTEN),
    ({"listen": ":8080"}, "listen", LISTEN),
    ({"listen": "*:8080"}, "listen", LISTEN),
    ({"listen": "127.0.0.1"}, "listen", LISTEN),
    ({"listen": "127.0.0.1:"}, "listen", LISTEN),
    ({"listen": "127.0.0.1:-1"}, "listen", LISTEN),
    ({"listen": "127.0.0.1:65536"}, "listen", LISTEN),
    ({"listen": "127.0.0.1:8080 "}, "listen", LISTEN),
    ({"listen": "127.1:80"}, "listen", LISTEN),
    ({"listen": "127.0.0.256:80"}, "listen", LISTEN),
    ({"listen": "::1:8080"}, "listen", LISTEN),
    ({"listen": "[::g]:8080"}, "listen", LISTEN),
    ({"listen": "[127.0.0.1]:8080"}, "listen", LISTEN),
    ({"listen": "gateway:8080"}, "listen", LISTEN),
    ({"listen": "[localhost]:8080"}, "listen", LISTEN),
    ({"listen": "127.0.0.1:\u0668\u0660"}, "listen", LISTEN),
    ({"listen": "unix:"}, "listen", ROUND),
    ({"listen": "unix:run/x"}, "listen", ROUND),
    ({"listen": "unix:/" + "x" * 107}, "listen", "107 bytes"),
    ({"listen": ["127.0.0.1:1", 2]}, "listen[1]", LISTEN),
    ({"listen": ["127.0.0.1:1", "127.0.0.1:1"]}, "listen[1]", "listen[0] too"),
    ({"interfaces": "eth0"}, "interfaces", "must be a list"),
    ({"interfaces": {"name": "eth0"}}, "interfaces", "must be a list"),
    ({"interfaces": [7]}, "interfaces[0]", "name of an interface"),
    ({"interfaces": [["eth0"]]}, "interfaces[0]", "name of an interface"),
    ({"interfaces": [""]}, "interfaces[0]", NAME),
    ({"interfaces": ["."]}, "interfaces[0]", NAME),
    ({"interfaces": ["eth0", ".."]}, "interfaces[1]", NAME),
    ({"interfaces": ["a/b"]}, "interfaces[0]", NAME),
    ({"interfaces": ["a b"]}, "interfaces[0]", NAME),
    ({"interfaces": ["eth0:1"]}, "interfaces[0]", NAME),
    ({"interfaces": ["a\tb"]}, "interfaces[0]", NAME),
    ({"interfaces": ["a\u00a0b"]}, "interfaces[0]", NAME),
    ({"interfaces": ["\ud800"]}, "interfaces[0]", NAME),
    ({"interfaces": ["x" * 16]}, "interfaces[0]", NAME),
    ({"interfaces": ["\u00e9" * 8]}, "interfaces[0]", NAME),
    ({"interfaces": ["eth0", "eth1", "eth0"]}, "interfaces[2]", "interfaces[0] too"),
    ({"interfaces": ["eth0", {"name": "eth0"}]}, "interfaces[1]", "interfaces[0] too"),
    ({"interfaces": [{}]}, "interfaces[0].name", NAME),
    ({"interfaces": [{"name": 1}]}, "interfaces[0].name", NAME),
    ({"interfaces": [{"name": "a", "vlan": 1}]}, "interfaces[0].vlan", "nearest known is vlans"),
    ({"interfaces": [{"name": "a", "neighbor": "x"}]}, "interfaces[0].neighbor", "nearest known is neighbour"),
    ({"interfaces": [{"name": "a", "neighbour": 1}]}, "interfaces[0].neighbour", "a text"),
    ({"interfaces": [{"name": "a", "neighbour": "x\ny"}]}, "interfaces[0].neighbour", "one line"),
    ({"interfaces": ["b", {"name": "a", "vlans": 10}]}, "interfaces[1].vlans", "must be a list"),
    ({"interfaces": ["b", {"name": "a", "vlans": "10-20"}]}, "interfaces[1].vlans", "must be a list"),
    ({"interfaces": ["b", {"name": "a", "vlans": None}]}, "interfaces[1].vlans", "must be a list"),
    ({"interfaces": [{"name": "a", "vlans": [1, 0]}]}, "interfaces[0].vlans[1]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": [4095]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": [-1]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": [True]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": [1.0]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": ["20-10"]}]}, "interfaces[0].vlans[0]", '"100-199"'),
    ({"interfaces": [{"name": "a", "vlans": ["0-10"]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": ["10-4095"]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": ["10-"]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": ["10 - 20"]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": ["all"]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "vlans": [[1, 2]]}]}, "interfaces[0].vlans[0]", "1 to 4094"),
    ({"interfaces": [{"name": "a", "owners": "admin"}]}, "interfaces[0].owners", "must be a list"),
    ({"state": "etc"}, "state", ROUND),
    ({"state": ""}, "state", ROUND),
    ({"state": None}, "state", ROUND),
    ({"state": "/a\0b"}, "state", ROUND),
    ({"runtime": "./run"}, "runtime", ROUND),
    ({"runtime": ["/run"]}, "runtime", ROUND),
    ({"repository": "nsf"}, "repository", "absolute path"),
    ({"repository": "ftp://host/x"}, "repository", "absolute path"),
    ({"repository": "http://"}, "repository", "must be a path, or like http://repository.example:8080/path"),
    ({"repository": "http:///x"}, "repository", "or like http"),
    ({"repository": "http://a b"}, "repository", "or like http"),
    ({"repository": "http://a:65536"}, "repository", "or like http"),
    ({"repository": "http://a/../b"}, "repository", "or like http"),
    ({"repository": "http://a/?x=1"}, "repository", "or like http"),
    ({"repository": "http://a/x'y"}, "repository", "or like http"),
    ({"repository": "http://me:secret@a/"}, "repository", "no user and password"),
    ({"cache": "/mnt"}, "cache", "must be an object"),
    ({"cache": {"folder": "mnt"}}, "cache.folder", ROUND),
    ({"cache": {"size": 0}}, "cache.size", "1 or more"),
    ({"cache": {"size": "032"}}, "cache.size", "MiB"),
    ({"cache": {"sise": 32}}, "cache.sise", "nearest known is size"),
    ({"repository": {}}, "repository", "absolute path"),
    ({"vswitch": ""}, "vswitch", "driver"),
    ({"vswitch": "../evil"}, "vswitch", "driver"),
    ({"vswitch": "os.path"}, "vswitch", "driver"),
    ({"vswitch": {"name": "ovs"}}, "vswitch", "driver"),
    ({"ovs": "netdev"}, "ovs", "must be an object"),
    ({"ovs": []}, "ovs", "must be an object"),
    ({"ovs": {"datapth": "auto"}}, "ovs.datapth", "nearest known is datapath"),
    ({"ovs": {"datapath": "kernel"}}, "ovs.datapath", "auto or system or netdev"),
    ({"ovs": {"datapath": ["auto"]}}, "ovs.datapath", "auto or system or netdev"),
    ({"ovs": {"rundir": "run"}}, "ovs.rundir", ROUND),
    ({"ovs": {"rundir": None}}, "ovs.rundir", ROUND),
    ({"graphs": "/a.json"}, "graphs", "must be a list"),
    ({"graphs": ["/a.json", "b.json"]}, "graphs[1]", ROUND),
    ({"graphs": ["/a.json", "/b", "/./a.json"]}, "graphs[2]", "graphs[0] too"),
    ({"log": "file"}, "log", "stderr or syslog"),
    ({"log": True}, "log", "stderr or syslog"),
    ({"mqtt": "broker"}, "mqtt", "must be an object, not 'broker'"),
    ({"mqtt": {"port": 1883}}, "mqtt.host", "is missing: the host of the broker"),
    ({"mqtt": {"host": "a b"}}, "mqtt.host", "must be the name or the address of a host"),
    ({"mqtt": {"host": "mqtt://b"}}, "mqtt.host", "must be the name or the address of a host"),
    ({"mqtt": {"host": "b", "port": 0}}, "mqtt.port", "must be a TCP port, 1 to 65535, not 0"),
    ({"mqtt": {"host": "b", "keepalive": 1}}, "mqtt.keepalive", "must be a number of seconds, 5 to 3600"),
    ({"mqtt": {"host": "b", "commands": 1}}, "mqtt.commands", "must be true or false, not 1"),
    ({"mqtt": {"host": "b", "password": "p"}}, "mqtt.user", "is missing: a password is one of a user"),
    ({"mqtt": {"host": "b", "tls": {"key": "/k"}}}, "mqtt.tls.certificate", "is missing: a key is that of a certificate"),
    ({"mqtt": {"host": "b", "tls": {"ca": "ca.pem"}}}, "mqtt.tls.ca", "must be an absolute path"),
    ({"mqtt": {"host": "b", "tsl": {}}}, "mqtt.tsl", "the nearest known is tls"),
    ({"description": {"resources": "yess"}}, "description.resources", "must be true or false, not 'yess'"),
    ({"tls": True}, "tls", "not offered by this agent yet"),
    ({"inband": []}, "inband", "must be an object"), ({"inband": {"port": "lan0"}}, "inband.port", "known are address"),
    ({"inband": {"interface": "wan9"}}, "inband.interface", "one of interfaces, those are none"),
    ({"inband": {"interface": 5}}, "inband.interface", "1 to 15 letters"),
    ({"interfaces": ["wan0"], "inband": {"interface": "wan0", "address": "192.0.2.1"}}, "inband.address", "192.168.1.1/24"),
    ({"interfaces": ["wan0"], "inband": {"interface": "wan0", "gateway": "192.0.2.1"}}, "inband.gateway", "goes with"),
    ({"inband": {"address": "192.0.2.1/24"}}, "inband.address", "goes with"),
    ({"resources": {"memory": 0}}, "resources.memory", "a number above 0"), ({"resources": {"cpus": 1}}, "resources.cpus", "cpu"),
    ({"inband": {"confirm": -1}}, "inband.confirm", "0 to 86400"), ({"inband": {"confirm": "60.0"}}, "inband.confirm", "seconds"),
    ({"ovs": {"tunnels": "gretap"}}, "ovs.tunnels", "auto or ovs or device"),
    ([], "configuration", "must be a JSON object"),
    (None, "configuration", "must be a JSON object"),
    ("[]", "configuration", "must be a JSON object"),
    ("", "configuration", "must be JSON"),
    ("{", "configuration", "must be JSON"),
    ('{"node": "a",\n "log" "x"}', "configuration", "must be JSON"),
    (b'{"node": "\xff"}', "configuration", "must be JSON"),
    ("[" * 100000, "configuration", "must be JSON"),
]


@pytest.mark.parametrize("document, where, message", BAD, ids=[str(number) for number in range(len(BAD))])
def test_a_bad_configuration_is_refused_by_place(document, where, message):
    with pytest.raises(BadRequest) as caught:
        config.parse(document, {})
    assert caught.value.where == where and message in caught.value.message, str(caught.value)
    assert caught.value.status == 400 and len(str(caught.value)) < 300 and "\n" not in str(caught.value)


def test_numbers_and_truths_may_be_text_as_uci_has_them():
    ours = config.parse({"mqtt": {"host": "b", "port": "8884", "keepalive": "10", "commands": "1", "password": "0", "user": "1"},
                         "resources": {"memory": "64", "cpu": "0.5"}, "cache": {"size": "16"}, "description": {"resources": "off"}})
    assert ours.mqtt == config.Mqtt("b", 8884, "1", "0", 10, True, None)
    assert (ours.resources, ours.cache.size, ours.description) == (config.Resources(64, 0.5), 16, config.Description(True, False))


def test_a_bad_environment_and_a_bad_host_name_are_named():
    with pytest.raises(BadRequest, match="OVS_RUNDIR: must be an absolute path"):
        config.parse({}, {"OVS_RUNDIR": "run"})
    with pytest.raises(BadRequest, match=r"node: must be .*\(none\)"):
        config.parse({}, {}, "(none)")


def test_a_file_is_loaded_with_the_host_name(tmp_path):
    path = tmp_path / "config.json"
    path.write_text('{"interfaces": ["eth0"]}')
    ours = config.load(str(path), {"OVS_RUNDIR": "/tmp/ovs"})
    assert (ours.node, ours.ovs.rundir) == (os.uname().nodename, "/tmp/ovs")
    assert ours.interfaces[0].name == "eth0"


@pytest.mark.parametrize("text, message", [
    (None, "cannot be read: No such file"), ("[1]", "JSON object"), (" " * (1 << 20) + "{}", "is too big"),
    ('{"node": "a",\n "log" "x"}', "must be JSON")])
def test_a_bad_file_is_named(tmp_path, text, message):
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(BadRequest) as caught:
        config.load(str(path))
    assert caught.value.where == str(path) and message in caught.value.message


def test_json_that_is_wrong_says_where():
    if config.json.dumps.__module__ != "json":
        pytest.skip("ujson does not say")
    with pytest.raises(BadRequest, match=re.escape("line 2 column 8")):
        config.parse('{"node": "a",\n "log" "x"}')


def test_a_folder_is_no_configuration(tmp_path):
    with pytest.raises(BadRequest, match="Is a directory"):
        config.load(str(tmp_path))


def test_config_imports_little():
    script = ("import collections, os, re, sys\nfrom composer.core import json\nbefore = set(sys.modules)\n"
              "from composer import config\nconfig.parse({'listen': 'unix:/x'})\n"
              "print(*sorted(set(sys.modules) - before))")
    agent = os.path.dirname(os.path.dirname(config.__file__))
    done = subprocess.run([sys.executable, "-c", script], env=dict(os.environ, PYTHONPATH=agent),
                          stdout=subprocess.PIPE, check=True, text=True)
    assert done.stdout.split() == sorted(["composer.config", "composer.auth", "composer.checks", "composer.log", "composer.passwords"] + [
        "composer.core." + name for name in ("errors", "saps", "values")])
