# firewall/filter.sh: the firewall's rules, told to the packet filter that this node has.
#
#   rule      add the rule that is in action, protocol, ports, entry, leave, from, to, family
#   filter    make the policy and these rules those in force, all at once, on the ports inside, outside, dmz
#   unfilter  take them out
#   filters   are they in force?
#
# A bridge's connections can be tracked in two ways.  Where br_netfilter is in the kernel, it shows the bridge's
# packets to the filters of IP; elsewhere nft tracks them on the bridge itself, which needs nf_conntrack_bridge.  No
# module is loaded here: br_netfilter would change what happens on every other bridge of the node.

shown=/proc/sys/net/bridge # is there with br_netfilter; what it shows is said for each namespace

show() {
    kernel 1 bridge/bridge-nf-call-iptables bridge/bridge-nf-call-ip6tables bridge/bridge-nf-filter-vlan-tagged
}

if command -v nft >/dev/null; then
    if [ -e $shown ]; then layer=inet; else layer=bridge; fi
    rules=''

    rule() {
        case $family in 6) ip=ip6 ;; *) ip=ip ;; esac
        case $protocol$ports in # numbers: a small node has no /etc/protocols
            '') match='' ;;
            icmp) match='meta l4proto { 1, 58 }' ;;
            tcp) match='meta l4proto 6' ;;
            udp) match='meta l4proto 17' ;;
            sctp) match='meta l4proto 132' ;;
            *) match="$protocol dport $ports" ;;
        esac
        zones="${entry:+meta mark & \$from_$entry != 0 }${leave:+meta mark & \$to_$leave != 0 }"
        rules="$rules$zones${from:+$ip saddr $from }${to:+$ip daddr $to }$match $action$newline"
    }

    filter() {
        show
        nft -f - <<EOF || refuse nft "failed; the kernel must have nf_tables, and br_netfilter or nf_conntrack_bridge"
define from_inside = 1
define from_outside = 2
define from_dmz = 4
define to_inside = 16
define to_outside = 32
define to_dmz = 64
table bridge sf
delete table bridge sf
table $layer sf
delete table $layer sf
table bridge sf {
    chain entry {
        type filter hook prerouting priority -300;
        iifname $inside meta mark set \$from_inside
        iifname $outside meta mark set \$from_outside
        ${dmz:+iifname $dmz meta mark set \$from_dmz}
    }
    chain leave {
        type filter hook forward priority -10;
        oifname $inside meta mark set meta mark or \$to_inside
        oifname $outside meta mark set meta mark or \$to_outside
        ${dmz:+oifname $dmz meta mark set meta mark or \$to_dmz}
    }
}
table $layer sf {
    chain forward {
        type filter hook forward priority 0; policy $policy;
        meta protocol != { ip, ip6 } accept
        ct state established,related accept
        icmpv6 type { nd-router-solicit, nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } accept
        $rules
    }
}
EOF
    }

    unfilter() {
        nft -f - <<EOF
table bridge sf
delete table bridge sf
table $layer sf
delete table $layer sf
EOF
    }

    filters() {
        nft list table "$layer" sf >/dev/null 2>&1
    }
else
    command -v iptables-restore >/dev/null || refuse "PATH=$PATH" "neither nft nor iptables is there"
    [ -e $shown ] || refuse iptables "sees nothing of a bridge unless br_netfilter is in the kernel; or install nft"
    rules4='' rules6=''

    rule() {
        case $entry in inside) entry=$inside ;; outside) entry=$outside ;; dmz) entry=$dmz ;; esac
        case $leave in inside) leave=$inside ;; outside) leave=$outside ;; dmz) leave=$dmz ;; esac
        case $action in accept) target=ACCEPT ;; drop) target=DROP ;; esac
        match="${entry:+-m physdev --physdev-in $entry }${leave:+-m physdev --physdev-is-bridged --physdev-out $leave }"
        match="$match${from:+-s $from }${to:+-d $to }"
        case $protocol in
            '') this=$match that=$match ;;
            icmp) this="-p icmp $match" that="-p ipv6-icmp $match" ;;
            *) this="-p $protocol ${ports:+--dport ${ports%-*}:${ports#*-} }$match" that=$this ;;
        esac
        [ "$family" = 6 ] || rules4="$rules4-A FORWARD $this-j $target$newline"
        [ "$family" = 4 ] || rules6="$rules6-A FORWARD $that-j $target$newline"
    }

    filter() {
        show
        case $policy in accept) target=ACCEPT ;; drop) target=DROP ;; esac
        neighbours=''
        for type in 133 134 135 136; do
            neighbours="$neighbours-A FORWARD -p ipv6-icmp --icmpv6-type $type -j ACCEPT$newline"
        done
        open="-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT$newline"
        table iptables-restore "$target" "$open$rules4"
        table ip6tables-restore "$target" "$open$neighbours$rules6"
    }

    # table RESTORE TARGET LINES: make the filter table of RESTORE these lines
    table() {
        $1 <<EOF
*filter
:INPUT ACCEPT
:FORWARD $2
:OUTPUT ACCEPT
$3
COMMIT
EOF
    }

    unfilter() {
        table iptables-restore ACCEPT ''
        table ip6tables-restore ACCEPT ''
    }

    filters() {
        iptables -C FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT 2>/dev/null
    }
fi
