# sf.sh: what the scripts of several functions share.  A script says `. ./sf.sh` before it uses it.
#
# A process costs a millisecond, and a gateway has few to give: what can be done in the shell is done in the
# shell, and ip(8) is called once with all it has to do.

set -f # a * in a variable is not a file name
newline='
'
settings='' # else a graph's variable of that name would be told to ip(8)

# refuse PLACE WHAT: fail, saying where and what would be right
refuse() {
    printf '%s\n' "$1: $2" >&2 # not echo, whose \c and \n a graph might say
    exit 1
}

# two_ports: set $inside and $outside to the first two ports, and $third to one that comes after them
# shellcheck disable=SC2034 # each for whom it concerns
two_ports() {
    # shellcheck disable=SC2086 # one each
    set -- $SF_PORTS
    inside=${1-} outside=${2-} third=${3-}
    [ "$outside" ] || refuse "SF_PORTS=$SF_PORTS" "two ports are needed, inside and outside"
}

# each COMMAND LIST: call COMMAND with the words of each entry of LIST; a line or a ; ends an entry
each() {
    IFS=";$newline"
    for entry in $2; do
        unset IFS
        # shellcheck disable=SC2086 # its words
        set -- "$1" $entry
        [ $# = 1 ] || "$@"
    done
    unset IFS
}

# number TEXT LEAST MOST: is it a number between the two?
number() {
    case $1 in '' | *[!0-9]* | 0?* | ??????????*) return 1 ;; esac
    [ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# address TEXT: is it an IPv4 or IPv6 address, with or without /LENGTH?  Sets $version to 4 or 6.
address() {
    case $1 in *:*) version=6 longest=128 ;; *) version=4 longest=32 ;; esac
    case $1 in */*) number "${1#*/}" 0 $longest || return 1 ;; esac
    address$version "${1%%/*}"
}

address4() {
    case $1 in *[!0-9.]* | *.) return 1 ;; esac
    IFS=.
    # shellcheck disable=SC2086 # its four numbers
    set -- $1
    unset IFS
    [ $# = 4 ] && number "$1" 0 255 && number "$2" 0 255 && number "$3" 0 255 && number "$4" 0 255
}

address6() {
    case $1 in *[!0-9a-fA-F:]* | *:::* | *::*::* | *[!:][!:][!:][!:][!:]* | :[!:]* | *[!:]:) return 1 ;; esac
    case $1 in *::*) fewest=0 ;; *) fewest=8 ;; esac
    IFS=:
    # shellcheck disable=SC2086 # its groups
    set -- $1
    unset IFS
    [ $# -ge $fewest ] && [ $# -le 8 ]
}

# interface VARIABLE ADDRESS/LENGTH: refuse what is not an IPv4 address with the length of its network
interface() {
    case $2 in */*) address "$2" && [ "$version" = 4 ] && return ;; esac
    refuse "$1=$2" "not an IPv4 address with a prefix length; right would be 192.168.1.1/24"
}

# host VARIABLE ADDRESS: refuse what is not the IPv4 address of one host
host() {
    address4 "$2" || refuse "$1=$2" "not an IPv4 address; right would be 192.168.1.1"
}

# load MODULE...: have the kernel load these, if it can
load() {
    ! command -v modprobe >/dev/null || modprobe -aq "$@" 2>/dev/null || :
}

# kernel VALUE SETTING...: set those under /proc/sys/net that this kernel has
kernel() {
    value=$1
    shift
    for setting; do
        case ${SF_PAUSED-}$value$setting in yes1*forward*) continue ;; esac # resume makes it forward
        [ ! -e "/proc/sys/net/$setting" ] || echo "$value" >"/proc/sys/net/$setting"
    done
}

# setting NAME: set $value to a setting; to a shell that reads byte by byte, its file ends before the newline
setting() {
    read -r value <"/proc/sys/net/$1" || :
}

# wish LINES: make these the function's addresses and routes, and take down what an earlier wish left.  A line is
# what follows `ip`, without the verb: "address 10.0.0.1/24 dev eth0", "route default via 10.0.0.254".
#
# A route has a metric, lest it takes the place of one to the same network that came with an address, and is no more when the
# wish is taken back.  The new come before the old go, so what both have is never missed.  An IPv6 address that only changed its
# length goes with the old one: hence the new once more.  Should one fail, a later wish finds all of them in the file.
wish() {
    new='' old='' gone='' IFS=$newline
    for line in $1; do
        case $line in route*) line="$line metric 1024" ;; esac
        new="$new${line%% *} replace ${line#* }$newline"
    done
    unset IFS
    if [ -e /run/wishes ]; then
        while read -r line; do
            case $newline$1$newline$newline in *"$newline$line$newline"*) continue ;; esac
            old="$old$line$newline" gone="${line%% *} del ${line#* }$newline$gone"
        done </run/wishes
    else
        kernel 1 ipv4/conf/all/promote_secondaries
    fi
    echo "$old$1" >/run/wishes
    batch "$new"
    if [ "$gone" ]; then
        ip -force -batch - 2>/dev/null <<EOF || : # some went with their port
$gone
EOF
        batch "$new"
    fi
    echo "$1" >/run/wishes
}

# unwish: take down all that was wished
unwish() {
    wish ''
    rm /run/wishes
}

# batch LINES: one ip(8) for all the lines; it stops at the first that fails, and says so as "Command failed -:NUMBER"
batch() {
    [ "$1" ] || return 0
    said=$(ip -batch - 2>&1 <<EOF
$1
EOF
    ) && return
    number "${said##*:}" 1 9999 || refuse ip "$said"
    IFS=$newline
    # shellcheck disable=SC2086 # its lines
    set -- $1
    unset IFS
    shift $((${said##*:} - 1))
    refuse "ip $1" "${said%%"$newline"*}"
}

# join [OPTION VALUE]...: make br0 a bridge of the function's ports and no others; the options are those of a bridge
# in ip-link(8).  It has no address, and says nothing of its own: no MLD, no IGMP.  Lines for ip(8) in $settings, about
# ports on the bridge, are done before a new bridge passes anything.
join() {
    lines=''
    kernel 1 ipv6/conf/all/disable_ipv6 ipv6/conf/default/disable_ipv6
    [ -e /sys/class/net/br0 ] || lines="link add br0 type bridge mcast_snooping 0$newline"
    for port in $SF_PORTS; do
        [ -e "/sys/class/net/br0/brif/$port" ] || lines="${lines}link set $port master br0$newline"
    done
    set +f
    for member in /sys/class/net/br0/brif/*; do
        [ -e "$member" ] || continue
        port=${member##*/}
        case " $SF_PORTS " in *" $port "*) ;; *) lines="${lines}link set $port nomaster$newline" ;; esac
    done
    set -f
    state=up
    [ -z "${SF_PAUSED-}" ] || state=down
    batch "$lines${settings}link set br0 $state${1:+ type bridge $*}"
}

# joined: end as `status` does for a function that is a bridge, unless all is well
joined() {
    [ -e /sys/class/net/br0 ] || exit 3
    for port in $SF_PORTS; do
        [ -e "/sys/class/net/br0/brif/$port" ] || refuse "$port" "not on the bridge; start joins it"
    done
}

# part: take the bridge down
part() {
    [ ! -e /sys/class/net/br0 ] || ip link del br0
}

# daemon NAME CONFIGURATION COMMAND...: have a daemon that COMMAND leaves behind, with this in /run/NAME.conf.  It writes
# /run/NAME.pid.  One that runs with the same is left alone.
daemon() {
    name=$1 wanted=$2
    shift 2
    ! says "/run/$name.conf" "$wanted" || ! serves "$name" || return 0
    ends "$name"
    printf '%s\n' "$wanted" >"/run/$name.conf"
    "$@"
}

# says FILE TEXT: is it there, and is this what it says?
says() {
    [ -e "$1" ] || return 1
    said=''
    while IFS= read -r line; do said="${said:+$said$newline}$line"; done <"$1"
    [ "$said" = "$2" ]
}

# serves NAME: does the daemon run?  Sets $pid.  A process in another namespace, or none, has the number of one that is gone.
serves() {
    [ -e "/run/$1.pid" ] && read -r pid <"/run/$1.pid" && [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ]
}

# ends NAME: end the daemon, and come back when it has gone; it is asked to, and after 5 s it is killed
ends() {
    serves "$1" || return 0
    kill -CONT "$pid" && kill "$pid" || : # it may be on its way already
    uptime
    patience=$((now + 5))
    while [ "/proc/$pid/ns/net" -ef /proc/self/ns/net ]; do
        uptime
        [ "$now" -lt "$patience" ] || kill -KILL "$pid" || :
    done
}

# moment: wait for a tenth of a second, where sleep knows parts of one
moment() {
    sleep 0.1 2>/dev/null || sleep 1
}

# uptime: set $now to the seconds that the node has been up; a clock may be set
uptime() {
    read -r now _ </proc/uptime
    now=${now%.*}
}

# signal NAME: send this signal to all daemons
signal() {
    set +f
    for file in /run/*.pid; do
        file=${file##*/}
        ! serves "${file%.pid}" || kill "-$1" "$pid"
    done
    set -f
}

# routing: does the kernel forward IPv4?  Refuse if it does not.
routing() {
    setting ipv4/ip_forward
    [ "$value" = 1 ] || refuse net.ipv4.ip_forward "is off; start turns it on"
}

# seal: let nothing pass by way of $outside.  What goes there and what comes from there is the function's own, a tunnel's.
seal() {
    nft -f - <<EOF
table inet sf
delete table inet sf
table inet sf {
    chain forward {
        type filter hook forward priority 0;
        iifname $outside drop
        oifname $outside drop
    }
}
EOF
}

# sealed: refuse if something may
sealed() {
    nft list table inet sf >/dev/null 2>&1 || refuse rules "are gone; start makes them"
}

# unseal: take that out
unseal() {
    nft -f - <<EOF
table inet sf
delete table inet sf
EOF
}
