# nat/filter.sh: address translation, told to the packet filter that this node has.
#
#   forward PROTOCOL PORT ADDRESS:PORT   add a forwarding of a port of $outer
#   translate                            make them and the masquerading those in force, all at once
#   untranslate                          take them out
#   translates                           are they in force?

forwards=''

if command -v nft >/dev/null; then
    forward() {
        forwards="${forwards}iifname $outside ip daddr ${outer%/*} $1 dport $2 dnat to $3$newline"
    }

    translate() {
        nft -f - <<EOF
table ip sf
delete table ip sf
table ip sf {
    chain prerouting {
        type nat hook prerouting priority -100;
        $forwards
    }
    chain postrouting {
        type nat hook postrouting priority 100;
        oifname $outside masquerade
    }
}
EOF
    }

    untranslate() {
        nft -f - <<EOF
table ip sf
delete table ip sf
EOF
    }

    translates() {
        nft list table ip sf >/dev/null 2>&1
    }
else
    command -v iptables-restore >/dev/null || refuse "PATH=$PATH" "neither nft nor iptables is there"

    forward() {
        forwards="$forwards-A PREROUTING -i $outside -d ${outer%/*} -p $1 --dport $2 -j DNAT --to $3$newline"
    }

    translate() {
        table "$forwards-A POSTROUTING -o $outside -j MASQUERADE"
    }

    # table LINES: make the nat table these lines
    table() {
        iptables-restore <<EOF
*nat
:PREROUTING ACCEPT
:INPUT ACCEPT
:OUTPUT ACCEPT
:POSTROUTING ACCEPT
$1
COMMIT
EOF
    }

    untranslate() {
        table ''
    }

    translates() {
        iptables -t nat -C POSTROUTING -o "${SF_PORTS##* }" -j MASQUERADE 2>/dev/null
    }
fi
