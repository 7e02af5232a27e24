"""Wishes for ip(8): only what is not so already, and what two jobs wish at one time does not meet."""
import os

import pytest

from composer import netns


@pytest.fixture(autouse=True)
def node(tmp_path, monkeypatch):
    """Folders in place of those that say which namespaces and links there are."""
    for name in ("FOLDER", "LINKS"):
        os.mkdir(tmp_path / name)
        monkeypatch.setattr(netns, name, "%s/%s/" % (tmp_path, name))

    def make(namespaces=(), links=()):
        for name in namespaces:
            os.mkdir(netns.FOLDER + name)
        for name in links:
            os.mkdir(netns.LINKS + name)
    return make


def veth(name, space):
    return ("link", "add", name, "up", "type", "veth", "peer", "name", "eth0", "netns", space)


def test_what_is_so_already_is_not_done_again(node):
    node(["a"], ["l1"])
    wishes = [("netns", "add", "a"), veth("l1", "a"), ("netns", "del", "b"), ("link", "del", "l2")]
    assert netns.batch(wishes) == []
    assert netns.batch([("netns", "add", "b"), veth("l2", "b"), ("netns", "del", "a"), ("link", "del", "l1")]) == [
        "link del l1", "netns add b", "link add l2 up type veth peer name eth0 netns b", "netns del a"]


def test_a_link_whose_other_end_went_with_its_namespace_is_made_anew(node):
    node([], ["l1"])
    assert netns.batch([("netns", "add", "a"), veth("l1", "a")]) == [
        "netns add a", "link del l1", "link add l1 up type veth peer name eth0 netns a"]


def test_links_go_together_but_never_with_those_of_another_job(node):
    node([], ["l1", "l2", "l3", "l4"])
    one, other = [netns.batch([("link", "del", name) for name in names]) for names in (("l1", "l2"), ("l3", "l4"))]
    group = one[-1].split()[-1]
    assert one == ["link set l1 group " + group, "link set l2 group " + group, "link del group " + group]
    assert other[-1].split()[-1] != group


def test_a_group_of_somebody_else_is_not_taken(node):
    node([], ["l1", "l2", "guest"])
    group = int(netns.batch([("link", "del", "l1"), ("link", "del", "l2")])[-1].split()[-1])
    with open(netns.LINKS + "guest/netdev_group", "w") as file:
        file.write("%d\n" % (group + 1))
    assert netns.batch([("link", "del", "l1"), ("link", "del", "l2")])[-1] == "link del group %d" % (group + 2)


def test_a_wish_that_nobody_knows_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="link paint l1"):
        netns.batch([("link", "paint", "l1")])
