# vpn/wireguard.sh: wg0, which is the kernel's where it knows WireGuard, and elsewhere a TUN device of wireguard-go.
#
#   launch   make wg0
#   exists   is it there?
#   tell     let it know what is in port, private_key, peer, peer_key, allowed
#   call     note that the peer is called from now on
#   answers  has it answered, of late?
#   vanish   take wg0 away
#
# The first packet to the peer is lost: while a function starts, its graph has no rules yet.  So nothing waits for the
# peer, which is called again 5 s later.

patience=30 # seconds that a peer has to answer
fresh=200   # seconds that an answer is good for; while packets go, there is one every two minutes

if [ -e /sys/module/wireguard ]; then
    launch() {
        batch 'link add wg0 type wireguard'
    }

    exists() {
        [ -e /sys/class/net/wg0 ]
    }

    vanish() {
        ! exists || ip link del wg0
    }
else
    launch() {
        mkdir -p /var/run/wireguard
        rm -f /var/run/wireguard/wg0.sock
        while [ -e /sys/class/net/wg0 ]; do moment; done # it goes with the last thread of who had it
        LOG_LEVEL=silent wireguard-go -f wg0 >/dev/null 2>&1 & # it has a word for every attempt to reach the peer
        echo $! >/run/wireguard.pid
        until [ -S /var/run/wireguard/wg0.sock ]; do
            exists || refuse wireguard-go "ended at once; it needs /dev/net/tun"
            moment
        done
    }

    exists() {
        serves wireguard
    }

    vanish() {
        ends wireguard
    }
fi

tell() {
    (umask 077 && echo "[Interface]
ListenPort = $port
PrivateKey = $private_key
[Peer]
PublicKey = $peer_key
AllowedIPs = $allowed${peer:+
Endpoint = $peer
PersistentKeepalive = 25}" >/run/wireguard.conf)
    wg syncconf wg0 /run/wireguard.conf
}

call() {
    uptime
    echo "$now" >/run/called
}

answers() {
    uptime
    read -r called </run/called
    [ $((now - called)) -ge $patience ] || return 0
    now=$(date +%s)
    last=$(wg show wg0 latest-handshakes)
    [ $((now - ${last##*[!0-9]})) -lt $fresh ]
}
