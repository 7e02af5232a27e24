"""The scheduler: who is bound to which core, by the shape of the graph, what the cores share and who is there already."""
from composer.core import scheduler, sffg
from composer.core.scheduler import OWN, PIECE
from packets import Dice

SEED = 20261126
PAIR, FOUR, TWO_CACHES, APART = [[0, 1]], [[0, 1, 2, 3]], [[0, 1], [2, 3]], [[0], [1]]


def graph(paths, more=""):
    """Return a graph of functions of one letter, a rule from each to the next of a path, and those of `more` that no path joins."""
    letters, rules = sorted(set("".join(paths) + more) - set("><")), []
    for path in paths:
        for one, other in zip(path, path[1:]):
            ends = ["service-access-point:lan" if end == ">" else "service-access-point:wan" if end == "<" else "sf:%s:p" % end
                    for end in (one, other)]
            for port_in, out in (ends, ends[::-1]):
                rules.append({"id": str(len(rules)), "priority": len(rules), "match": {"port_in": port_in},
                              "actions": {"output_to_port": out}})
    return sffg.parse({"sffg": {
        "SFs": [{"id": letter, "name": "wire", "ports": [{"id": "p"}]} for letter in letters], "flowrules": rules,
        "saps": [{"id": name, "type": "interface", "interface": {"if-name": name + "0"}} for name in ("lan", "wan")]}}, "g")


def bind(of, groups, heavy=None, load=None, kept=None):
    needs = dict([(sf.id, (heavy or {}).get(sf.id, 0)) for sf in of.sfs])
    return scheduler.bind(of, needs, groups, load or {}, kept or {})


def shown(found):
    """Return what is bound where as a text: "a0 b0 c1,2 d-"."""
    return " ".join([name + (",".join([str(core) for core in found[name]]) or "-") for name in sorted(found)])


# paths: functions in the order of the way through them, a text for each part that is by itself
ORDERS = (
    ([">abc<"], "", ["abc"]), ([">cab<"], "", ["bac"]), ([">ab<", ">c<"], "", ["c", "ab"]), ([], "ab", ["a", "b"]), ([">a<"], "b", ["a", "b"]),
    ([">ab<", ">acd<"], "", ["bacd"]),  # a branch
    ([">hx", "hy", "hz"], "", ["xhyz"]),  # a star
    (["abca"], "", ["abc"]))  # a ring has no end


def test_functions_are_taken_in_the_order_of_the_way_through_them():
    for paths, more, found in ORDERS:
        assert ["".join(chain) for chain in scheduler.order(graph(paths, more))] == found, paths


# paths, groups of cores, {function: cores of its own}, what others put on the cores: who is bound where
BOUND = (
    # neighbours share a core, whatever else is free
    ([">ab<"], PAIR, {}, {}, "a0 b0"), ([">ab<"], FOUR, {}, {0: 1}, "a1 b1"), ([">abcd<"], TWO_CACHES, {}, {}, "a0 b0 c0 d0"),
    # a long chain is cut into equal pieces, next to each other in one cache before another is taken
    ([">abcde<"], PAIR, {}, {}, "a0 b0 c0 d1 e1"), ([">abcdef<"], TWO_CACHES, {}, {0: 1}, "a1 b1 c1 d0 e0 f0"),
    ([">abcdef<"], TWO_CACHES, {}, {0: 1, 1: 1}, "a2 b2 c2 d3 e3 f3"), ([">abcde<"], TWO_CACHES, {}, {1: 3}, "a0 b0 c0 d2 e2"),
    # as many pieces as cores at most
    ([">abcdefghij<"], PAIR, {}, {}, "a0 b0 c0 d0 e0 f1 g1 h1 i1 j1"), ([">abcdefghij<"], APART, {}, {}, "a0 b0 c0 d0 e0 f1 g1 h1 i1 j1"),
    # parts that have nothing to do with each other go to different cores; a branch stays together
    ([">ab<", ">cd<"], PAIR, {}, {}, "a0 b0 c1 d1"), ([">abc<", ">ade<"], FOUR, {}, {}, "a0 b0 c0 d1 e1"),
    # one that asks for cores has them for itself, in one cache, next to its neighbour
    ([">abcdef<"], TWO_CACHES, {"d": 1}, {}, "a1 b1 c1 d0 e2 f2"),
    ([">abc<"], FOUR, {"b": 1}, {}, "a1 b0 c1"), ([">ab<"], TWO_CACHES, {"a": 2}, {}, "a0,1 b2"), ([">ab<"], TWO_CACHES, {"a": 2}, {0: 1}, "a2,3 b1"),
    ([">ab<"], TWO_CACHES, {"a": 1, "b": 1}, {}, "a0 b1"), ([">ab<"], TWO_CACHES, {"a": 3}, {}, "a0,1,2 b3"),
    ([">ab<"], [[0, 1, 2], [3, 4]], {"a": 2}, {}, "a3,4 b0"), ([">ab<"], [[0, 1, 2], [3, 4]], {"a": 1, "b": 2}, {}, "a3 b0,1"),
    # but not the last core, which is for all others
    ([">ab<"], PAIR, {"a": 1, "b": 1}, {}, "a0 b-"), ([">ab<"], PAIR, {"a": 2}, {}, "a- b0"), ([">ab<"], PAIR, {"b": 1}, {0: OWN}, "a1 b-"),
    ([">abc<"], FOUR, {"a": 1, "b": 1, "c": 1}, {2: OWN}, "a0 b1 c-"), ([">ab<"], FOUR, {"a": 9}, {}, "a- b0"),
    # nobody is put where one has his own, if it can be helped
    ([">ab<"], FOUR, {}, {0: OWN, 1: OWN, 2: 50, 3: OWN}, "a2 b2"), ([">ab<"], PAIR, {}, {0: OWN, 1: OWN}, "a0 b0"),
    ([">ab<"], [[4, 6]], {}, {}, "a4 b4"), ([], FOUR, {}, {}, ""))  # numbers are what they are


def test_who_is_bound_where():
    for paths, groups, heavy, load, found in BOUND:
        assert shown(bind(graph(paths), groups, heavy, load)) == found, (paths, groups, heavy, load)


def test_with_one_core_there_is_nothing_to_do():
    for groups in ([], [[]], [[0]], [[5], []]):
        assert bind(graph([">ab<"]), groups, {"a": 1}, {0: 3}, {"a": [0]}) == {}


# paths, groups, {function: cores of its own}, load, cores of before: who is bound where
KEPT = (
    ([">abc<"], PAIR, {}, {0: 9}, {"a": [0], "c": [0]}, "a0 b0 c0"), ([">abc<"], PAIR, {}, {}, {"b": [1]}, "a1 b1 c1"),
    ([">abcde<"], PAIR, {}, {}, {"a": [0], "b": [0], "c": [0], "d": [0]}, "a0 b0 c0 d0 e1"),
    ([">ab<"], PAIR, {}, {}, {"a": [1], "b": [0]}, "a1 b0"),
    # anywhere is a place too, and so that of one who asked for more than there was
    ([">ab<"], PAIR, {"b": 1}, {}, {"a": [], "b": []}, "a- b-"), ([">ab<"], PAIR, {}, {}, {"a": []}, "a- b0"),
    # a core that is gone, or a need that is another, is no place
    ([">ab<"], PAIR, {}, {}, {"a": [7]}, "a0 b0"), ([">ab<"], FOUR, {"a": 2}, {}, {"a": [3]}, "a0,1 b2"),
    ([">ab<"], FOUR, {}, {}, {"a": [2, 3]}, "a0 b0"), ([">ab<"], FOUR, {"a": 2}, {}, {"a": [1, 3]}, "a1,3 b0"),
    ([">ab<"], FOUR, {"a": 2}, {}, {"a": [3, 4]}, "a0,1 b2"), ([">b<"], FOUR, {}, {}, {"gone": [0]}, "b0"))


def test_what_has_a_place_stays_there():
    for paths, groups, heavy, load, kept, found in KEPT:
        assert shown(bind(graph(paths), groups, heavy, load, kept)) == found, (paths, heavy, kept)


def test_what_functions_put_on_their_cores_is_counted():
    sfs = [{"cores": [1], "needs": {}}, {"cores": [1], "needs": {"memory": 4, "cpu": 0.5}}, {"cores": [], "needs": {"cpu": 2}},
           {"cores": [2, 3], "needs": {"memory": 0, "cpu": 2}}]
    assert scheduler.loads(sfs) == {1: 2, 2: OWN, 3: OWN}


def test_of_random_graphs_the_same_is_bound_alike_and_a_change_moves_nobody_who_stays():
    dice = Dice(SEED)
    print("seed", SEED)
    for number in range(200):
        groups = [[4 * group + core for core in range(1 + dice.below(4))] for group in range(1 + dice.below(3))]
        cores = [core for group in groups for core in group]
        letters = dice.shuffled("abcdefghijklmnop")[:2 + dice.below(15)]
        paths = ["".join(dice.shuffled(letters)[:1 + dice.below(len(letters))]) for _ in range(1 + dice.below(3))]
        heavy = dict([(letter, 1 + dice.below(3)) for letter in letters if dice.one_in(6)])
        load = dict([(core, dice.below(5)) for core in cores if dice.one_in(2)])
        one = graph(paths, "".join(letters))
        found = bind(one, groups, heavy, load)
        said = (number, paths, groups, heavy, load, found)
        assert found == bind(graph(paths, "".join(letters)), groups, dict(heavy), dict(load)), said
        assert found == bind(one, groups, heavy, load, found), said
        if len(cores) < 2:
            assert found == {}, said
            continue
        check(one, groups, heavy, found, said)
        stay = dict([(letter, found[letter]) for letter in letters if dice.one_in(2)])
        after = bind(graph([">".join(dice.shuffled(letters))] + paths, "xyz"), groups, dict(heavy, z=1), load, stay)
        assert [letter for letter in stay if after[letter] != stay[letter]] == [], said


def check(of, groups, heavy, found, said):
    """Fail unless cores of somebody's own are nobody else's, one is for all, and a core has no more pieces than it has to."""
    cores = [core for group in groups for core in group]
    owned = [core for letter in heavy for core in found.get(letter, ())]
    assert len(set(owned)) == len(owned) < len(cores), said
    for sf in of.sfs:
        assert set(cores).issuperset(found[sf.id]), said
        if sf.id in heavy:
            assert len(found[sf.id]) in (0, heavy[sf.id]), said
        else:
            assert len(found[sf.id]) == 1 and found[sf.id][0] not in owned, said
    for chain in scheduler.order(of):
        light = [found[name] for name in chain if name not in heavy]
        moves = len([1 for one, other in zip(light, light[1:]) if one != other])
        assert moves < max(1, -(-len(light) // PIECE)), said
