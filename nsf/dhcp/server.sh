# dhcp/server.sh: the DHCP server that this node has, dnsmasq or that of busybox.
#
#   configure   say what is in own, port, rest, first, last, gateway, dns, lease as the server wants it: sets $wanted
#   launch      run it as /run/server.conf says; neither server asks with a ping who has an address, for up to 3 s

if command -v dnsmasq >/dev/null; then
    configure() {
        wanted="port=0
interface=$port
bind-interfaces
dhcp-authoritative
no-ping
pid-file=/run/server.pid
dhcp-leasefile=/run/leases
dhcp-range=$first,$last,$lease
dhcp-option=3${gateway:+,$gateway}
dhcp-option=6${dns:+,$dns}"
    }

    launch() {
        dnsmasq --conf-file=/run/server.conf
    }
else
    command -v busybox >/dev/null || refuse "PATH=$PATH" "neither dnsmasq nor busybox is there"

    configure() {
        dotted $((0xffffffff << rest))
        wanted="interface $port
start $first
end $last
lease_file /run/leases
option subnet $dots
option lease $lease${gateway:+
option router $gateway}"
        IFS=,
        for server in $dns; do
            wanted="$wanted${newline}option dns $server"
        done
        unset IFS
    }

    # dotted NUMBER: set $dots to it as an IPv4 address
    dotted() {
        dots=$(($1 >> 24 & 255)).$(($1 >> 16 & 255)).$(($1 >> 8 & 255)).$(($1 & 255))
    }

    launch() {
        : >>/run/leases
        busybox udhcpd -f -a0 /run/server.conf >/dev/null 2>&1 &
        echo $! >/run/server.pid
    }
fi
