"""Recursion: a function whose template is a graph becomes the functions of that graph, to any depth."""
from composer.core import placing, plan, recursion, resolver, scheduler, sffg, steering
from composer.core.errors import Conflict
from expect import raises
from fake_node import Drivers, FakeNode
from test_resolver import BRIDGE, NFT, Node, template


def sap(name):
    return {"id": name, "type": "interface", "interface": {"if-name": name}}


def rules(*ways):
    """Return rules both ways between pairs of ports."""
    return [{"id": "%d%s" % (index, way), "priority": 1, "match": {"port_in": pair[way]}, "actions": {"output_to_port": pair[1 - way]}}
            for index, pair in enumerate(ways) for way in (0, 1)]


def chain(name, more=(), **sf):
    """Return a graph of one function between two SAPs, a and b."""
    return {"sffg": {"SFs": [dict({"id": "x", "name": name, "ports": [{"id": "p"}, {"id": "q"}]}, **sf)] + list(more),
                     "saps": [sap("a"), sap("b")],
                     "flowrules": rules(("service-access-point:a", "sf:x:p"), ("sf:x:q", "service-access-point:b"))}}


def graph_of(name, capability="firewall", **more):
    return template(name, "graph", functional_capability=capability, **more)


def resolved(body, known, bodies, node=None, placed=None):
    node = node or Node()
    node.bodies = bodies
    return resolver.resolve(sffg.parse(body, "g"), node.offer(known), placed or {"sfs": {}, "parts": {}})


DEEP = [graph_of("t%d" % level, "level-%d" % level) for level in range(1, 40)]


def deep(levels):
    """Return {template: body}: level 1 is made of level 2 and so on; the last of a firewall."""
    return dict([("t%d" % level, chain("level-%d" % (level + 1) if level < levels else "firewall")) for level in range(1, levels + 1)])


def test_a_function_that_is_a_graph_is_what_is_in_it_to_any_depth():
    for levels in (1, 2, 5, recursion.DEEPEST):
        found = resolved(chain("level-1"), DEEP + [NFT], deep(levels))
        leaf = "/".join(["x"] * (levels + 1))
        assert [(name, found.images[name]["template"]) for name in found.images] == [(leaf, "fw-nft")]
        assert sorted(found.parts) == sorted(["/".join(["x"] * (level + 1)) for level in range(levels)])
        graph = recursion.expand(sffg.parse(chain("level-1"), "g"), found.parts)
        assert [sf.id for sf in graph.sfs] == [leaf] and len(graph.rules) == 4 * (levels + 1)
        assert recursion.expand(graph, found.parts) == graph
    refusal = raises(Conflict, lambda: resolved(chain("level-1"), DEEP + [NFT], deep(recursion.DEEPEST + 1)))
    assert "deeper than 24 graphs within graphs: t1 -> t2" in refusal.message


def test_ports_of_such_a_function_are_joints_between_the_rules_outside_and_inside():
    graph = recursion.expand(sffg.parse(chain("level-1"), "g"), resolved(chain("level-1"), DEEP + [NFT], deep(1)).parts)
    assert [(rule.id, rule.port_in, steering.outputs(rule)) for rule in graph.rules] == [
        ("x/00", "down:x:p", ["sf:x/x:p"]), ("x/01", "sf:x/x:p", ["down:x:p"]),
        ("x/10", "sf:x/x:q", ["down:x:q"]), ("x/11", "down:x:q", ["sf:x/x:q"]),
        ("00", "sap:a", ["up:x:p"]), ("01", "up:x:p", ["sap:a"]), ("10", "up:x:q", ["sap:b"]), ("11", "sap:b", ["up:x:q"])]


def test_variables_of_a_function_are_those_of_all_in_it():
    body = chain("level-1", variables={"A": "outer", "B": "1"})
    found = resolved(body, DEEP + [NFT], {"t1": chain("firewall", variables={"A": "inner", "C": "2"})})
    graph = recursion.expand(sffg.parse(body, "g"), found.parts)
    assert graph.sfs[0].variables == {"A": "outer", "B": "1", "C": "2"}


def test_a_way_through_more_joints_than_the_switch_follows_is_refused():
    wire = {"sffg": {"saps": [sap("a"), sap("b")], "flowrules": rules(("service-access-point:a", "service-access-point:b"))}}

    def row(length, ends):
        sfs = [{"id": "x%d" % index, "name": "wire", "ports": [{"id": "p"}, {"id": "q"}]} for index in range(length)]
        ways = [("sf:x%d:q" % index, "sf:x%d:p" % (index + 1)) for index in range(length - 1)]
        return {"sffg": {"SFs": sfs, "saps": [sap("a"), sap("b")], "flowrules": rules(*(ways + ends(length - 1)))}}

    def through(last):
        return [("service-access-point:a", "sf:x0:p"), ("sf:x%d:q" % last, "service-access-point:b")]

    def expanded(body):
        return recursion.expand(sffg.parse(body, "g"), resolved(body, [graph_of("t", "wire")], {"t": wire}).parts)

    assert len(expanded(row(30, through)).rules) == 122
    assert "go through 62 ports in a row" in raises(Conflict, lambda: expanded(row(31, through))).message
    expanded(row(40, lambda last: [("sf:x%d:q" % last, "sf:x0:p")]))  # a circle


def test_a_graph_that_is_made_of_itself_is_refused_with_the_chain_of_names():
    circle = {"a": chain("two"), "b": chain("three"), "c": chain("one")}
    known = [graph_of("a", "one"), graph_of("b", "two"), graph_of("c", "three")]
    assert "is made of itself: a -> b -> c -> a" in raises(Conflict, lambda: resolved(chain("one"), known, circle)).message
    known.append(dict(NFT, **{"functional-capability": "three"}))  # and is taken where there is another way
    assert sorted(resolved(chain("one"), known, circle).images) == ["x/x/x"]


def test_a_graph_may_not_grow_larger_than_one_that_is_written_down():
    many = {"sffg": {"saps": [sap("a"), sap("b")], "flowrules": [
        {"id": "%d" % number, "priority": number, "match": {"port_in": "service-access-point:a"},
         "actions": {"output_to_port": "service-access-point:b"}} for number in range(4096)]}}
    for count, good in ((2, True), (3, False)):
        body = {"sffg": {"SFs": [{"id": "x%d" % number, "name": "level-1", "ports": [{"id": "p"}, {"id": "q"}]} for number in range(count)]}}
        found = resolved(body, DEEP, {"t1": many})
        if good:
            assert len(recursion.expand(sffg.parse(body, "g"), found.parts).rules) == 8192
        else:
            refusal = raises(Conflict, lambda: recursion.expand(sffg.parse(body, "g"), found.parts))
            assert (refusal.where, refusal.message) == ("flowrules", "with all that they are made of there are more than 8192")


def test_what_is_within_a_function_is_told_at_any_depth():
    found = recursion.within([{"id": name} for name in ("a", "b/x", "b/y/x", "b/y/z", "bb/x")])
    assert dict([(name, [one["id"] for one in found[name]]) for name in found]) == {
        "b": ["b/x", "b/y/x", "b/y/z"], "b/y": ["b/y/x", "b/y/z"], "bb": ["bb/x"]}


def test_whether_a_template_can_run_does_not_take_all_ways_to_make_it():
    known = [graph_of("t%d-%d" % (level, way), "level-%d" % level) for level in range(1, 10) for way in range(4)] + [NFT]
    node, asked = Node(), []
    node.bodies = dict([(one["name"], chain("level-%d" % (int(one["name"][1]) + 1) if one["name"][1] < "9" else "firewall"))
                        for one in known[:-1]])
    plain = node.offer(known)
    offer = resolver.Offer(*plain[:-1], graph=lambda template: asked.append(template) or plain.graph(template))
    assert [resolver.why_not(one, offer) for one in known] == [""] * 37 and len(asked) < 300
    assert "gone is missing" in resolver.why_not(known[-2], node.offer(known[:-1] + [dict(NFT, dependencies=["gone"])]))


# the graph that is a template, what else the template says, words of the refusal
WRONG = (
    ({"sffg": {"saps": [{"id": "a", "type": "vlan", "vlan": {"if-name": "a", "vlan-id": 5}}, sap("b")]}}, {}, "saps[0].type: vlan: should be interface"),
    ({"sffg": {"saps": [sap("a")]}}, {}, "ports: its graph has 1 SAPs"),
    ({"sffg": {"saps": [sap("a"), sap("b")], "SFs": [{"id": "?"}]}}, {}, "its graph is wrong: SFs[0].name: is missing"),
    ("uri-image: no such file", {}, "its graph is wrong: uri-image: no such file"),
    ({"forwarding-graph": {"end-points": [sap("a"), sap("b")], "VNFs": [
        {"id": "x", "name": "firewall", "unify-control": [{"host-tcp-port": 80, "vnf-tcp-port": 80}]}]}}, {}, "unify-control: is not for a graph"),
    (chain("nobody"), {}, "is a graph: SFs[0]: function nobody cannot run here: no template has it"),
    (chain("firewall"), {"ports": [{"position": "1-N"}]}, "its graph has 2 SAPs"),
    (chain("firewall"), {"ports": [{"position": "3-4", "min": 2}]}, "its graph has 2 SAPs"))


def test_a_graph_that_is_no_good_template_is_refused_and_says_why():
    for body, more, words in WRONG:
        refusal = raises(Conflict, lambda: resolved(chain("one"), [dict(graph_of("t", "one"), **more), NFT], {"t": body}))
        assert words in refusal.message, refusal.message
    for port in ({"mac": "02:00:00:00:00:01"}, {"ip": "10.0.0.1/8"}):
        asked = chain("level-1", ports=[dict({"id": "p"}, **port), {"id": "q"}])
        assert "has no mac and no ip" in raises(Conflict, lambda: resolved(asked, DEEP + [NFT], deep(1))).message


def test_its_ports_are_the_saps_of_the_graph_in_order_where_the_template_says_none():
    bare = {"name": "t", "functional-capability": "one", "vnf-type": "graph", "path": "", "digest": "d"}
    for ports, saps in ((("p", "q"), {"p": "a", "q": "b"}), (("b:0", "a:0"), {"b:0": "b", "a:0": "a"})):
        asked = {"sffg": {"SFs": [{"id": "x", "name": "one", "ports": [{"id": port} for port in ports]}]}}
        assert resolved(asked, [bare, NFT], {"t": chain("firewall")}).parts["x"]["ports"] == saps
    asked = {"sffg": {"SFs": [{"id": "x", "name": "one", "ports": [{"id": "p"}]}]}}
    assert "has 2 ports, wanted are 1" in raises(Conflict, lambda: resolved(asked, [bare, NFT], {"t": chain("firewall")})).message


def test_it_counts_with_what_is_in_it_and_is_as_good_as_the_worst_in_it():
    two = chain("firewall", more=[{"id": "y", "name": "firewall", "ports": [{"id": "1"}, {"id": "2"}]}])
    known, bodies = [graph_of("t", "one"), template("whole", functional_capability="one", memory_size=7), NFT], {"t": two}
    assert sorted(resolved(chain("one"), known, bodies).images) == ["x"]  # 7 MiB, not 8
    known[1] = dict(known[1], **{"memory-size": 9})
    assert sorted(resolved(chain("one"), known, bodies).images) == ["x/x", "x/y"]
    known[2] = dict(NFT, **{"vnf-type": "docker"})
    choice = resolved(chain("one"), known, bodies, Node(("native", "docker"))).choices["x"]
    assert [one["why"] for one in choice] == ["native before docker", "whole is better: native before docker"]
    refusal = raises(Conflict, lambda: resolved(chain("one"), [known[0], NFT], bodies, Node(memory=(7, 9))))
    assert "function firewall cannot run here: template fw-nft: needs 4 MiB of memory, of 9 3 are left" in refusal.message
    asked = chain("one", constraints={"vnf-type": "docker"})
    assert "is made of native, wanted is docker" in raises(Conflict, lambda: resolved(asked, [known[0], NFT], bodies)).message


def placed(body, known, bodies, old):
    found = resolved(body, known, bodies, placed=old)
    return placing.place(old, sffg.parse(body, "g"), found.images, 1, "/run/composer", parts=found.parts, choices=found.choices)


def test_an_update_keeps_what_stays_of_the_tree():
    old = placed(chain("level-1"), DEEP + [NFT], deep(3), placing.empty("g"))
    assert placing.same(old, placed(chain("level-1"), DEEP + [NFT], deep(3), old))
    other = dict(deep(3), t3=chain("firewall", more=[{"id": "y", "name": "bridge", "ports": [{"id": "1"}, {"id": "2"}]}]))
    known = DEEP[:2] + [dict(DEEP[2], digest="new"), NFT, BRIDGE]
    new = placed(chain("level-1"), known, other, old)
    assert not placing.same(old, new) and placing.gone_sfs(old, new) == [] and new["joints"] == old["joints"]
    assert [sf["id"] for sf in placing.gone_sfs(new, old)] == ["x/x/x/y"]
    assert placing.gone_parts(new, placing.empty("g"), "netdev") and len(set(new["joints"].values())) == len(new["joints"]) == 6


def test_packets_go_through_as_through_one_box():
    node = FakeNode(("a", "b"))
    old = placing.empty("g")
    new = placed(chain("level-1"), DEEP + [NFT], deep(5), old)
    node.carry_out(plan.update(old, new, Drivers))
    leaf = "/".join(["x"] * 6)
    lsi, ports = "lsi1", dict([(port["id"], placing.port_name(new, new["sfs"][leaf], port)) for port in new["sfs"][leaf]["ports"]])
    packet = {"eth_type": 0x800, "ip_proto": 17, "tags": ()}
    for start, end in ((("lsi0", "a"), (lsi, ports["p"])), ((lsi, ports["q"]), ("lsi0", "b")), (("lsi0", "b"), (lsi, ports["q"]))):
        assert [where for where, _ in node.switch.walk(start[0], start[1], packet)] == [end], (start, end)


def test_neighbours_are_neighbours_through_joints():
    body = chain("level-1", more=[{"id": "y", "name": "firewall", "ports": [{"id": "p"}, {"id": "q"}]}])
    body["sffg"]["flowrules"] = rules(("service-access-point:a", "sf:y:p"), ("sf:y:q", "sf:x:p"), ("sf:x:q", "service-access-point:b"))
    graph = recursion.expand(sffg.parse(body, "g"), resolved(body, DEEP + [NFT], deep(3)).parts)
    assert scheduler.order(graph) == [["y", "x/x/x/x"]]


def test_what_is_in_a_function_is_told_by_its_id():
    assert recursion.of("x", ["x/y", "xy", "x", "x/a"]) == ["x", "x/a", "x/y"]
