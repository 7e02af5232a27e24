#!/bin/sh
# meter.sh PORT SECONDS TOPIC: publish every so many seconds how many bits a second passed by PORT, in either direction.
#
# Where the broker is and who we are is in $XDG_CONFIG_HOME/mosquitto_pub.
set -eu

# octets: set $octets to what has passed so far
octets() {
    read -r received <"/sys/class/net/$port/statistics/rx_bytes"
    read -r sent <"/sys/class/net/$port/statistics/tx_bytes"
    octets=$((received + sent))
}

port=$1 seconds=$2 topic=$3
octets
while sleep "$seconds"; do
    before=$octets
    octets
    mosquitto_pub -q 1 -t "$topic" -m $(((octets - before) * 8 / seconds)) || : # away; the next report will do
done
