#!/bin/sh
# lib/functions.sh: stands in for OpenWrt's, as far as the packages here use it.
#
# Configurations are read as OpenWrt reads them, by callbacks; default_postinst and default_prerm are what every package
# runs.  With IPKG_INSTROOT it is all done in that root, offline.

reset_cb() {
    config_cb() { return 0; }
    option_cb() { return 0; }
    list_cb() { return 0; }
}
reset_cb

config() {
    CONFIG_NUMBER=$((CONFIG_NUMBER + 1))
    CONFIG_SECTION=${2:-cfg$CONFIG_NUMBER}
    config_cb "$1" "$CONFIG_SECTION"
}

option() {
    eval "CONFIG_${CONFIG_SECTION}_$1=\$2"
    option_cb "$1" "$2"
}

list() {
    list_cb "$1" "$2"
}

# config_load NAME: /etc/config/NAME, whose lines are commands of the shell
config_load() {
    [ -z "$IPKG_INSTROOT" ] || return 0
    CONFIG_NUMBER=0
    # shellcheck disable=SC1090  # a configuration
    . "${UCI_CONFIG_DIR:-/etc/config}/$1"
    config_cb
}

# config_get_bool VARIABLE SECTION OPTION DEFAULT
config_get_bool() {
    case $(eval "echo \"\${CONFIG_${2}_$3:-$4}\"") in
        1 | on | true | yes | enabled) eval "$1=1" ;;
        0 | off | false | no | disabled) eval "$1=0" ;;
        *) eval "$1=$4" ;;
    esac
}

default_postinst() {
    name=$(basename "${1%.*}")
    files=$IPKG_INSTROOT/usr/lib/opkg/info/$name.list
    grep -s '^/etc/uci-defaults/' "$files" | while read -r file; do
        # shellcheck disable=SC1090  # they are sourced, there too
        [ -n "$IPKG_INSTROOT" ] || { (. "$file") && rm -f "$file"; }
    done
    grep -s '^/etc/init.d/' "$files" | while read -r file; do
        if [ -n "$IPKG_INSTROOT" ]; then
            sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$file" enable
        else
            [ "$PKG_UPGRADE" = 1 ] || "$file" enable
            "$file" start
        fi
    done
}

default_prerm() {
    name=$(basename "${1%.*}")
    grep -s '^/etc/init.d/' "$IPKG_INSTROOT/usr/lib/opkg/info/$name.list" | while read -r file; do
        if [ -n "$IPKG_INSTROOT" ]; then
            sh "$IPKG_INSTROOT/etc/rc.common" "$IPKG_INSTROOT$file" disable
        else
            [ "$PKG_UPGRADE" = 1 ] || "$file" disable
            "$file" stop
        fi
    done
}
