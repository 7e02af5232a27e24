# captive-portal/portal.sh: the rules, and the servers.
#
#   filter      make the rules those in force, all at once; who has accepted stays so
#   unfilter    take them out
#   launch      run the servers that do not run
#   works       do all run?
#   leave       end them
#
# A server says one thing, whatever it is asked, so nothing that a guest sends is ever looked at but by the packet
# filter: a guest accepts by a request to port $accept, and the filter, which sees the request, notes its MAC address.
# HTTP to elsewhere is turned to the portal on the bridge, by its MAC address, and there to port $elsewhere.
#
# A server that has no room for one more process ends, hence a limit: 32 connections at once, and 16 a second of 5 s each,
# are 112 processes of 0.2 MB.

page=80 accept=81 elsewhere=8080
servers="$page:page $accept:accepted $elsewhere:elsewhere"

filter() {
    read -r mac <"/sys/class/net/$inside/address"
    nft -f - <<EOF || refuse nft "failed; the kernel must have nf_tables of bridges and nft_redir"
table bridge sf {
    set guests {
        type ether_addr
        size 16384
        flags dynamic,timeout
    }
    chain prerouting { type filter hook prerouting priority -300; }
    chain input { type filter hook input priority -200; }
    chain forward { type filter hook forward priority -200; policy drop; }
}
flush table bridge sf
table bridge sf {
    chain prerouting {
        iifname != $inside accept
        ip daddr ${own%/*} tcp dport $accept tcp flags & psh == psh update @guests { ether saddr timeout ${time}s }
        ether saddr @guests accept
        ip daddr != ${own%/*} tcp dport 80 meta mark set 1 meta pkttype set host ether daddr set $mac
    }
    chain input {
        iifname $outside meta protocol ip meta l4proto 6 drop
        tcp flags & (syn | ack) == syn limit rate over 16/second burst 32 packets drop
    }
    chain forward {
        ether type arp accept
        iifname $inside ether saddr @guests accept
        iifname $inside udp dport { 53, 67, 547 } accept
        iifname $inside tcp dport 53 accept
        iifname $inside icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } accept
        iifname $outside ether daddr @guests accept
        iifname $outside udp sport { 53, 67, 547 } accept
        iifname $outside tcp sport 53 accept
        iifname $outside icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
    }
}
table ip sf
delete table ip sf
table ip sf {
    chain prerouting {
        type nat hook prerouting priority -100;
        meta mark 1 tcp dport 80 redirect to :$elsewhere
    }
}
EOF
}

unfilter() {
    nft -f - <<EOF
table bridge sf
delete table bridge sf
table ip sf
delete table ip sf
EOF
}

launch() {
    for server in $servers; do
        ! serves "${server#*:}" || continue
        busybox nc -ll -p "${server%:*}" -e busybox sh /run/sf/answer.sh "/run/${server#*:}" >/dev/null 2>&1 &
        echo $! >"/run/${server#*:}.pid"
    done
    for server in $servers; do
        until listens "$(printf %04X "${server%:*}")"; do
            serves "${server#*:}" ||
                refuse busybox "its nc does not know -ll and -e; right would be one with NC_SERVER and NC_EXTRA"
            moment
        done
    done
}

# listens PORT: does anything?  PORT is in the kernel's four digits.
listens() {
    for table in /proc/net/tcp /proc/net/tcp6; do
        [ ! -e $table ] || while read -r _ here _ state _; do
            [ "${here##*:} $state" != "$1 0A" ] || return 0
        done <$table
    done
    return 1
}

works() {
    for server in $servers; do
        serves "${server#*:}" || return 1
    done
}

leave() {
    for server in $servers; do
        ends "${server#*:}"
    done
}
