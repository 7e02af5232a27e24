# ids-mirror/copy.sh: copies, told to nft.  They are made where a packet enters, before the bridge sees it.
#
#   also PROTOCOL PORTS   copy these as well: all, icmp, tcp, udp or sctp, and of the last three only these ports
#   copy                  copy to $mirror what was selected of $inside and $outside, and nothing else
#   uncopy                copy nothing
#   copies                is it copied?

selected=''

also() {
    case $1$2 in # numbers: a small node has no /etc/protocols
        all) add '' ;;
        icmp) add 'meta l4proto { 1, 58 }' ;;
        tcp) add 'meta l4proto 6' ;;
        udp) add 'meta l4proto 17' ;;
        sctp) add 'meta l4proto 132' ;;
        *) add "$1 dport $2" && add "$1 sport $2" ;;
    esac
}

# Who has been copied is accepted, lest a second rule copies it again.
add() {
    selected="$selected$1 dup to $mirror accept$newline"
}

# The chains stay and their rules are replaced: of two chains, one going and one coming, both might copy a packet.
copy() {
    nft -f - <<EOF || refuse nft "failed; the kernel must have nf_tables and nft_dup_netdev"
table netdev sf {
    chain inside {
        type filter hook ingress device $inside priority 0;
    }
    chain outside {
        type filter hook ingress device $outside priority 0;
    }
    chain mirror {
        type filter hook ingress device $mirror priority 0; policy drop;
    }
}
flush table netdev sf
table netdev sf {
    chain inside {
        $selected
    }
    chain outside {
        $selected
    }
}
EOF
}

uncopy() {
    nft -f - <<EOF
table netdev sf
delete table netdev sf
EOF
}

copies() {
    nft list table netdev sf >/dev/null 2>&1
}
