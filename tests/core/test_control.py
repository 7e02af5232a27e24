"""Control: addresses that no two functions share, and the steps that join functions and the node."""
import sys

from composer.core import names, placing, plan, sffg
from composer.core.errors import Conflict
from expect import raises
from fake_node import Drivers, place
from test_plan import EMPTY, deployed, rounds

STEP = 1 if sys.implementation.name == "cpython" else 28  # MicroPython takes one graph in so many, the last too


def graph(**control):
    """Return a graph of functions; control: {function: {TCP port of the node: TCP port of the function}}."""
    return sffg.parse({"forwarding-graph": {"VNFs": [
        {"id": name, "name": "web", "ports": [{"id": "1"}], "unify-control": [
            {"host-tcp-port": port, "vnf-tcp-port": control[name][port]} for port in sorted(control[name])]}
        for name in sorted(control)]}}, "g")


def test_no_two_functions_share_an_address_and_all_are_link_local():
    seen = {}
    for number in range(1, 254, STEP):
        for sf in range(254 - number):
            for address in names.control_addresses(number, sf):
                assert address not in seen, (address, number, sf, seen[address])
                seen[address] = number, sf
    assert names.control_addresses(1, 0) == ["169.254.1.2", "169.254.1.3"]
    octets = [[int(part) for part in address.split(".")] for address in seen]
    assert all([octet[:2] == [169, 254] and 1 <= octet[2] <= 254 and octet[3] <= 255 for octet in octets])
    assert names.control_addresses(2000, 0) is names.control_addresses(1, 2000) is None


def test_a_graph_whose_number_is_too_large_has_no_such_function():
    assert place(graph(a={}), EMPTY, 300)["number"] == 300
    refusal = raises(Conflict, place, graph(a={2000: 80}), EMPTY, 300)
    assert refusal.where == "VNFs[0].unify-control" and "300 and 0" in refusal.message


def test_a_table_tells_whose_it_is():
    assert names.of_table(names.table(7, 12)) == (7, 12)
    for name in ("composer", "composer_1", "composer_x_1", "composer_1_", "composer_1_2_3", "fw4", "mycomposer_1_2"):
        assert names.of_table(name) is None


def test_all_functions_of_a_graph_are_joined_by_one_step_and_a_change_calls_no_script():
    old = deployed(graph(a={2000: 80}, b={2001: 80}))
    new = place(graph(a={2000: 81}, b={2001: 80}, c={2002: 80}), old)
    assert not placing.same(old, new) and placing.touched(old, new) == set([0, 2])
    seen = [line for lines in rounds(plan.update(old, new, Drivers))[0] for line in lines]
    joins = [line for line in seen if " sh -s " in line]
    assert len(joins) == 1
    for words in ("to 169.254.1.3:81", "l1s0c composer:g:a 169.254.1.3/31", "l1s2c composer:g:c"):
        assert words in joins[0]
    assert "l1s1c" not in joins[0]
    assert [line for line in seen if "/update " in line or "/stop " in line] == []


def test_functions_are_parted_from_the_node_with_the_last_port_or_with_themselves():
    old = deployed(graph(a={2000: 80}, b={2001: 80}, c={2002: 80}))
    for wanted in (graph(a={2000: 80}, b={}, c={}), graph(a={2000: 80})):
        seen = [line for lines in rounds(plan.update(old, place(wanted, old), Drivers))[0] for line in lines]
        part, = [line for line in seen if line.endswith(" sh -s")]
        assert "delete table ip composer_1_1" in part and "delete table ip composer_1_2" in part and "composer_1_0" not in part
        assert [line for line in seen if line.endswith("c") and "link del" in line] == ["ip link del l1s1c", "ip link del l1s2c"]
