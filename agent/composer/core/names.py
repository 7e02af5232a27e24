"""Names of all that the agent makes, from small numbers: an interface name has at most 15 letters.

A graph has a number (the smallest free one, kept with the graph), and in it each link, function, port and rule
has one.  The mark of the agent is in each name, in external_ids of the switch, or in the cookie of a rule.

    lsi7       the LSI of graph 7; lsi0 is LSI-0      composer:home:fw   the namespace of function fw of graph home
    l7v2       virtual link 2, its end on LSI-0       l7w2               its end on the graph-LSI
    l7s1p0     port 0 of function 1, on the LSI       eth0               the same port, in the function's namespace
    l7s1o      the LSI that function 1 is, if it is one (compute/openflow.py)
    l7s1q2     port 2 of it, as it has it               l7s1p2               the same port, as the graph-LSI has it
    l7s1c      what joins function 1 and the node     ctl0               the same, in the function's namespace
    composer_7_1   the table of nftables for it
    l7a0       SAP 0 that is a port of its own        l7b0               its other end, on a segment
    seg3       the segment of group 3
    l7j4       joint 4, its end outside               l7k4               its end inside (recursion.py)
"""

LSI0 = "lsi0"
NODE = 0  # the number that stands for the node itself, in cookies
HOSTS = "0x636f6d00"  # the group of the ports of host-stack SAPs, for ip(8) and nft(8)
UNPLUGGED = "unplugged"  # where the ports lead of an LSI that is a function which does not run
CONTROL = "ctl0"  # in a function's namespace
LONGEST = 200  # letters of a namespace's name, which a function deep within another may be beyond
MARK = "composer"  # in external_ids, and before a namespace's name
ONWARD = 0x80000000  # low halves of cookies: of rules that lead on from a link to its port
DISPATCH = 0x40000000  # and of rules that dispatch a VLAN


def lsi(number):
    return "lsi%d" % number


def link(number, link_number):
    """Return the two ends of a virtual link: (on LSI-0, on the graph-LSI)."""
    return "l%dv%d" % (number, link_number), "l%dw%d" % (number, link_number)


def port(number, sf, port_number):
    """Return the end of a function's port that is on the LSI."""
    return "l%ds%dp%d" % (number, sf, port_number)


def switch(number, sf):
    """Return the LSI that a function is."""
    return "l%ds%do" % (number, sf)


def socket(switch):
    """Return the name under which the daemon of the switch finds the socket of what programs such an LSI."""
    return switch + ".controller"


def plug(number, sf, port_number):
    """Return the end of a function's port that is on the LSI which the function is."""
    return "l%ds%dq%d" % (number, sf, port_number)


def sap(number, sap_number):
    """Return the two ends of a SAP that is a port of its own: (on its LSI, on a segment, if it has that)."""
    return "l%da%d" % (number, sap_number), "l%db%d" % (number, sap_number)


def joint(number, joint_number):
    """Return the two ends of a joint: (what the graph outside sees, what the graph inside sees)."""
    return "l%dj%d" % (number, joint_number), "l%dk%d" % (number, joint_number)


def control(number, sf):
    """Return the end, in the node's own network, of what joins it and a function; its other end is CONTROL."""
    return "l%ds%dc" % (number, sf)


def control_addresses(number, sf):
    """Return [the node's, the function's] link-local address, a /31 that is no other function's; None if the numbers are
    too large: there is room for all whose numbers come to 253 at most, and for no other graph.

    They are counted along the diagonals: 1+0, 1+1, 2+0, 1+2 ...; 169.254.0.* and 169.254.255.* are reserved (RFC 3927).
    """
    pair = (number + sf) * (number + sf + 1) // 2 + sf
    if number + sf > 253:
        return None
    return ["169.254.%d.%d" % (1 + pair // 128, pair % 128 * 2 + end) for end in (0, 1)]


def table(number, sf):
    return "%s_%d_%d" % (MARK, number, sf)


def of_table(name):
    """Return (number of the graph, number of the function) of a table of that name, or None."""
    words = name.split("_")
    if len(words) != 3 or words[0] != MARK or not all([word.isdigit() for word in words[1:]]):
        return None
    return int(words[1]), int(words[2])


def segment(group):
    """Return the bridge that joins the graphs of a group."""
    return "seg%d" % group


def alias(graph):
    """Return the mark of a device of the kernel that is a graph's: it is not the switch's, which has external_ids."""
    return "%s:%s" % (MARK, graph)


def belongs(name, number):
    """Say whether an interface's name is one that the graph of this number could need."""
    return name == lsi(number) or name.startswith("l%d" % number) and name[len("l%d" % number):][:1] in ("v", "w", "s", "a", "b", "j", "k")


def number(name):
    """Return the number of the graph that an interface of this name would belong to, or None."""
    digits = ""
    for letter in name[3 if name.startswith("lsi") else 1:] if name.startswith("l") else "":
        if not "0" <= letter <= "9":
            break
        digits += letter
    return int(digits) if digits else None


def inside(port_number):
    """Return the name of a function's port in its namespace."""
    return "eth%d" % port_number


def namespace(graph, sf, sf_number, taken):
    """Return the name of a function's namespace; `taken` are the names that may not be used now."""
    name = "%s:%s:%s" % (MARK, graph, sf.replace("/", "+"))
    if len(name) > LONGEST:
        return "%s:%s:+%d" % (MARK, graph, sf_number)
    return name if name not in taken else "%s:%d" % (name, sf_number)


def cookie(number, low):
    """Return the cookie of one rule: the graph in its high half."""
    return number << 32 | low


def free(taken, first=0):
    """Yield the numbers from `first` on that are not in `taken`, the smallest first."""
    number = first
    while True:
        if number not in taken:
            yield number
        number += 1
