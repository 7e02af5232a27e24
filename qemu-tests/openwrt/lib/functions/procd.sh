#!/bin/sh
# lib/functions/procd.sh: stands in for procd and its shell library: a service of one instance.
#
# A service that is described anew is started again only if its command or a file of it is another.  One that ends is
# started again after the seconds that its `respawn` says.  What it writes goes to /var/log/NAME.log.
procd=/var/run/procd

procd_open_service() { procd_name=$1 procd_command='' procd_files='' procd_pause=''; }
procd_open_instance() { :; }
procd_close_instance() { :; }

procd_set_param() {
    procd_param=$1
    shift
    case $procd_param in
        command) procd_command=$* ;;
        file) procd_files=$* ;;
        respawn) procd_pause=${2:-5} ;;
    esac
}

procd_add_reload_trigger() {
    mkdir -p $procd
    for procd_trigger in "$@"; do
        # shellcheck disable=SC2154  # rc.common says which script it runs
        grep -qsx "$procd_trigger $initscript" $procd/triggers || echo "$procd_trigger $initscript" >>$procd/triggers
    done
}

procd_close_service() {
    [ -n "$procd_command" ] || {
        procd_kill "$procd_name"
        return 0
    }
    mkdir -p $procd
    # shellcheck disable=SC2086  # words on purpose
    {
        echo "$procd_command $procd_pause"
        cat $procd_files /dev/null | md5sum
    } >$procd/"$procd_name".wanted
    if procd_running "$procd_name" && cmp -s $procd/"$procd_name".wanted $procd/"$procd_name".is; then return 0; fi
    procd_kill "$procd_name"
    mv $procd/"$procd_name".wanted $procd/"$procd_name".is
    # shellcheck disable=SC2086  # words on purpose
    setsid /sbin/procd-supervise "$procd_name" "$procd_pause" $procd_command </dev/null >/dev/null 2>&1 &
    echo $! >$procd/"$procd_name".pid
}

procd_running() {
    [ -e "$procd/$1.pid" ] && kill -0 "$(cat "$procd/$1.pid")" 2>/dev/null
}

procd_kill() {
    procd_running "$1" || return 0
    procd_pid=$(cat "$procd/$1.pid")
    kill "$procd_pid"
    while kill -0 "$procd_pid" 2>/dev/null; do sleep 0.1; done
    rm -f "$procd/$1.pid"
}
