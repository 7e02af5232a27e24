# ipsec/charon.sh: the key exchange daemon of strongSwan, and what it is told.
#
#   configure   say what is in outer, peer, own_id, peer_id, secret, near, networks as charon wants it: sets $wanted, and
#               $children, the tunnels: one for each network
#   launch      run it, with its device ipsec0
#   vanish      take ipsec0 away
#   tell        let it know the tunnels
#   settle      take down what tunnels nobody wants, and, with a peer, call for those that are missing
#   compare     set $missing to the tunnels to networks that are not up, and $surplus to those that nobody wants
#   patient     is it less than 30 s since the peer was called?
#
# Where the kernel has ESP, it does the work, at an interface of type xfrm.  Elsewhere charon does, at a TUN device, and
# hides ESP in UDP.  Both are called ipsec0.  By itself charon would offer ciphers for which it may have no plugin: hence
# the proposals.  And it wants an address of its own in each network that the peer asks for.
#
# The first packets to the peer are lost: while a function starts, its graph has no rules yet.  So nothing waits for the
# peer, and charon soon tries again.
#
# Where AppArmor watches, charon may read /run/charon.*, and swanctl only what is in /etc/swanctl: so this is mounted
# there, in the script's own mount namespace.

known=/run/swanctl # what is seen as /etc/swanctl

if [ -e /sys/module/esp4 ] && [ -e /sys/module/xfrm_interface ]; then
    plugin='' link="xfrm state flush
xfrm policy flush
link add ipsec0 type xfrm dev $outside if_id 1
link set ipsec0 mtu 1400 up"
else
    plugin=kernel-libipsec! link=''
fi

configure() {
    children=''
    for network in $networks; do
        named "$network"
        children="$children$name {
    local_ts = $near
    remote_ts = $network${plugin:+
    esp_proposals = aes128-sha256,aes256-sha256}${peer:+
    dpd_action = restart
    close_action = start}
}$newline"
    done
    wanted="# $inside $outside
connections {
    sf {
        version = 2
        local_addrs = ${outer%/*}
        remote_addrs = ${peer:-%any}
        mobike = no
        dpd_delay = 10s
        keyingtries = 0${link:+
        if_id_in = 1
        if_id_out = 1}
        local {
            auth = psk
            id = $own_id
        }
        remote {
            auth = psk
            id = $peer_id
        }
        children {
            include tunnels
        }
        # of $near
    }
}
secrets {
    ike {
        secret = \"$secret\"
    }
}"
}

# named NETWORK: set $name to what its tunnel is called
named() {
    IFS=./
    # shellcheck disable=SC2086 # its numbers
    set -- $1
    unset IFS
    name=$1_$2_$3_$4_$5
}

vanish() {
    if [ "$link" ] && [ -e /sys/class/net/ipsec0 ]; then ip link del ipsec0; fi
    while [ -e /sys/class/net/ipsec0 ]; do moment; done # charon's goes with the last of its threads
}

launch() {
    mkdir -p $known /var/run
    rm -f $known/tunnels /run/charon.pid /run/charon.vici
    (umask 077 && echo "$wanted" >$known/swanctl.conf)
    echo "charon {
    load = random nonce openssl aes sha1 sha2 hmac kdf gcm curve25519 gmp $plugin kernel-netlink socket-default! vici!
    routing_table = 0
    retransmit_timeout = 0.3
    retransmit_base = 1.5
    retransmit_tries = 9
    filelog {
        stderr {
            default = -1
            dmn = 1
            lib = 1
        }
    }
    plugins {
        vici {
            socket = unix:///run/charon.vici
        }
    }
}" >/run/charon.conf
    echo 'swanctl { load = random }' >$known/strongswan.conf # it would look for plugins that it has no use for
    vanish
    [ -z "$link" ] || batch "$link"
    STRONGSWAN_CONF=/run/charon.conf /usr/lib/ipsec/charon >/dev/null 2>/run/charon.log &
    echo $! >/run/server.pid
    until [ -S /run/charon.vici ] && [ -e /sys/class/net/ipsec0 ]; do
        serves server || {
            said=$(tail -n 2 /run/charon.log)
            refuse charon "${said%%"$newline"*}"
        }
        moment
    done
}

tell() {
    ! says $known/tunnels "$children" || return 0
    echo "$children" >$known/tunnels
    ask --load-all --noprompt --clear || {
        rm $known/tunnels
        refuse swanctl "${said##*"$newline"}"
    }
}

# ask WORD...: have swanctl tell charon these, and set $said to its answer
ask() {
    [ -e /etc/swanctl/tunnels ] || mount --bind $known /etc/swanctl
    said=$(STRONGSWAN_CONF=/etc/swanctl/strongswan.conf swanctl "$@" --uri unix:///run/charon.vici 2>&1)
}

settle() {
    compare
    for name in $surplus; do
        ask --terminate --child "$name" --timeout -1 || : # a peer that is silent is not waited for, either
    done
    [ "$peer" ] && [ "$missing" ] || return 0
    uptime
    echo "$now" >/run/called
    for name in $missing; do
        ask --initiate --child "$name" --timeout -1 || refuse "IPSEC_PEER=$peer" "${said##*"$newline"}"
    done
}

compare() {
    ask --list-sas || refuse charon "${said##*"$newline"}"
    up=' ' wished=' ' surplus='' missing=''
    for network in $networks; do
        named "$network"
        wished="$wished$name "
    done
    IFS=$newline
    for line in $said; do
        case $line in '  '*': #'*', INSTALLED, '*) ;; *) continue ;; esac
        name=${line%%: *} name=${name##* }
        up="$up$name "
        case $wished in *" $name "*) ;; *) surplus="$surplus$name " ;; esac
    done
    unset IFS
    for name in $wished; do
        case $up in *" $name "*) ;; *) missing="$missing${missing:+ }$name" ;; esac
    done
}

patient() {
    uptime
    read -r called </run/called
    [ $((now - called)) -lt 30 ]
}
