"""The resolver: which template a function is made from, and why; what may not be picked, whatever comes."""
from composer.core import recursion, resolver, sffg, templates
from composer.core.errors import BadGraph, Conflict
from expect import raises
from packets import Dice

TWO = [{"position": "1-1", "label": "inside"}, {"position": "2-2", "label": "outside"}]


def template(name, kind="native", ports=TWO, digest="", **more):
    return dict({"name": name, "functional-capability": "firewall", "vnf-type": kind, "path": "/nsf/%s.tgz" % name,
                 "digest": digest or "d-" + name, "ports": ports}, **dict([(key.replace("_", "-"), more[key]) for key in more]))


NFT = template("fw-nft", memory_size=4, dependencies=["nft"], attributes={"ipv6": True, "throughput": 1000})
SMALL = dict(NFT, name="fw-small", digest="d-fw-small", **{"memory-size": 2})
DOCKER = dict(NFT, name="fw-docker", digest="d-fw-docker", **{"vnf-type": "docker", "memory-size": 1})
KVM = dict(NFT, name="fw-kvm", digest="d-fw-kvm", dependencies=[], **{"vnf-type": "virtual-machine-kvm", "memory-size": 512,
                                                                    "CPUrequirements": {"socket": [{"coreNumbers": 2}]}})
THREE = template("fw-dmz", ports=TWO + [{"position": "3-3", "label": "dmz"}], memory_size=4, dependencies=["nft"])
ANY = template("fw-any", ports=[{"position": "1-N", "min": 2}], memory_size=9)
BRIDGE = template("bridge", ports=[{"position": "1-N", "min": 2}], functional_capability="bridge")
CHIP = template("fw-chip", memory_size=8, accelerators=["crypto"])
OLD, NEW = template("fw-1", version="1.9"), template("fw-2", version="1.10")
EVERY = ("native", "docker", "virtual-machine-kvm")


class Node:
    """What a node has; its offer is what the resolver asks."""

    def __init__(self, types=("native",), programs=("nft",), memory=(1000, 1000), cpu=(4, 4), chips=(), bodies=None):
        self.types, self.programs, self.memory, self.cpu, self.chips = types, programs, memory, cpu, chips
        self.bodies = bodies or {}

    def offer(self, known):
        def graph(template):
            found = self.bodies[template["name"]]
            if isinstance(found, str):
                raise ValueError(found)
            return recursion.read(found)

        def find(sf):
            if isinstance(sf.template, dict) and "name" not in sf.template:
                raise ValueError("name: should be a string of one line")
            return [sf.template] if isinstance(sf.template, dict) else templates.of_function(sf, known)

        return resolver.Offer(dict([(kind, None) for kind in self.types]), lambda name: name in self.programs,
                              lambda kind: kind in self.chips, self.memory, self.cpu, find,
                              lambda: templates.functions(known), graph)


def body(*sfs):
    """Return a graph of functions: of each its name, or (name, number of ports, what else it says)."""
    found = []
    for index, sf in enumerate(sfs):
        name, ports, more = (sf, 2, {}) if isinstance(sf, str) else (sf + (2, {}))[:3] if len(sf) == 1 else (sf + ({},))[:3]
        found.append(dict({"id": "f%d" % index, "name": name, "ports": [{"id": "p%d" % port} for port in range(ports)]}, **more))
    return {"sffg": {"SFs": found}}


def resolved(known, node, *sfs, placed=None):
    return resolver.resolve(sffg.parse(body(*sfs), "g"), node.offer(known), placed or {"sfs": {}, "parts": {}})


def taken(known, node, *sfs, placed=None):
    """Return the names of the templates that functions are made from, in order of their ids."""
    images = resolved(known, node, *sfs, placed=placed).images
    return [images[name]["template"] for name in sorted(images)]


def wanting(**constraints):
    return "firewall", 2, {"constraints": dict([(key.replace("_", "-"), constraints[key]) for key in constraints])}


def running(*names, memory=0):
    """Return a placed graph of before: function f<k> is made from the k-th of these templates."""
    return {"parts": {}, "sfs": dict([("f%d" % index, {
        "name": "firewall", "template": name, "digest": "d-" + name, "needs": {"memory": memory, "cpu": 0},
        "ports": []}) for index, name in enumerate(names)])}


# what it shows: templates, node, functions asked for, what they are made from
SITUATIONS = (
    ("there is one", [BRIDGE, NFT], Node(), ("firewall",), ["fw-nft"]),
    ("least memory", [NFT, SMALL], Node(), ("firewall",), ["fw-small"]),
    ("in whatever order they are", [SMALL, NFT], Node(), ("firewall",), ["fw-small"]),
    ("native before container, whatever the memory", [DOCKER, NFT], Node(EVERY), ("firewall",), ["fw-nft"]),
    ("container before VM", [KVM, DOCKER], Node(EVERY), ("firewall",), ["fw-docker"]),
    ("native before VM", [KVM, NFT], Node(EVERY), ("firewall",), ["fw-nft"]),
    ("no native without its program: the container", [DOCKER, dict(NFT, dependencies=["gone"])], Node(EVERY), ("firewall",), ["fw-docker"]),
    ("no native, no container: the VM", [KVM, DOCKER, NFT], Node(EVERY, programs=()), ("firewall",), ["fw-kvm"]),
    ("no such environment here", [KVM, DOCKER, NFT], Node(("docker",)), ("firewall",), ["fw-docker"]),
    ("the graph wants a VM", [KVM, DOCKER, NFT], Node(EVERY), (wanting(vnf_type="virtual-machine-kvm"),), ["fw-kvm"]),
    ("the graph would rather have a VM", [KVM, DOCKER, NFT], Node(EVERY), (wanting(vnf_type=["virtual-machine-kvm", "native"]),), ["fw-kvm"]),
    ("and takes what there is", [DOCKER, NFT], Node(EVERY), (wanting(vnf_type=["virtual-machine-kvm", "native"]),), ["fw-nft"]),
    ("an environment of a driver package comes last", [dict(NFT, name="x", **{"vnf-type": "lxc"}), KVM], Node(EVERY + ("lxc",)), ("firewall",), ["fw-kvm"]),
    ("and is taken where nothing else is", [dict(NFT, name="x", **{"vnf-type": "lxc"}), KVM], Node(("lxc",)), ("firewall",), ["x"]),
    ("newest version, as numbers", [OLD, NEW], Node(), ("firewall",), ["fw-2"]),
    ("least memory before newest version", [dict(OLD, **{"memory-size": 1}), dict(NEW, **{"memory-size": 2})], Node(), ("firewall",), ["fw-1"]),
    ("the name, if nothing else tells", [dict(NFT, name="b"), dict(NFT, name="a")], Node(), ("firewall",), ["a"]),
    ("three ports", [NFT, THREE], Node(), (("firewall", 3),), ["fw-dmz"]),
    ("two ports", [NFT, THREE], Node(), (("firewall", 2),), ["fw-nft"]),
    ("three ports, among any number", [NFT, THREE, ANY], Node(), (("firewall", 3),), ["fw-dmz"]),
    ("four ports", [NFT, THREE, ANY], Node(), (("firewall", 4),), ["fw-any"]),
    ("an attribute", [template("fw-4", attributes={"ipv6": False}), NFT], Node(), (wanting(ipv6=True),), ["fw-nft"]),
    ("a number and more", [template("slow", attributes={"throughput": 10}), NFT], Node(), (wanting(throughput=100),), ["fw-nft"]),
    ("a number exactly", [NFT], Node(), (wanting(throughput=1000),), ["fw-nft"]),
    ("several attributes", [template("a", attributes={"ipv6": True}), NFT], Node(), (wanting(ipv6=True, throughput=1),), ["fw-nft"]),
    ("either program", [template("x", dependencies=["nft"])], Node(programs=("nft", "ip")), ("firewall",), ["x"]),
    ("what uses an accelerator", [NFT, CHIP], Node(chips=("crypto",)), ("firewall",), ["fw-chip"]),
    ("not what has no accelerator", [NFT, CHIP], Node(), ("firewall",), ["fw-nft"]),
    ("its name", [SMALL, NFT], Node(), (("firewall", 2, {"template": "fw-nft"}),), ["fw-nft"]),
    ("its file", [SMALL, NFT], Node(), (("firewall", 2, {"template": "fw-nft.json"}),), ["fw-nft"]),
    ("its name, for another function", [SMALL, NFT], Node(), (("anything", 2, {"template": "fw-nft"}),), ["fw-nft"]),
    ("its own template", [NFT], Node(), (("firewall", 2, {"template": template("mine")}),), ["mine"]),
    ("a template without a capability has that of its name", [{"name": "plain", "vnf-type": "native", "path": "", "digest": "d", "ports": TWO}], Node(), ("plain",), ["plain"]),
    ("memory for the small one only", [dict(NFT, **{"memory-size": 100}), dict(DOCKER, **{"memory-size": 10})], Node(EVERY, memory=(50, 1000)), ("firewall",), ["fw-docker"]),
    ("memory to the last MiB", [dict(NFT, **{"memory-size": 50})], Node(memory=(50, 1000)), ("firewall",), ["fw-nft"]),
    ("no memory left, and none wanted", [template("free")], Node(memory=(0, 1000), cpu=(0, 4)), ("firewall",), ["free"]),
    ("cores for the small one only", [template("a", CPUrequirements={"socket": [{"coreNumbers": 4}]}), template("b", memory_size=9)], Node(cpu=(2, 4)), ("firewall",), ["b"]),
    ("two functions, memory for one big", [dict(NFT, **{"memory-size": 30}), dict(DOCKER, **{"memory-size": 10})], Node(EVERY, memory=(45, 50)), ("firewall", "firewall"), ["fw-nft", "fw-docker"]),
    ("the first gives way to the second", [dict(NFT, **{"memory-size": 30}), dict(DOCKER, **{"memory-size": 10}), dict(BRIDGE, **{"memory-size": 30})], Node(EVERY, memory=(45, 50)), ("firewall", "bridge"), ["fw-docker", "bridge"]),
    ("cores for two of three", [template("a", CPUrequirements={"socket": [{"coreNumbers": 1}]}), template("b", memory_size=9)], Node(cpu=(2, 2)), ("firewall",) * 3, ["a", "a", "b"]),
)


def test_of_the_templates_that_can_run_the_best_is_taken():
    for what, known, node, sfs, names in SITUATIONS:
        assert taken(known, node, *sfs) == names, what


# what runs, what there is: what is taken
STAYS = (
    ("what runs stays", running("fw-docker"), [NFT, DOCKER], Node(EVERY), ["fw-docker"]),
    ("unless it cannot", running("fw-docker"), [NFT, DOCKER], Node(("native",)), ["fw-nft"]),
    ("another image of that name does not run", running("fw-docker"), [NFT, dict(DOCKER, digest="new")], Node(EVERY), ["fw-nft"]),
    ("what it has needs no more memory", running("fw-nft", memory=4), [NFT, DOCKER], Node(EVERY, memory=(0, 4)), ["fw-nft"]),
    ("what is new does, beside it", running("fw-other", memory=4), [NFT, dict(DOCKER, **{"memory-size": 1})], Node(EVERY, memory=(2, 6)), ["fw-docker"]))


def test_what_runs_stays_if_it_can():
    for what, placed, known, node, names in STAYS:
        assert taken(known, node, "firewall", placed=placed) == names, what


# templates, node, the function asked for: words of the refusal
REFUSED = (
    ([BRIDGE], Node(), "firewall", "no template has it, there are bridge"),
    ([], Node(), "firewall", "no template has it, there are none"),
    ([DOCKER], Node(), "firewall", "template fw-docker: needs docker, this node offers native"),
    ([DOCKER], Node(()), "firewall", "this node offers nothing"),
    ([NFT], Node(programs=()), "firewall", "template fw-nft: nft is missing on this node"),
    ([dict(NFT, dependencies=["a", "b"])], Node(), "firewall", "a and b are missing on this node"),
    ([dict(NFT, dependencies=["module:esp4"])], Node(), "firewall", "module:esp4 is missing"),
    ([NFT], Node(), wanting(ipv6=False), "ipv6 is True, wanted is False"),
    ([NFT], Node(), wanting(throughput=1001), "throughput is 1000, wanted is 1001"),
    ([NFT], Node(), wanting(colour="red"), "colour is None, wanted is"),
    ([NFT], Node(), wanting(vnf_type="docker"), "is native, wanted is docker"),
    ([NFT], Node(), wanting(vnf_type=["docker", "dpdk"]), "is native, wanted is docker or dpdk"),
    ([NFT], Node(), wanting(vnf_type={}), "is native, wanted is {}"),
    ([dict(NFT, variables={"FIREWALL_RULES": {}})], Node(), ("firewall", 2, {"variables": {"FIREWALL_RULE": "x"}}),
     "unknown variable 'FIREWALL_RULE', the nearest known is FIREWALL_RULES"),
    ([NFT], Node(), ("firewall", 0), "has 2 ports, wanted are 0"),
    ([NFT], Node(), ("firewall", 3), "has 2 ports, wanted are 3"),
    ([BRIDGE], Node(), ("bridge", 1), "has 2 to any number of ports, wanted are 1"),
    ([CHIP], Node(), "firewall", "this node has no accelerator for crypto"),
    ([NFT], Node(memory=(3, 64)), "firewall", "needs 4 MiB of memory, of 64 3 are left"),
    ([KVM], Node(EVERY, cpu=(1.5, 4)), "firewall", "needs 2 cores, of 4 1.5 are left"),
    ([NFT, DOCKER, BRIDGE], Node(programs=()), "firewall", "template fw-nft: nft is missing on this node; template fw-docker: needs docker"))


def test_a_function_that_cannot_run_is_told_which_condition_failed_for_which_template():
    for known, node, sf, words in REFUSED:
        refusal = raises(Conflict, lambda: resolved(known, node, sf))
        assert refusal.where == "SFs[0]" and words in refusal.message, str(refusal)
        assert [one["template"] for one in refusal.more["templates"]] == [one["name"] for one in known if one["functional-capability"] == (
            sf if isinstance(sf, str) else sf[0])]


def test_why_this_one_and_why_not_the_others_is_told():
    choice = resolved([DOCKER, KVM, NFT, SMALL, dict(NFT, name="no", dependencies=["gone"])], Node(EVERY), "firewall").choices["f0"]
    assert [(one["template"], one["taken"], one["why"]) for one in choice] == [
        ("fw-small", True, "2 MiB of memory, not 4"), ("fw-nft", False, "fw-small is better: 2 MiB of memory, not 4"),
        ("fw-docker", False, "fw-small is better: native before docker"),
        ("fw-kvm", False, "fw-small is better: native before virtual-machine-kvm"),
        ("no", False, "gone is missing on this node")]
    for known, why in (([NFT], "the only one that there is"), ([NFT, DOCKER], "the only one that can run here"),
                       ([OLD, NEW], "version 1.10, not 1.9"), ([NFT, dict(NFT, name="a")], "its name comes first"),
                       ([NFT, CHIP], "uses an accelerator"), ([NFT, NFT], "it came first")):
        assert resolved(known, Node(chips=("crypto",)), "firewall").choices["f0"][0]["why"] == why
    assert resolved([NFT, DOCKER], Node(EVERY), "firewall", placed=running("fw-docker")).choices["f0"][0]["why"] == "runs already"
    known = [dict(NFT, **{"memory-size": 30}), dict(DOCKER, **{"memory-size": 10}), dict(BRIDGE, **{"memory-size": 30})]
    choice = resolved(known, Node(EVERY, memory=(45, 50)), "firewall", "bridge").choices["f0"]
    assert choice[0]["why"] == "only with the least memory the whole graph fits"


def test_parts_of_cores_may_be_had_to_the_last():
    for part, count in ((0.1, 20), (0.2, 10), (0.4, 5)):
        known = [template("light", CPUrequirements={"socket": [{"coreNumbers": part}]})]
        assert len(taken(known, Node(cpu=(2, 2)), *["firewall"] * count)) == count
        refusal = raises(Conflict, lambda: resolved(known, Node(cpu=(2, 2)), *["firewall"] * (count + 1)))
        assert "of 2 0 are left" in refusal.message, refusal.message


def test_a_bad_template_of_a_graph_is_a_bad_graph():
    refusal = raises(BadGraph, lambda: resolved([], Node(), ("firewall", 2, {"template": {}})))
    assert (refusal.where, refusal.message) == ("SFs[0].template", "name: should be a string of one line")


def test_what_is_taken_says_all_that_placing_needs():
    assert resolved([NFT], Node(), "firewall").images["f0"] == {
        "type": "native", "template": "fw-nft", "image": "/nsf/fw-nft.tgz", "digest": "d-fw-nft", "from": NFT,
        "limits": {"memory": 20, "pids": 64, "cpu": 1}, "needs": {"memory": 4, "cpu": 0}, "positions": {"p0": 0, "p1": 1}}


def random_world(dice):
    """Return (templates, node, functions asked for)."""
    known = [template("t%d" % number, dice.of(EVERY), dice.of((TWO, THREE["ports"], ANY["ports"])),
                      memory_size=dice.of((0, 1, 5, 20, 60)), dependencies=dice.shuffled(("a", "b", "c"))[:dice.below(3)],
                      CPUrequirements={"socket": [{"coreNumbers": dice.below(3)}]}, version=str(dice.below(4)))
             for number in range(1 + dice.below(6))]
    node = Node(dice.shuffled(EVERY)[:1 + dice.below(3)], dice.shuffled(("a", "b", "c"))[:1 + dice.below(3)],
                (dice.below(101), 100), (dice.below(5), 4))
    return known, node, [("firewall", 2 + dice.below(2)) for _ in range(1 + dice.below(4))]


def every_way(known, node, sfs, left):
    """Say whether there is any way to make all functions, tried one by one."""
    if not sfs:
        return True
    for one in known:
        needs = templates.needs(one)
        least, most = templates.port_range(one)
        if one["vnf-type"] in node.types and set(one["dependencies"]) <= set(node.programs) and least <= sfs[0][1] \
                and (most is None or sfs[0][1] <= most) and needs["memory"] <= left[0] and needs["cpu"] <= left[1] \
                and every_way(known, node, sfs[1:], (left[0] - needs["memory"], left[1] - needs["cpu"])):
            return True
    return False


def test_a_resolved_graph_never_exceeds_what_the_node_offers_and_has_no_unmet_dependency():
    dice, good, missed = Dice(20261126), 0, 0
    for _ in range(400):
        known, node, sfs = random_world(dice)
        by_name = dict([(one["name"], one) for one in known])
        possible = every_way(known, node, sfs, (node.memory[0], node.cpu[0]))
        try:
            images = resolved(known, node, *sfs).images
        except Conflict:
            missed += possible
            continue
        good += 1
        chosen = [by_name[image["template"]] for image in images.values()]
        assert possible and len(images) == len(sfs)
        for key, offered in (("memory", node.memory), ("cpu", node.cpu)):
            assert sum([templates.needs(one)[key] for one in chosen]) <= offered[0]
        for one, image in zip(chosen, images.values()):
            assert one["vnf-type"] in node.types and set(one["dependencies"]) <= set(node.programs)
            least, most = templates.port_range(one)
            assert least <= len(image["positions"]) and (most is None or len(image["positions"]) <= most)
    assert good > 100 and missed <= 4, (good, missed)  # missed: memory and cores at odds, which only all ways would find
