"""The vSwitch contract: what a module of this package has (paper, Tables 2 and 3).

Management (Table 2).  Parts of a switch are made and unmade in one transaction:
    MAKE, UNMAKE               {kind: function(*words) -> part}, for the kinds
        lsi   (lsi, mark, datapath)                   createLSI, destroyLSI
        link  (lsi, port, other lsi, port, mark)      connectLSIs, destroyVlink
        port  (lsi, port, mark)                       createPortOnLSI, destroyPort
        switch  (lsi, mark, datapath)                 an LSI that is a function: what listens on the socket "<lsi>.controller"
                                                      among the daemon's own programs it (paper, 7.1); none of the others'
        plug  (lsi, port, other lsi, port, mark, number, runs)   a link to such an LSI, whose port there has this number, and leads
                                                      nowhere unless it runs
        sap   (lsi, interface, mark, index)           createSAPOnLSI, destroySAP; index: tells an interface from the
                                                      next one of that name
        segment  (name, mark, datapath)               a bridge that learns, which graphs are linked to
        tunnel   (lsi, port, mark, protocol, options) a port that is the end of a tunnel
        host     (lsi, port, mark, mac)               a port to the TCP/IP stack of the node
      to MAKE what is there with other words changes it
    set_local(lsi, mac, mtu)   returns the part that says what the node sees of an LSI; it goes with the LSI
    transact(parts)            makes all parts or none
    dismantle(parts)           unmakes them; absence is fine, a dead switch too
    TECHNOLOGIES               of ports that it makes
    make_port(port, namespace, inside, mac), unmake_port(port)
                               the device of a port, whose far end is `inside` in the namespace of a function; mac
                               is a text, "" if it does not matter
    version(), look(), remember(lsi, life)
                               of the daemon; what is there and whose; in which life of the switch rules were set
    DEAF                       (seconds since boot, versions): bridges on the kernel's datapath that such a switch has begun
                               with sooner get no packets from it, until all are made anew
    pulse()                    returns a value that is another one when a port or a rule has come or gone
    hold(), release()          while a dead switch is started again, what can forward without it does so

Control (Table 3):
    change_rules(lsi, lines)   carries out lines of core.flows, all at once or not at all
    fingerprint(lsi)           returns a number that is another one when a rule has changed
    compare(lsi, flows, numbers)   returns the numbers of the graphs whose flows are not as wanted
    counters(lsi)              returns {cookie: (packets, bytes)}
    port_counters(lsi)         returns {port: (packets in, bytes in, packets out, bytes out)}, in and out of the LSI
    trace(lsi, packet)         returns what would become of a packet

To UNMAKE a port or a SAP, its LSI may be "": it is unmade wherever it is.
All but MAKE, UNMAKE, set_local, TECHNOLOGIES, DEAF and DAEMONS = (SWITCH, DATABASE), the names of its processes' pid files,
are generators that yield steps (core.steps).  NAME and NEEDS (programs that it
calls) are how drivers.py knows it.  A driver keeps no state.
"""
