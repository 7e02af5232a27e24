# load-balancer/ports.sh: which ports the rules are for.
#
#   index PORT   set $index to the kernel's number of a port, which no later one by that name has; to 0 without it
#
# The rules go by these numbers.  start leaves them in /run/ports: "eth0=2 eth1=3 ".

index() {
    index=0
    [ ! -e "/sys/class/net/$1/ifindex" ] || read -r index <"/sys/class/net/$1/ifindex"
}
